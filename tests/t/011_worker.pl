# The background worker that merges segments: how it is asked for, what it is seen as, and that nobody waits for it.
#
# request_merge() is what a writer calls when a merge is due. With proxima.pause_at = 'worker' a worker waits, as long as
# somebody has the advisory lock, at the place where it would merge; it looks for who wants its locks there as it does
# while it merges.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Proxima;

my $pause = "SET proxima.pause_at = 'worker'";
my $lock = '1886547832, 1';
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'proxima maintenance'";

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init(allows_streaming => 1);
# Timeouts of sessions: not the worker's. It is held for longer than they allow.
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_min_messages = info\nstatement_timeout = 8s\nlock_timeout = 8s");
$node->append_conf('postgresql.conf', 'transaction_timeout = 9s') if $node->pg_version >= 17;
$node->start;
create_table($node, rows => 300);

my $declare = "CREATE FUNCTION request_merge(regclass) RETURNS text AS '\$libdir/proxima', 'proxima_request_merge' LANGUAGE C STRICT";
my $create = "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops) $WITH_LISTS";
$node->safe_psql('postgres', "$declare; $create");

sub workers_gone
{
	my ($what) = @_;
	return ok($node->poll_query_until('postgres', "SELECT ($workers) = 0"), $what);
}

# The server's log since a position, without what is always there.
sub errors_since
{
	my ($offset) = @_;
	my $log = slurp_file($node->logfile, $offset);
	return join("\n", grep { /\b(ERROR|FATAL|PANIC|WARNING|exited with exit code|terminated by signal)/ } split(/\n/, $log));
}

sub log_end { return -s $node->logfile; }

# Somebody who has the advisory lock of a database, until finish().
sub hold
{
	my ($database) = @_;
	my %session = (in => "SELECT pg_advisory_lock($lock);\n\\echo held\n", out => '');
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database) ],
		'<', \$session{in}, '>', \$session{out}, IPC::Run::timeout(180));
	$session{run}->pump until $session{out} =~ /held/;
	return \%session;
}

sub let_go
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	$session->{run}->finish;
	return;
}

# A worker that is held where it would merge.
sub start_held_worker
{
	my ($database) = @_;
	is($node->safe_psql($database, "SELECT request_merge('items_v')"), 'started', "a worker for $database");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity
		WHERE backend_type = 'proxima maintenance' AND query = 'proxima: merge public.items_v'"), 'it runs');
	return;
}

# How long $sql takes, in seconds; it must succeed.
sub timed
{
	my ($database, $sql) = @_;
	my $start = time();
	$node->safe_psql($database, $sql);
	return time() - $start;
}

# What is asked for, and what is not
my $offset = log_end();
is($node->safe_psql('postgres', "SELECT request_merge('items_v'); SELECT request_merge('items_v')"),
	"started\nrunning", 'a session asks once in a while only');
workers_gone('a worker without work ends');
is($node->safe_psql('postgres', "BEGIN; CREATE INDEX young ON items USING $METHOD (v vector_l2_ops); SELECT request_merge('young'); ROLLBACK"),
	'not possible', 'an index that nobody else can see');
is($node->safe_psql('postgres', "BEGIN; TRUNCATE items; SELECT request_merge('items_v'); ROLLBACK"),
	'not possible', 'a file that nobody else can see');
is($node->safe_psql('postgres', "CREATE TEMP TABLE t (v vector(2)); CREATE INDEX t_v ON t USING $METHOD (v vector_l2_ops); SELECT request_merge('t_v')"),
	'not possible', 'a temporary table');
is($node->safe_psql('postgres', "SET proxima.background_merge = off; SELECT request_merge('items_v')"), 'not possible', 'not wanted');
is($node->safe_psql('postgres', "BEGIN; SELECT request_merge('items_v'); DROP INDEX items_v; SELECT pg_sleep(1); $workers; ROLLBACK"),
	"started\n\n0", 'a worker does not wait for the lock of its index');
is($node->safe_psql('postgres', "SELECT request_merge('items_v'); DROP INDEX items_v"), 'started', 'an index that vanishes');
workers_gone('its worker, too');
is(errors_since($offset), '', 'nothing of that is worth a message');
$node->safe_psql('postgres', $create);

