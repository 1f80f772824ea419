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
$primary->append_conf('postgresql.conf', "autovacuum = off\nwal_keep_size = 2GB\nwal_consistency_checking = 'all'\nproxima.background_merge = off");
$primary->start;
# Flushes make flat segments of vectors that are not tiny.
my $dim = 80;
create_table($primary, rows => 400, dim => $dim);
$primary->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops) $WITH_LISTS");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1");
$standby->start;

my $next = 401;

# Everything is new: the rows, and the one segment that has them. Returns the size of the file in blocks.
sub turn_over
{
	$primary->safe_psql('postgres', "DELETE FROM items WHERE id < $next");
	add_rows($primary, $next, $next + 299, $dim);
	$next += 300;
	$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) items");
	$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
	return blocks($primary, 'file');
}

# SIGKILL while a job is held at a step: the old or the new state, nothing between, and the next job goes on.
my $keeper;
for my $step ('flush sealed', 'flush loaded', 'flush prepared', 'flush claimed', 'flush written',
	'merge loaded', 'merge prepared', 'merge claimed', 'merge written')
{
	my ($job) = split(/ /, $step);
	add_rows($primary, $next, $next + 79, $dim);
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
	if ($step =~ /merge (claimed|prepared)/)
	{
		# Rows die in the sources, and others get their places.
		$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) items");
		add_rows($primary, $next, $next + 19, $dim);
		$next += 20;
	}
	crash_and_start($primary);
	eval { $_->finish } for ($held, $keeper);
	is_whole($primary, $dim, "killed at '$step'");
	$primary->safe_psql('postgres', "SELECT proxima.$job('items_v')");
	is_whole($primary, $dim, "$job after that");
}
$primary->wait_for_catchup($standby);
is_whole($standby, $dim, 'the replica of all this');

# A cursor that is older than many turnovers of everything: its rows, from blocks that nobody may use again.
my %reader = (out => '', err => '');
my $expected = $primary->safe_psql('postgres', "SELECT string_agg(id::text, ',' ORDER BY id) FROM items");
$reader{in} = "SET enable_seqscan = off; SET enable_sort = off; BEGIN ISOLATION LEVEL REPEATABLE READ;
	DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> embed(1, $dim); FETCH 10 FROM c;\n\\echo begun\n";
$reader{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('postgres') ],
	'<', \$reader{in}, '>', \$reader{out}, '2>', \$reader{err}, IPC::Run::timeout(120));
$reader{run}->pump until $reader{out} =~ /begun/;
turn_over() for 1 .. 6;
my $retired = blocks($primary, 'retired');
cmp_ok($retired, '>', 0, 'blocks wait for the old cursor');
$reader{in} .= "FETCH ALL FROM c; COMMIT;\n\\q\n";
$reader{run}->finish;
is($reader{err}, '', 'the old cursor ends without an error');
my $read = join(',', sort { $a <=> $b } grep { /^\d+$/ } split(/\n/, $reader{out}));
is($read, $expected, 'and has the rows of its snapshot, each once');
is_whole($primary, $dim, 'after six turnovers under an old snapshot');

# What a transaction retires is free once it has ended, without any other that comes behind it.
my $last = $next + 99;
$primary->safe_psql('postgres', "BEGIN; INSERT INTO items SELECT i, embed(i, $dim) FROM generate_series($next, $last) i;
	SELECT proxima.flush('items_v'), proxima.merge('items_v'); COMMIT");
$next = $last + 1;
is(blocks($primary, 'retired'), 0, 'nothing waits when nobody runs');

# But not for a cursor that was opened while that transaction ran: its snapshot is no older than the stamp.
my %writer = (out => '', err => '', in => "BEGIN; INSERT INTO items VALUES ($next, embed($next, $dim));\n\\echo wrote\n");
$next++;
$writer{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('postgres') ],
	'<', \$writer{in}, '>', \$writer{out}, '2>', \$writer{err}, IPC::Run::timeout(120));
$writer{run}->pump until $writer{out} =~ /wrote/;
$expected = $primary->safe_psql('postgres', "SELECT string_agg(id::text, ',' ORDER BY id) FROM items");
%reader = (out => '', err => '', in => "SET enable_seqscan = off; SET enable_sort = off; BEGIN ISOLATION LEVEL REPEATABLE READ;
	DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> embed(1, $dim); FETCH 10 FROM c;\n\\echo begun\n");
$reader{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('postgres') ],
	'<', \$reader{in}, '>', \$reader{out}, '2>', \$reader{err}, IPC::Run::timeout(120));
