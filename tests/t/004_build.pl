# Builds: cancel, timeout, small memory, recall for each operator class, CONCURRENTLY under load.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Time::HiRes qw(time);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $node = PostgreSQL::Test::Cluster->new('build');
$node->init;
$node->start;
create_table($node, rows => 12000, dim => 64);

my %operators = (l2 => '<->', ip => '<#>', cosine => '<=>', l1 => '<+>');
for my $metric (sort keys %operators)
{
	$node->safe_psql('postgres', "CREATE INDEX items_v ON items USING hnsw (v vector_${metric}_ops)");
	is(check_sound($node, 'items_v'), 'true', "$metric: sound");
	cmp_ok(recall($node, $operators{$metric}, 64, 200), '>=', 0.95, "$metric: recall with defaults");
	$node->safe_psql('postgres', "DROP INDEX items_v");
}

# Too little memory: several segments, all rows, the same recall.
$node->safe_psql('postgres',
	"SET maintenance_work_mem = '4MB'; CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)");
cmp_ok($node->safe_psql('postgres', "SELECT proxima.check_index('items_v') ->> 'segments'"), '>', 1, 'several segments');
is(check_sound($node, 'items_v'), 'true', 'small memory: sound');
cmp_ok(recall($node, '<->', 64, 200), '>=', 0.95, 'small memory: recall');
$node->safe_psql('postgres', "DROP INDEX items_v");

# A timeout stops the build soon, and leaves nothing.
my $start = time();
my ($code, $out, $err) = $node->psql('postgres',
	"SET statement_timeout = '300ms'; CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (ef_construction = 1000, m = 64)");
my $seconds = time() - $start;
like($err, qr/canceling statement due to statement timeout/, 'the build is canceled');
cmp_ok($seconds, '<', 1.5, "soon after the timeout ($seconds s)");
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'items_v'"), '0', 'nothing is left');

# CONCURRENTLY while rows come and go.
my $load = start_psql($node, q(DO $$ BEGIN FOR i IN 20001..20400 LOOP
	INSERT INTO items VALUES (i, embed(i, 64)); DELETE FROM items WHERE id = i - 20000; COMMIT; END LOOP; END $$));
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM items WHERE id > 20000") or die "the load does not begin";
$node->safe_psql('postgres', "CREATE INDEX CONCURRENTLY items_v ON items USING hnsw (v vector_l2_ops)");
ok($load->finish, 'the load ends without an error');
is($node->safe_psql('postgres', "SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_v'::regclass"), 't', 'valid');
my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM items");
is(count_by_index($node, 64), "$rows|$rows", 'every row once');
is(check_sound($node, 'items_v'), 'true', 'sound');
$node->stop;
done_testing();
