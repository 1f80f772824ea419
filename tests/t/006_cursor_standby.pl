# A cursor on a replica while the primary deletes and vacuums what it reads: with patience it keeps its answer, without
# it is canceled; it never answers something else.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "autovacuum = off");
$primary->start;
create_table($primary, rows => 1500);
$primary->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops)");
add_rows($primary, 1501, 1600, $DIM);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1");
$standby->start;
$primary->wait_for_catchup($standby);

# Opens a cursor on the standby, changes the primary with $sql, reads on. Returns what psql says.
sub read_while
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	my @statements = (
		"SET enable_seqscan = off; SET enable_sort = off",
		"BEGIN ISOLATION LEVEL REPEATABLE READ",
		"DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> embed(1, $DIM)",
		"FETCH 10 FROM c",
		"SELECT 'asleep' WHERE pg_sleep(3) IS NULL",
		"FETCH ALL FROM c",
		"COMMIT");
	my $reader = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $standby->connstr('postgres'), map { ('-c', $_) } @statements ],
		'<', \'', '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	$standby->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
	  or die "the reader does not begin";
	$primary->safe_psql('postgres', $_) for @$sql;
	$reader->finish;
	return ([ sort { $a <=> $b } grep { /^\d+$/ } split(/\n/, $out) ], $err);
}

my @change = ("DELETE FROM items WHERE id % 3 = 0", "VACUUM items",
	"INSERT INTO items SELECT i, embed(i, $DIM) FROM generate_series(2001, 2100) i");
my ($ids, $err) = read_while(\@change);
is($err, '', 'the patient cursor ends without an error');
is_deeply($ids, [ 1 .. 1600 ], 'and with the rows of its snapshot, each once');
$primary->wait_for_catchup($standby);
my $rows = $primary->safe_psql('postgres', "SELECT count(*) FROM items");
is(count_by_index($standby, $DIM), "$rows|$rows", 'a later search has the rows of today');
is(check_sound($standby, 'items_v'), 'true', 'sound');

$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 0");
$standby->reload;
($ids, $err) = read_while([ "DELETE FROM items WHERE id % 3 = 1", "VACUUM items" ]);
like($err, qr/due to conflict with recovery/, 'the impatient cursor is canceled');
$primary->wait_for_catchup($standby);
$rows = $primary->safe_psql('postgres', "SELECT count(*) FROM items");
is(count_by_index($standby, $DIM), "$rows|$rows", 'a later search has the rows of today');
is(check_sound($standby, 'items_v'), 'true', 'sound');
$primary->stop;
$standby->stop;
done_testing();