$reader{run}->pump until $reader{out} =~ /begun/;
$writer{in} .= "SELECT proxima.flush('items_v'), proxima.merge('items_v'); COMMIT;\n\\q\n";
$writer{run}->finish;
is($writer{err}, '', 'the transaction ends');
cmp_ok(blocks($primary, 'retired'), '>', 0, 'its blocks wait for the cursor');
turn_over() for 1 .. 3;
$reader{in} .= "FETCH ALL FROM c; COMMIT;\n\\q\n";
$reader{run}->finish;
is($reader{err}, '', 'the cursor ends without an error');
is(join(',', sort { $a <=> $b } grep { /^\d+$/ } split(/\n/, $reader{out})), $expected, 'and has the rows of its snapshot');

# Nor may the stamp be of a transaction that snapshots do not look at: VACUUM has one for five seconds, while it waits to cut a
# table off. Whoever keeps it from that has no snapshot. On a slow machine it may have ended too early.
my $has_xid = "SELECT count(*) FROM pg_stat_activity WHERE query = 'VACUUM cut' AND backend_xid IS NOT NULL";
for my $attempt (1 .. 5)
{
	$primary->safe_psql('postgres', "DROP TABLE IF EXISTS cut; CREATE TABLE cut AS SELECT i FROM generate_series(1, 20000) i; DELETE FROM cut");
	$expected = $primary->safe_psql('postgres', "SELECT string_agg(id::text, ',' ORDER BY id) FROM items");
	my %user = (out => '', err => '', in => "BEGIN; SELECT FROM cut LIMIT 0;\n\\echo used\n");
	$user{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $primary->connstr('postgres') ],
		'<', \$user{in}, '>', \$user{out}, '2>', \$user{err}, IPC::Run::timeout(120));
	$user{run}->pump until $user{out} =~ /used/;
	my $vacuum = start_psql($primary, "VACUUM cut");
	$primary->poll_query_until('postgres', "SELECT ($has_xid) > 0") or die "VACUUM has no transaction";
	# Its cursor is behind one more transaction.
	%reader = (out => '', err => '', in => "SELECT txid_current();
		SET enable_seqscan = off; SET enable_sort = off; BEGIN ISOLATION LEVEL REPEATABLE READ;
		DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> embed(1, $dim); FETCH 10 FROM c;\n\\echo begun\n");
	$reader{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('postgres') ],
		'<', \$reader{in}, '>', \$reader{out}, '2>', \$reader{err}, IPC::Run::timeout(120));
	$reader{run}->pump until $reader{out} =~ /begun/;
	$reader{out} =~ s/^\d+\n//;
	for my $round (1 .. 2)
	{
		add_rows($primary, $next, $next + 99, $dim);
		$next += 100;
		$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
	}
	my $waiting = blocks($primary, 'retired');
	my $is_in_time = $primary->safe_psql('postgres', $has_xid) eq '1';
	$reader{in} .= "FETCH ALL FROM c; COMMIT;\n\\q\n";
	$reader{run}->finish;
	is($reader{err}, '', 'a cursor beside VACUUM ends without an error');
	is(join(',', sort { $a <=> $b } grep { /^\d+$/ } split(/\n/, $reader{out})), $expected, 'and has the rows of its snapshot');
	$user{in} .= "COMMIT;\n\\q\n";
	$_->finish for ($user{run}, $vacuum);
	note("attempt $attempt: VACUUM " . ($is_in_time ? 'still had' : 'no longer had') . ' its transaction');
	next unless $is_in_time || $attempt == 5;
	cmp_ok($waiting, '>', 0, 'blocks wait for it');
	last;
}
$primary->safe_psql('postgres', "DROP TABLE cut");

# Space is used again once the snapshot is gone: eight turnovers more do not make the file grow.
my $before = 0;
$before = turn_over() for 1 .. 3;
my $reused = blocks($primary, 'reused');
my $after = 0;
$after = turn_over() for 1 .. 8;
cmp_ok($after, '<=', $before, 'eight turnovers take no space');
is_whole($primary, $dim, 'after eight turnovers');
cmp_ok(blocks($primary, 'reused') - $reused, '>=', 8 * blocks($primary, 'segments'), 'because blocks are taken again');

