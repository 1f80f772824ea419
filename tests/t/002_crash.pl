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
$node->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops)");

for my $round (1 .. 4)
{
	my $from = 1000 + $round * 1000 + 1;
	$node->safe_psql('postgres', "CHECKPOINT") if $round % 2;
	add_rows($node, $from, $from + 299, $DIM);
	$node->safe_psql('postgres', "DELETE FROM items WHERE id % 13 = $round; ");
	$node->safe_psql('postgres', "VACUUM items") if $round == 3;
	my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM items");
	crash_and_start($node);
	is($node->safe_psql('postgres', "SELECT count(*) FROM items"), $rows, "round $round: table");
	is(count_by_index($node, $DIM), "$rows|$rows", "round $round: index");
	is(check_sound($node, 'items_v'), 'true', "round $round: sound");
	my $newest = $from + 200;
	$newest++ while $newest % 13 == $round;
	is((index_ids($node, "embed($newest, $DIM)", '<->', 1))[0], $newest, "round $round: newest row by search");
}

# A build that dies leaves nothing behind that matters.
$node->safe_psql('postgres',
	"CREATE TABLE other (id int, v vector($DIM)); INSERT INTO other SELECT i, embed(i, $DIM) FROM generate_series(1, 8000) i");
my $build = start_psql($node,
	"CREATE INDEX other_v ON other USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000)");
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_progress_create_index")
  or die "the build does not begin";
crash_and_start($node);
eval { $build->finish };
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'other_v'"), '0', 'the killed build is gone');
$node->safe_psql('postgres', "CREATE INDEX other_v ON other USING $METHOD (v vector_l2_ops)");
is(check_sound($node, 'other_v'), 'true', 'a build after a killed build');

# Unlogged: the init fork makes an empty, usable index after a crash.
$node->safe_psql('postgres', "CREATE UNLOGGED TABLE quick (id int, v vector(3));
	INSERT INTO quick VALUES (1, '[1,2,3]');
	CREATE INDEX quick_v ON quick USING $METHOD (v vector_l2_ops);");
crash_and_start($node);
is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*) FROM (SELECT * FROM quick ORDER BY v <-> '[1,2,3]') s"),
	'0', 'unlogged table and index are empty after a crash');
$node->safe_psql('postgres', "INSERT INTO quick SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(1, 50) i");
is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT id FROM quick ORDER BY v <-> '[7,0,0]' LIMIT 1"),
	'7', 'and can be used again');
is(check_sound($node, 'quick_v'), 'true', 'sound');
$node->stop;
done_testing();