# What a worker is seen as, and who goes on beside it
$node->safe_psql('postgres', "LOAD 'proxima'; ALTER DATABASE postgres $pause");
my $holder = hold('postgres');
$offset = log_end();
start_held_worker('postgres');
is($node->safe_psql('postgres', "SELECT application_name, usename, datname, state, backend_xmin IS NULL, backend_xid IS NULL
	FROM pg_stat_activity WHERE backend_type = 'proxima maintenance'"),
	'proxima maintenance of items_v|postgres|postgres|active|t|t', 'in pg_stat_activity, without a snapshot');
is($node->safe_psql('postgres', "SELECT mode, granted FROM pg_locks WHERE relation = 'items_v'::regclass AND locktype = 'relation'"),
	'RowExclusiveLock|t', 'its lock');
add_rows($node, 301, 320, $DIM);
is(count_by_index($node, $DIM), '320|320', 'readers and writers go on');
$node->safe_psql('postgres', "DELETE FROM items WHERE id > 310; VACUUM items; ALTER INDEX items_v SET (pending_list_limit = 64)");
is(count_by_index($node, $DIM), '310|310', 'VACUUM and ALTER INDEX, too');
sleep(10);
is($node->safe_psql('postgres', $workers), '1', 'timeouts of sessions do not end it');

# Who needs its locks gets them soon
cmp_ok(timed('postgres', "REINDEX INDEX items_v"), '<', 5, 'REINDEX');
workers_gone('the worker has given way to REINDEX');
start_held_worker('postgres');
cmp_ok(timed('postgres', "REINDEX INDEX CONCURRENTLY items_v"), '<', 5, 'REINDEX CONCURRENTLY');
workers_gone('the worker has given way to REINDEX CONCURRENTLY');
start_held_worker('postgres');
cmp_ok(timed('postgres', "DROP INDEX items_v"), '<', 5, 'DROP INDEX');
workers_gone('the worker has given way to DROP INDEX');
$node->safe_psql('postgres', $create);
start_held_worker('postgres');
cmp_ok(timed('postgres', "BEGIN; TRUNCATE items; ROLLBACK"), '<', 5, 'TRUNCATE');
workers_gone('the worker has given way to TRUNCATE');
is(errors_since($offset), '', 'which is not worth a message');

# What ends it for good
for my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	start_held_worker('postgres');
	$node->safe_psql('postgres', "SELECT $function(pid) FROM pg_stat_activity WHERE backend_type = 'proxima maintenance'");
	workers_gone("$function ends a worker");
}
like(errors_since($offset), qr/ERROR:  canceling statement due to user request.*FATAL:  terminating background worker/s, 'and the log tells');
start_held_worker('postgres');
let_go($holder);
workers_gone('a worker that is let go ends');

# A session that is told so waits where a flush begins, and is seen to wait for that lock
$holder = hold('postgres');
my $flush = start_psql($node, "SET proxima.pause_at = 'flush'; SELECT proxima.flush('items_v')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"),
	'a session pauses');
add_rows($node, 401, 402, $DIM);
my $merge = start_psql($node, "SET proxima.pause_at = 'merge'; SELECT proxima.merge('items_v')");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_progress_create_index
	WHERE command IS NULL AND relid = 'items'::regclass AND index_relid = 'items_v'::regclass AND phase = 'building index: merging segments'"),
	'a merge is seen');
let_go($holder);
ok($flush->finish && $merge->finish, 'both go on');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_progress_create_index"), '0', 'and are seen no more');

# The temporary index of another session
my %temporary = (in => "CREATE TEMP TABLE brief (v vector(2)); CREATE INDEX brief_v ON brief USING $METHOD (v vector_l2_ops); SELECT 'index ' || 'brief_v'::regclass::oid;\n", out => '');
$temporary{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$temporary{in}, '>', \$temporary{out}, IPC::Run::timeout(180));
$temporary{run}->pump until $temporary{out} =~ /index (\d+)\n/;
my ($brief) = $temporary{out} =~ /index (\d+)/;
for my $function ('flush', 'merge', 'index_stats', 'check_index')
{
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT proxima.$function($brief)");
	like($err, qr/ERROR:  0A000/, "$function() of a temporary index of another session");
}
let_go(\%temporary);