# A replica that replays all this while it is read: the rows of that moment, or an error that asks to try again. Each
# scan has a snapshot of its own, or heap pages that are cleaned would hold the replay up.
my $statement = "SELECT count(*), count(DISTINCT id), t.all_ids, min(id) FROM (SELECT id FROM items ORDER BY v <-> embed(1, $dim)) s,
	(SELECT count(*) AS all_ids FROM items) t GROUP BY t.all_ids;\n";
my %reads = (out => '', err => '', in => "\\set VERBOSITY sqlstate\nSET enable_seqscan = off; SET enable_sort = off;\n");
$reads{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $standby->connstr('postgres') ],
	'<', \$reads{in}, '>', \$reads{out}, '2>', \$reads{err}, IPC::Run::timeout(120));
my ($rounds, %states) = (0);
# The replica may be behind: until it has shown that the table changes.
while ($rounds < 10 || keys %states < 5)
{
	die "the replica does not change" if ++$rounds > 100;
	$reads{in} .= $statement x 30;
	$reads{run}->pump_nb;
	turn_over();
	$reads{run}->pump_nb;
	%states = map { $_ => 1 } split(/\n/, $reads{out});
}
$reads{run}->finish;
my @counts = split(/\n/, $reads{out});
my @errors = split(/\n/, $reads{err});
note("$rounds turnovers; " . @counts . ' scans on the replica saw ' . keys(%states) . ' states of the table, ' . @errors . ' were asked to try again');
is(join("\n", grep { !/^(\d+)\|\1\|\1\|/ } @counts), '', 'scans on the replica beside flush, merge and reuse');
is(join("\n", grep { !/^ERROR:  40001$/ } @errors), '', 'and no error but one');

# A cursor on the replica while the primary uses blocks again that are only in its manifest: no dead rows, so nothing holds
# the replay up. It gets its rows or is asked to try again.
$expected = $standby->safe_psql('postgres', "SELECT count(*) FROM items");
%reader = (out => '', err => '', in => "\\set VERBOSITY sqlstate\nSET enable_seqscan = off; SET enable_sort = off;
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> embed(1, $dim); FETCH 10 FROM c;\n\\echo begun\n");
$reader{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $standby->connstr('postgres') ],
	'<', \$reader{in}, '>', \$reader{out}, '2>', \$reader{err}, IPC::Run::timeout(120));
$reader{run}->pump until $reader{out} =~ /begun/;
for my $round (1 .. 4)
{
	add_rows($primary, $next, $next + 99, $dim);
	$next += 100;
	$primary->safe_psql('postgres', "SELECT proxima.flush('items_v'), proxima.merge('items_v')");
}
$primary->wait_for_catchup($standby);
$reader{in} .= "FETCH ALL FROM c; COMMIT;\n\\q\n";
$reader{run}->finish;
my %got = map { $_ => 1 } grep { /^\d+$/ } split(/\n/, $reader{out});
note("the cursor on the replica: " . keys(%got) . " rows of $expected, $reader{err}");
ok($reader{err} eq "ERROR:  40001\n" || ($reader{err} eq '' && keys(%got) == $expected), 'an old cursor on the replica');
is_whole($standby, $dim, 'the replica after all');
is($standby->safe_psql('postgres', "SELECT count(*) FROM items"), $primary->safe_psql('postgres', "SELECT count(*) FROM items"),
	'the same number of rows');
$standby->stop;

# Neither an INSERT nor VACUUM fails for want of temporary files: what they merge they sort in memory.
my $tight = "SET temp_file_limit = 0; SET maintenance_work_mem = '1MB'; SET max_parallel_maintenance_workers = 0;";
$primary->safe_psql('postgres', "CREATE TABLE files (id int, v vector($dim));
	CREATE INDEX files_v ON files USING $METHOD (v vector_l2_ops) WITH (pending_list_limit = 1024)");
for my $part (0 .. 3)
{
	my $first = 12000 * $part + 1;
	$primary->safe_psql('postgres', "$tight INSERT INTO files SELECT i, embed(i, $dim) FROM generate_series($first, $first + 11999) i");
	$primary->safe_psql('postgres', "DELETE FROM files WHERE id % 3 = 0");
	my ($code, $out, $err) = $primary->psql('postgres', "$tight VACUUM (INDEX_CLEANUP on) files");
	is($code, 0, "VACUUM without temporary files, part $part: $err");
}
is(check_sound($primary, 'files_v'), 'true', 'sound without temporary files');
is($primary->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; SET ivf.probes = 32768;
	SELECT count(*) FROM (SELECT id FROM files ORDER BY v <-> embed(1, $dim)) s"), '32000', 'every row is there');
$primary->stop;
done_testing();
