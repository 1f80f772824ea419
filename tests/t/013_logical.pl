# Logical replication into an indexed table: initial copy and apply flush, a background worker merges, and VACUUM, merges,
# REINDEX and searches run beside. Nobody waits for ever, apply never fails, and index and table agree at each moment.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Proxima;

# Flushes make flat segments of vectors that are not tiny.
my $dim = 80;
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
# Transactions of more than some rows are streamed before they end.
$publisher->append_conf('postgresql.conf', "autovacuum = off\nlogical_decoding_work_mem = 64kB");
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
# The kind of process is in the log's prefix; flushes are messages at DEBUG1.
$subscriber->append_conf('postgresql.conf', q(
autovacuum = off
log_min_messages = debug1
log_line_prefix = '%m [%p] <%b> '
proxima.log_maintenance_min_duration = 0
proxima.pending_list_limit = 64kB
proxima.pending_rows_limit = 60
wal_retrieve_retry_interval = 100ms));
$subscriber->start;

# Rows come and go in transactions of their own; one in ten is rolled back after it was streamed.
create_table($publisher, rows => 1500, dim => $dim);
$publisher->safe_psql('postgres', qq(
	CREATE PROCEDURE change(at int8, rounds int) LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR round IN 1 .. rounds LOOP
			INSERT INTO items SELECT i, embed(i, $dim) FROM generate_series(at, at + 99) i;
			IF round % 10 = 0 THEN
				INSERT INTO items SELECT -i, embed(i, $dim) FROM generate_series(at, at + 499) i;
				ROLLBACK;
			ELSE
				UPDATE items SET v = embed(id + 7, $dim) WHERE id BETWEEN at - 130 AND at - 101;
				DELETE FROM items WHERE id BETWEEN at - 700 AND at - 671;
			END IF;
			COMMIT;
			at := at + 100;
		END LOOP;
	END \$\$;
	CREATE TABLE notes (id int, v vector(3));
	ALTER TABLE notes REPLICA IDENTITY FULL;
	INSERT INTO notes SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 200) i;
	CREATE PUBLICATION all_of_it FOR TABLE items, notes));
create_table($subscriber, rows => 0, dim => $dim);
$subscriber->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops) $WITH_LISTS;
	CREATE TABLE notes (id int, v vector(3)); CREATE INDEX notes_v ON notes USING $METHOD (v vector_l2_ops)");
my $streaming = $publisher->pg_version >= 16 ? 'parallel' : 'on';
my $source = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION here CONNECTION '$source' PUBLICATION all_of_it WITH (streaming = $streaming)");
$subscriber->poll_query_until('postgres', "SELECT count(*) = 2 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel")
  or die "the initial copy does not end";

my $leader = $subscriber->pg_version >= 16 ? 'AND leader_pid IS NULL' : '';
my $apply = "SELECT pid FROM pg_stat_subscription WHERE subname = 'here' AND relid IS NULL $leader";
my $worker = $subscriber->safe_psql('postgres', $apply);

sub log_lines
{
	my ($pattern) = @_;
	return scalar(grep { /$pattern/ } split(/\n/, slurp_file($subscriber->logfile)));
}

sub is_same
{
	my ($what) = @_;
	$publisher->wait_for_catchup('here');
	my $content = "SELECT count(*), md5(string_agg(id || v::text, ' ' ORDER BY id)) FROM items";
	is($subscriber->safe_psql('postgres', $content), $publisher->safe_psql('postgres', $content), "$what: the rows of the publisher");
	my $rows = $subscriber->safe_psql('postgres', "SELECT count(*) FROM items");
	is(count_by_index($subscriber, $dim), "$rows|$rows", "$what: each once by the index");
	is(check_sound($subscriber, 'items_v'), 'true', "$what: the index is sound");
	return;
}

is_same('initial copy');
my $flushed = qr/<logical replication [a-z ]*worker> DEBUG:  flushed/;
my $merged = qr/<proxima maintenance> LOG:  merged/;
cmp_ok(log_lines($flushed), '>', 0, 'the initial copy has flushed');