# Merges that are due. Sessions write segments of 100 rows each; a worker merges them, and can be told to stop.
{
	my $fill = sub {
		my ($background, $from, $to) = @_;
		$node->safe_psql('postgres', "SET proxima.background_merge = $background; SET proxima.pending_rows_limit = 101;
			INSERT INTO items SELECT i, embed(i, $DIM) FROM generate_series($from, $to) i");
		return;
	};
	$fill->('off', 1001, 1400);
	my $segments = "SELECT jsonb_array_length(proxima.index_stats('items_v') -> 'segments')";
	cmp_ok($node->safe_psql('postgres', $segments), '>', 1, 'inserts flush');

	$node->safe_psql('postgres', "ALTER DATABASE postgres RESET proxima.pause_at");
	$offset = log_end();
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET proxima.log_maintenance_min_duration = 0");
	$fill->('on', 1401, 8000);
	workers_gone('workers end when nothing is due');
	like(slurp_file($node->logfile, $offset), qr/LOG:  merged \d+ segments of index "items_v"/, 'a worker has merged');
	# Flat ones are merged when there are 48 of them.
	cmp_ok($node->safe_psql('postgres', "SELECT proxima.index_stats('items_v') ->> 'flushes'"), '>=', 60, 'of many flushes');
	cmp_ok($node->safe_psql('postgres', $segments), '<', $METHOD eq 'ivf' ? 49 : 25, 'fewer segments are left');
	is(errors_since($offset), '', 'without a message');
	is(check_sound($node, 'items_v'), 'true', 'the index is sound');

	# What a session writes after its worker has ended is merged as well, even if that is a moment after it asked for one.
	my $merges = "(proxima.index_stats('again_v') ->> 'merges')::int";
	my $due = 101 * ($METHOD eq 'ivf' ? 48 : 9);
	my $again = "SELECT jsonb_array_length(proxima.index_stats('again_v') -> 'segments')";
	$node->safe_psql('postgres', "CREATE TABLE again (i int, v vector($DIM));
		CREATE INDEX again_v ON again USING $METHOD (v vector_l2_ops);");
	$node->safe_psql('postgres', "SET proxima.pending_rows_limit = 101;
		INSERT INTO again SELECT i, embed(i, $DIM) FROM generate_series(1, $due) i;
		DO \$\$ BEGIN
			FOR turn IN 1..500 LOOP
				PERFORM pg_stat_clear_snapshot();
				EXIT WHEN $merges > 0 AND ($workers) = 0;
				PERFORM pg_sleep(0.002);
			END LOOP;
		END \$\$;
		INSERT INTO again SELECT i, embed(i, $DIM) FROM generate_series(6001, 11000) i");
	my $few = $METHOD eq 'ivf' ? 49 : 25;
	ok($node->poll_query_until('postgres', "SELECT ($again) < $few"), 'nothing is left that is due');
	workers_gone('workers end again');
	$node->safe_psql('postgres', 'DROP TABLE again');

	# A session that finds another flushing leaves it to that one to ask for a worker
	for my $from (map { 20000 + 20 * $_ } 1 .. 10)
	{
		add_rows($node, $from, $from + 19, $DIM);
		$node->safe_psql('postgres', "SELECT proxima.flush('items_v')");
	}
	my $blocker = hold('postgres');
	my $flushing = start_psql($node, "SET proxima.pause_at = 'flush written'; SET proxima.pending_rows_limit = 1;
		INSERT INTO items SELECT i, embed(i, $DIM) FROM generate_series(21000, 21100) i");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"),
		'an insert flushes');
	is($node->safe_psql('postgres', "SET proxima.pending_rows_limit = 1;
		INSERT INTO items SELECT i, embed(i, $DIM) FROM generate_series(22000, 22100) i; SELECT request_merge('items_v')"),
		'started', 'so another has not asked');
	let_go($blocker);
	ok($flushing->finish, 'the flush goes on');
	workers_gone('and workers end');

	$fill->('on', 8001, 12000);
	cmp_ok(timed('postgres', "DROP INDEX items_v"), '<', 5, 'DROP INDEX does not wait for the merges');
	workers_gone('and the worker ends');
	$node->safe_psql('postgres', $create);
	$node->safe_psql('postgres', "LOAD 'proxima'; ALTER DATABASE postgres RESET proxima.log_maintenance_min_duration; ALTER DATABASE postgres $pause");
}

# Databases. Who has the advisory lock is in the way as well, but that session goes once the worker has.
$node->safe_psql('postgres', 'CREATE DATABASE other TEMPLATE postgres');
$offset = log_end();
for my $sql ('CREATE DATABASE third TEMPLATE other', 'ALTER DATABASE other RENAME TO another', 'DROP DATABASE another')
{
	my ($database) = $sql =~ /(another$|other)/;
	$node->safe_psql($database, "LOAD 'proxima'; ALTER DATABASE $database $pause");
	$holder = hold($database);
	start_held_worker($database);
	my $run = start_psql($node, $sql);
	workers_gone("$sql: the worker gives way");
	let_go($holder);
	ok($run->finish, $sql);
}
is(errors_since($offset), '', 'which is not worth a message, either');
$node->safe_psql('postgres', 'DROP DATABASE third');

# On a standby
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
for my $function ('flush', 'merge')
{
	my ($code, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT proxima.$function('items_v')");
	like($err, qr/ERROR:  25006: cannot execute proxima.$function\(\) during recovery/, "$function() on a standby");
}
like($standby->safe_psql('postgres', "SELECT proxima.index_stats('items_v')"), qr/"segments"/, 'index_stats() on a standby');
$standby->stop;

# No slot
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
my ($code, $out, $err) = $node->psql('postgres', "SELECT request_merge('items_v'); CREATE INDEX items_w ON items USING $METHOD (v vector_l2_ops); SELECT request_merge('items_w')");
is($out, "no worker\nno worker", 'no slot for a worker');
my $warnings = () = $err =~ /WARNING:/g;
is($warnings, 1, 'of which a session is warned once');
like($err, qr/WARNING:  could not start a background worker to merge segments of index "items_v"\n.*\nHINT:  You might need to increase max_worker_processes/,
	'with a hint');
$node->stop;
done_testing();
