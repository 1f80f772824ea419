# Inserts, updates, deletes, vacuum and scans at once; the answers of each moment are checked by the workload itself.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $node = PostgreSQL::Test::Cluster->new('load');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_connections = 40");
$node->start;
create_table($node, rows => 1500);
$node->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops);
	CREATE SEQUENCE next_id START 10000;");

$node->pgbench(
	'--no-vacuum --client=6 --transactions=150 --jobs=2',
	0,
	[qr{actually processed}],
	[qr{^$}],
	'inserts, updates, deletes, vacuum and searches at once',
	{
		'003_insert@6' => qq(
			SELECT nextval('next_id') AS id \\gset
			INSERT INTO items VALUES (:id, embed(:id, $DIM));
			SET enable_seqscan = off;
			SELECT 1 / (id = :id)::int FROM (SELECT id FROM items ORDER BY v <-> embed(:id, $DIM) LIMIT 1) s;
		),
		'003_update@3' => qq(
			\\set id random(1, 1500)
			UPDATE items SET v = embed(id + 7, $DIM) WHERE id = :id;
		),
		'003_delete@2' => qq(
			\\set id random(1, 1500)
			DELETE FROM items WHERE id = :id;
			SET enable_seqscan = off;
			SELECT 1 / (count(*) = 0)::int FROM (SELECT id FROM items ORDER BY v <-> embed(:id, $DIM) LIMIT 50) s WHERE id = :id;
		),
		'003_order@3' => qq(
			\\set q random(1, 100000)
			SET enable_seqscan = off;
			SELECT 1 / (count(*) = 20)::int FROM (SELECT id FROM items ORDER BY v <-> embed(:q, $DIM) LIMIT 20) s;
		),
	});
$node->safe_psql('postgres', "VACUUM items");
is(check_sound($node, 'items_v'), 'true', 'sound after the load');
my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM items");
is(count_by_index($node, $DIM), "$rows|$rows", 'every row exactly once');
# Lists are calibrated for the rows that they were made of: a third of these is gone.
$node->safe_psql('postgres', "SELECT proxima.merge('items_v')") if $METHOD eq 'ivf';
cmp_ok(recall($node, '<->', $DIM, 200), '>=', 0.95, 'recall after the load');
$node->stop;
done_testing();