# Rounds of changes until apply alone has made so many segments that a worker merges them
my ($next, $rounds) = (2001, 0);
my ($flushes, $merges) = (log_lines($flushed), log_lines($merged));
while (log_lines($merged) == $merges)
{
	die "no worker merges" if ++$rounds > 40;
	$publisher->safe_psql('postgres', "CALL change($next, 10)");
	$next += 1000;
	$publisher->wait_for_catchup('here');
}
note("a worker has merged after $rounds rounds");
is_same('apply and background merges');
cmp_ok(log_lines($flushed), '>', $flushes, 'apply has flushed');

# The same beside everything else. Each search compares index and table by one snapshot.
my $searches = PostgreSQL::Test::Utils::tempdir() . '/searches.sql';
append_to_file($searches, "SET enable_sort = off;\n" . qq(
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off;
	SELECT count(*) AS rows, coalesce(sum(id), 0) AS ids FROM items \\gset
	SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on;
	SELECT count(*) = :rows AND count(DISTINCT id) = :rows AND sum(id) = :ids
		FROM (SELECT id FROM items ORDER BY v <-> embed(1, $dim)) s;
	COMMIT;
	SELECT pg_sleep(0.02) \\g /dev/null
) x 1000);
my %reader = (out => '', err => '');
my $reader = IPC::Run::start(
	[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $searches, '-d', $subscriber->connstr('postgres') ],
	'<', \'', '>', \$reader{out}, '2>', \$reader{err}, IPC::Run::timeout(180));
my $changes = start_psql($publisher, "CALL change($next, 120)");
my $turns = 0;
my $start = time();
while ($changes->pumpable || $turns < 5 || ($reader{out} =~ tr/\n//) < 10)
{
	die "searches do not go on" if $turns > 1000;
	$subscriber->safe_psql('postgres', "VACUUM items");
	$subscriber->safe_psql('postgres', "SELECT proxima.merge('items_v')");
	$subscriber->safe_psql('postgres', $turns == 2 ? "REINDEX INDEX CONCURRENTLY items_v" : "SELECT proxima.flush('items_v')");
	$_->pump_nb for grep { $_->pumpable } ($changes, $reader);
	$turns++;
}
ok($changes->finish, 'the publisher has changed rows');
my $changed = time();
$publisher->wait_for_catchup('here');
note(sprintf("%d turns of VACUUM, merge and flush in %.1f s, caught up %.1f s later", $turns, $changed - $start, time() - $changed));
$reader->signal('INT');
$reader->finish;
my @found = split(/\n/, $reader{out});
note(@found . ' searches');
is(scalar(grep { $_ ne 't' } @found), 0, 'they have seen the rows of their snapshots');
unlike($reader{err}, qr/ERROR:(?!  canceling statement due to user request)/, 'without an error');
is_same('apply beside VACUUM, merges and searches');
cmp_ok(recall($subscriber, '<->', $dim, 100), '>=', 0.95, 'recall after all');

# Without a key apply looks for the whole row, which the index cannot do
$publisher->safe_psql('postgres', "UPDATE notes SET v = ARRAY[id, 0, 0]::vector WHERE id % 3 = 0; DELETE FROM notes WHERE id % 5 = 0");
$publisher->wait_for_catchup('here');
my $notes = "SELECT count(*), sum(id), md5(string_agg(v::text, ' ' ORDER BY id)) FROM notes";
is($subscriber->safe_psql('postgres', $notes), $publisher->safe_psql('postgres', $notes), 'rows without a key');
is($subscriber->safe_psql('postgres', "SELECT proxima.check_index('notes_v') ->> 'sound'"), 'true', 'their index is sound');

# Nothing had to be tried again
is($subscriber->safe_psql('postgres', $apply), $worker, 'apply was one process from the beginning');
is($subscriber->safe_psql('postgres', "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), '0', 'no deadlocks');
my @errors = grep { /\b(ERROR|FATAL|PANIC|WARNING):/ && !/canceling statement due to user request/ }
	split(/\n/, slurp_file($subscriber->logfile));
is(join("\n", @errors), '', 'nothing in the log');
$subscriber->stop;
$publisher->stop;
done_testing();
