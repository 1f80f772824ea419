# Flush and merge: killed at each of their steps, beside old snapshots, and with a replica that reads meanwhile.
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
$primary->append_conf('postgresql.conf', "autovacuum = off\nwal_consistency_checking = 'all'\nproxima.background_merge = off");
$primary->start;
create_table($primary, rows => 400);
$primary->safe_psql('postgres', "CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1");
$standby->start;

sub is_whole
{
	my ($node, $what) = @_;
	my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM items");
	is(count_by_index($node, 32), "$rows|$rows", "$what: every row once");
	is(check_sound($node, 'items_v'), 'true', "$what: sound");
	return;
}

# SIGKILL while a job is held at a step: the old or the new state, nothing between, and the next job goes on.
my $next = 401;
my $keeper;
for my $step ('flush sealed', 'flush loaded', 'flush prepared', 'flush claimed', 'flush written',
	'merge loaded', 'merge prepared', 'merge claimed', 'merge written')
{
	my ($job) = split(/ /, $step);
	add_rows($primary, $next, $next + 79, 32);
	$next += 80;
	if ($job eq 'merge')
	{
		$primary->safe_psql('postgres', "SELECT proxima.flush('items_v')");
		$primary->safe_psql('postgres', "DELETE FROM items WHERE id % 11 = " . ($next % 11));
	}
	$keeper = start_psql($primary, "SELECT pg_advisory_lock(1886547832, 1), pg_sleep(600)");
	$primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND granted")
	  or die "nobody holds the lock";
	my $held = start_psql($primary, "SET proxima.pause_at = '$step'; SELECT proxima.$job('items_v')");
	$primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	  or die "the $job does not reach '$step'";
	$primary->safe_psql('postgres', "CHECKPOINT") if $step =~ /claimed|sealed/;
	$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) items") if $step =~ /merge (claimed|prepared)/;
	crash_and_start($primary);
	eval { $_->finish } for ($held, $keeper);
	is_whole($primary, "killed at '$step'");
	$primary->safe_psql('postgres', "SELECT proxima.$job('items_v')");
	is_whole($primary, "$job after that");
}
$primary->wait_for_catchup($standby);
is_whole($standby, 'the replica of all this');

# A cursor that is older than many turnovers of everything: its rows, from blocks that nobody may use again.
my ($out, $err) = ('', '');
my $expected = $primary->safe_psql('postgres', "SELECT string_agg(id::text, ',' ORDER BY id) FROM items");
my $reader = IPC::Run::start(
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('postgres'),
		map { ('-c', $_) } "SET enable_seqscan = off; SET enable_sort = off",
		"BEGIN ISOLATION LEVEL REPEATABLE READ",
		"DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> embed(1, 32)",
		"FETCH 10 FROM c", "SELECT 'asleep' WHERE pg_sleep(8) IS NULL", "FETCH ALL FROM c", "COMMIT" ],
	'<', \'', '>', \$out, '2>', \$err, IPC::Run::timeout(120));
$primary->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
  or die "the reader does not begin";
for my $round (1 .. 6)
{
	$primary->safe_psql('postgres', "DELETE FROM items WHERE id < $next");
	add_rows($primary, $next, $next + 299, 32);
	$next += 300;
	$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) items");
	$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
}
$reader->finish;
is($err, '', 'the old cursor ends without an error');
my $read = join(',', sort { $a <=> $b } grep { /^\d+$/ } split(/\n/, $out));
is($read, $expected, 'and has the rows of its snapshot, each once');
is_whole($primary, 'after six turnovers under an old snapshot');

# Space is used again once the snapshot is gone: ten turnovers more do not make the file grow.
sub turn_over
{
	$primary->safe_psql('postgres', "DELETE FROM items WHERE id < $next");
	add_rows($primary, $next, $next + 299, 32);
	$next += 300;
	$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) items");
	$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
	return $primary->safe_psql('postgres', "SELECT pg_relation_size('items_v') / 8192");
}
my $before = 0;
$before = turn_over() for 1 .. 3;
my $after = 0;
$after = turn_over() for 1 .. 10;
cmp_ok($after, '<=', $before, 'ten turnovers take no space');
is_whole($primary, 'after ten turnovers');

# A replica that replays all this while it is read: the rows of today, or an error that asks to try again.
my $reads = start_psql($standby, q(DO $$
	DECLARE
		rows int; others int; tries int := 0; retries int := 0;
	BEGIN
		WHILE tries < 400 LOOP
			tries := tries + 1;
			BEGIN
				SET LOCAL enable_seqscan = off;
				SELECT count(*), count(DISTINCT id) INTO rows, others
					FROM (SELECT id FROM items ORDER BY v <-> embed(1, 32)) s;
				IF rows <> others THEN RAISE EXCEPTION 'a row twice: % of %', others, rows; END IF;
			EXCEPTION WHEN serialization_failure OR query_canceled THEN
				retries := retries + 1;
			END;
		END LOOP;
		RAISE LOG 'reads %, retries %', tries, retries;
	END $$));
turn_over() for 1 .. 6;
ok(eval { $reads->finish; $reads->result(0) == 0 }, 'reads on the replica beside flush, merge and reuse');
$primary->wait_for_catchup($standby);
is_whole($standby, 'the replica after all');
is($standby->safe_psql('postgres', "SELECT count(*) FROM items"), $primary->safe_psql('postgres', "SELECT count(*) FROM items"),
	'the same number of rows');
$standby->stop;
$primary->stop;
done_testing();
