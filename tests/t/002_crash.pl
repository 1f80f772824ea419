# SIGKILL of the whole server: nothing acknowledged is lost, in the index as in the table.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off");
$node->start;
create_table($node, rows => 2000);
$node->safe_psql('postgres', "CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)");

sub count_by_index
{
	return $node->safe_psql('postgres',
		"SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> embed(1, 32) LIMIT 1000000) s");
}

for my $round (1 .. 4)
{
	my $from = 1000 + $round * 1000 + 1;
	$node->safe_psql('postgres', "CHECKPOINT") if $round % 2;
	add_rows($node, $from, $from + 299, 32);
	$node->safe_psql('postgres', "DELETE FROM items WHERE id % 13 = $round; ");
	$node->safe_psql('postgres', "VACUUM items") if $round == 3;
	my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM items");
	$node->kill9;
	start_after_kill($node);
	is($node->safe_psql('postgres', "SELECT count(*) FROM items"), $rows, "round $round: table");
	is(count_by_index(), $rows, "round $round: index");
	is(check_sound($node, 'items_v'), 'true', "round $round: sound");
	my $newest = $from + 200;
	$newest++ while $newest % 13 == $round;
	is((index_ids($node, "embed($newest, 32)", '<->', 1))[0], $newest, "round $round: newest row by search");
}

# A build that dies leaves nothing behind that matters.
$node->safe_psql('postgres', "CREATE TABLE other AS SELECT * FROM items");
my $psql = $node->background_psql('postgres', on_error_stop => 0);
$psql->query_until(qr/go/, "\\echo go\nCREATE INDEX other_v ON other USING hnsw (v vector_l2_ops);\n");
$node->kill9;
eval { $psql->quit };
start_after_kill($node);
$node->safe_psql('postgres', "DROP INDEX IF EXISTS other_v; CREATE INDEX other_v ON other USING hnsw (v vector_l2_ops)");
is(check_sound($node, 'other_v'), 'true', 'a build after a killed build');

# Unlogged: the init fork makes an empty, usable index after a crash.
$node->safe_psql('postgres', "CREATE UNLOGGED TABLE quick (id int, v vector(3));
	INSERT INTO quick VALUES (1, '[1,2,3]');
	CREATE INDEX quick_v ON quick USING hnsw (v vector_l2_ops);");
$node->kill9;
start_after_kill($node);
is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*) FROM (SELECT * FROM quick ORDER BY v <-> '[1,2,3]') s"),
	'0', 'unlogged table and index are empty after a crash');
$node->safe_psql('postgres', "INSERT INTO quick SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(1, 50) i");
is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT id FROM quick ORDER BY v <-> '[7,0,0]' LIMIT 1"),
	'7', 'and can be used again');
is(check_sound($node, 'quick_v'), 'true', 'sound');
$node->stop;
done_testing();
