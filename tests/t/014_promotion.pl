# A replica that is read is promoted while the primary, which then is gone, was in the middle of a flush or merge: the
# index is sound, scans of before go on, what the unfinished job had claimed is used again.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $dim = 80;
my $primary = PostgreSQL::Test::Cluster->new('first');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf',
	"autovacuum = off\nwal_consistency_checking = 'all'\nproxima.background_merge = off\nmax_standby_streaming_delay = -1");
$primary->start;
create_table($primary, rows => 400, dim => $dim);
$primary->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops);
	CREATE UNLOGGED TABLE brief AS SELECT * FROM items;
	CREATE INDEX brief_v ON brief USING $METHOD (v vector_l2_ops);
	CREATE FUNCTION request_merge(regclass) RETURNS text AS '\$libdir/proxima', 'proxima_request_merge' LANGUAGE C STRICT");
my $next = 401;

sub add
{
	my ($rows) = @_;
	add_rows($primary, $next, $next + $rows - 1, $dim);
	$next += $rows;
	return;
}

# Everything is new: the rows, and the one segment that has them. Returns the size of the file in blocks.
sub turn_over
{
	$primary->safe_psql('postgres', "DELETE FROM items");
	add(300);
	$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) items");
	$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
	return blocks($primary, 'file');
}

sub start_standby
{
	my ($name) = @_;
	$primary->backup($name);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($primary, $name, has_streaming => 1);
	$standby->start;
	$primary->wait_for_catchup($standby);
	return $standby;
}

# A cursor over everything, of which some rows are read.
sub open_cursor
{
	my ($node) = @_;
	my %cursor = (out => '', err => '', in => "\\set VERBOSITY sqlstate\nSET enable_seqscan = off; SET enable_sort = off;
		BEGIN ISOLATION LEVEL REPEATABLE READ;
		DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> embed(1, $dim); FETCH 10 FROM c;\n\\echo begun\n");
	$cursor{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$cursor{in}, '>', \$cursor{out}, '2>', \$cursor{err}, IPC::Run::timeout(120));
	$cursor{run}->pump until $cursor{out} =~ /begun/;
	return \%cursor;
}

# All rows that it has found, ascending, and what psql says.
sub read_to_the_end
{
	my ($cursor) = @_;
	$cursor->{in} .= "FETCH ALL FROM c; COMMIT;\n\\q\n";
	$cursor->{run}->finish;
	return (join(',', sort { $a <=> $b } grep { /^\d+$/ } split(/\n/, $cursor->{out})), $cursor->{err});
}

my $ids = "SELECT string_agg(id::text, ',' ORDER BY id) FROM items";
my $generation = 1;
for my $step ('flush sealed', 'flush written', 'merge claimed', 'merge written')
{
	my ($job) = split(/ /, $step);
	my $standby = start_standby('after_' . $generation++);
	add(200);
	$primary->safe_psql('postgres', "SELECT proxima.flush('items_v')");
	$primary->safe_psql('postgres', "DELETE FROM items WHERE id % 7 = 0");
	add(100);
	$primary->wait_for_catchup($standby);
	my $expected = $standby->safe_psql('postgres', $ids);
	my $cursor = open_cursor($standby);

	my $keeper = start_psql($primary, "SELECT pg_advisory_lock(1886547832, 1), pg_sleep(600)");
	$primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND granted")
	  or die "nobody holds the lock";
	my $held = start_psql($primary, "SET proxima.pause_at = '$step'; SELECT proxima.$job('items_v')");
	$primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	  or die "the $job does not reach '$step'";
	# A commit sends what the job has logged so far.
	add(10);
	$primary->wait_for_catchup($standby);
	is_whole($standby, $dim, "replica at '$step'");
	$primary->stop('immediate');
	eval { $_->finish } for ($held, $keeper);
	$standby->promote;
	$primary = $standby;
	is_whole($primary, $dim, "promoted at '$step'");

	# Inserts, and what the job had claimed
	add(50);
	my $reserved = blocks($primary, 'reserved');
	cmp_ok($primary->safe_psql('postgres', "SELECT proxima.$job('items_v') ->> 'rows'"), '>', 0, "$job after that");
	cmp_ok(blocks($primary, 'reserved'), '<', $reserved, 'what was claimed is used or free') if $step =~ /claimed|written/;
	is_whole($primary, $dim, "$job after promotion at '$step'");
	# VACUUM and reuse of space; nothing of what the old cursor reads
	turn_over() for 1 .. 3;
	my ($read, $err) = read_to_the_end($cursor);
	is($err, '', 'a cursor of before the promotion ends without an error');
	is($read, $expected, 'and has the rows of its snapshot, each once');
	my $size = 0;
	$size = turn_over() for 1 .. 3;
	my $later = 0;
	$later = turn_over() for 1 .. 3;
	cmp_ok($later, '<=', $size, 'turnovers take no space');
	is_whole($primary, $dim, 'after turnovers');
}

# A cursor on a replica whose blocks the primary had used again before the promotion is advised to try again: the index is
# not damaged. A scan that looks at the rows itself may have read all that it needs before
add(300);
$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
my $standby = start_standby('last');
my $cursor = open_cursor($standby);
my $expected = $standby->safe_psql('postgres', $ids);
for my $round (1 .. 4)
{
	add(100);
	$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
}
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
my ($found, $err) = read_to_the_end($cursor);
my $has_all = $METHOD eq 'ivf' && $err eq '';
is($has_all ? $found : $err, $has_all ? $expected : "ERROR:  40001\n",
	'a cursor whose blocks were used again before the promotion');
$primary = $standby;
is_whole($primary, $dim, 'the last replica');

# What is not logged is empty after the promotion, and works
$primary->safe_psql('postgres', "INSERT INTO brief SELECT * FROM items WHERE id % 2 = 0");
is($primary->safe_psql('postgres', "SELECT proxima.flush('brief_v') ->> 'rows' = count(*)::text FROM brief"), 't', 'an unlogged index');
is($primary->safe_psql('postgres', "SELECT proxima.check_index('brief_v') ->> 'sound'"), 'true', 'it is sound');
$primary->append_conf('postgresql.conf', 'proxima.background_merge = on');
$primary->reload;
ok($primary->poll_query_until('postgres', "SELECT request_merge('items_v') IN ('started', 'running')"), 'background workers start');
$primary->stop;
done_testing();
