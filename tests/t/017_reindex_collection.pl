# CALL proxima.reindex_collection(): another index and another metric under load, what it waits for, what is left when it
# is canceled, who may call it and from where.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use Proxima;

my $node = PostgreSQL::Test::Cluster->new('reindex_collection');
$node->init;
# No worker can be had, because none is needed. The rest makes the server do more around a statement.
$node->append_conf('postgresql.conf', q(
	autovacuum = off
	fsync = off
	max_worker_processes = 0
	deadlock_timeout = 200ms
	shared_preload_libraries = 'pg_stat_statements'
	pg_stat_statements.track = 'all'
	track_functions = 'all'));
$node->start;
$node->safe_psql('postgres', q(
	CREATE EXTENSION proxima;
	CREATE EXTENSION pg_stat_statements;
	CREATE FUNCTION embed(i int8) RETURNS vector LANGUAGE sql IMMUTABLE AS
		$$ SELECT array_agg(0.1 + (hashint8extended(i * 100 + d, 1) % 1000 + 1000) / 2000.0 ORDER BY d)::vector
			FROM generate_series(1, 12) d $$;
	CREATE FUNCTION id(i int8) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN md5(i::text)::uuid;
	CREATE TABLE events (command text, tag text);
	CREATE FUNCTION event() RETURNS event_trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.events VALUES (tg_event, tg_tag); END $$;
	SELECT proxima.create_collection('docs', 12);
	SELECT proxima.upsert('docs', array_agg(id(i)), array_agg(embed(i))) FROM generate_series(1, 2000) i;));

my $invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
my $indexes = "SELECT count(*) FROM proxima.embedding_indexes('docs'::regclass)";
my $left = qr/Index public\.docs_embedding_idx\d? is left invalid\./;
my $figures = "SELECT index_method, metric FROM proxima.describe('docs')";

sub call_fails
{
	my ($sql, $expected, $what) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	like($err, $expected, $what);
	return;
}

# The collection has one index, a valid one, with every row, and answers.
sub is_good
{
	my ($method, $metric, $operator, $what) = @_;
	is($node->safe_psql('postgres', $figures), "$method|$metric", "$what: method and metric");
	is($node->safe_psql('postgres', "$indexes; $invalid"), "1\n0", "$what: one index, which is valid");
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM docs');
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; SET ivf.probes = 32768;
		SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM docs ORDER BY embedding $operator embed(1) LIMIT 1000000) s"),
		"$rows|$rows", "$what: every row once");
	is($node->safe_psql('postgres', "SELECT proxima.check_index(proxima.index_of('docs')) ->> 'sound'"), 'true', "$what: sound");
	cmp_ok($node->safe_psql('postgres', "SELECT proxima.recall('docs', 50, 10)"), '>', 0.8, "$what: it finds");
	return;
}

sub psql_in_background
{
	my ($sql) = @_;
	my %session = (out => '', err => '');
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', \'', '>', \$session{out}, '2>', \$session{err}, IPC::Run::timeout(180));
	return \%session;
}

# A session in a transaction that has run $sql, until finish().
sub hold
{
	my ($sql) = @_;
	my %session = (in => "BEGIN ISOLATION LEVEL $sql;\n\\echo held\n", out => '');
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, IPC::Run::timeout(180));
	$session{run}->pump until $session{out} =~ /held/;
	return \%session;
}

sub let_go
{
	my ($session) = @_;
	$session->{in} .= "COMMIT;\n\\q\n";
	$session->{run}->finish;
	return;
}

# A CALL that waits for somebody's transaction, and the number of its process.
sub waiting_call
{
	my ($arguments) = @_;
	my $call = psql_in_background("CALL proxima.reindex_collection($arguments)");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity
		WHERE query LIKE 'CALL%' AND wait_event = 'virtualxid'"), "CALL with $arguments waits");
	return ($call, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL%' AND state = 'active'"));
}

# Under load: upserts of old and new rows, deletes, searches that must be full. A client that gets an error stops.
{
	my $script = $node->basedir . '/load.sql';
	append_to_file($script, q(
\set i random(1, 6000)
SELECT proxima.upsert_one('docs', id(:i), embed(:i + 7));
SELECT 1 / (count(*) = 10)::int FROM proxima.search('docs', embed(:i), 10);
SELECT proxima.delete('docs', ARRAY[id(:i + 1)]);
INSERT INTO kept SELECT gen_random_uuid() RETURNING id AS kept \gset
SELECT proxima.upsert_one('docs', :kept, embed(:i));
));
	$node->safe_psql('postgres', 'CREATE TABLE kept (id uuid)');
	# None at ddl_command_start: what it wrote would keep DROP INDEX CONCURRENTLY from beginning, here as elsewhere.
	$node->safe_psql('postgres', "CREATE EVENT TRIGGER ended ON ddl_command_end EXECUTE FUNCTION event();
		CREATE EVENT TRIGGER dropped ON sql_drop EXECUTE FUNCTION event()");
	my $out = '';
	my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-T', '600', '-M', 'prepared', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres' ], '<', \'', '>&', \$out, IPC::Run::timeout(300));
	ok($node->poll_query_until('postgres', 'SELECT count(*) > 50 FROM kept'), 'there is load') or die $out;
	for my $step (['ivf', 'cosine'], ['hnsw', 'cosine'], ['hnsw', 'l2'], ['ivf', 'ip'], ['hnsw', 'l2'])
	{
		my ($method, $metric) = @$step;
		my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM kept');
		$node->safe_psql('postgres', "CALL proxima.reindex_collection('docs', '$method', '$metric')");
		is($node->safe_psql('postgres', "$figures; $indexes; $invalid"), "$method|$metric\n1\n0", "$method and $metric under load");
		cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM kept'), '>', $before, 'sessions went on');
	}
	ok($load->pumpable, 'the load is still there');
	# pgbench says when a client stops, and goes on with the others.
	# Not INT, which is ignored where a shell has begun all this in the background.
	$load->signal('TERM');
	$load->finish;
	unlike($out, qr/ERROR|abort/, 'no session had an error') or diag($out);
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'"), 'it ends');
	is($node->safe_psql('postgres', 'SELECT count(*) BETWEEN 0 AND 3 FROM kept k WHERE NOT EXISTS (SELECT FROM docs d WHERE d.id = k.id)'),
		't', 'but for one that was being written by each session, no row is lost');
	is($node->safe_psql('postgres', "SELECT command, tag, count(*) FROM events WHERE tag LIKE '%INDEX' GROUP BY command, tag ORDER BY command, tag"),
		"ddl_command_end|CREATE INDEX|5\nddl_command_end|DROP INDEX|5\nsql_drop|DROP INDEX|5", 'event triggers');
	is_good('hnsw', 'l2', '<->', 'after the load');
}

# By clients that send parameters
{
	my $script = $node->basedir . '/call.sql';
	append_to_file($script, "\\set m 12\nCALL proxima.reindex_collection('docs', 'hnsw', 'l2', ('{\"m\": ' || :m::text || '}')::jsonb);\n");
	for my $mode ('simple', 'extended', 'prepared')
	{
		command_ok([ 'pgbench', '-n', '-c', '1', '-t', '6', '-M', $mode, '-f', $script, '-h', $node->host, '-p', $node->port,
			'postgres' ], "CALL by a client, $mode");
	}
	is($node->safe_psql('postgres', "SELECT options FROM proxima.describe('docs')"), '{m=12}', 'with options');
	is_good('hnsw', 'l2', '<->', 'after clients');
}

# One that is canceled while it builds
for my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $holder = hold('REPEATABLE READ; SELECT count(*) FROM docs');
	my ($call, $pid) = waiting_call("'docs', 'ivf', 'cosine'");
	is($node->safe_psql('postgres', "SELECT command, phase FROM pg_stat_progress_create_index WHERE pid = $pid"),
		'CREATE INDEX CONCURRENTLY|waiting for old snapshots', 'seen as the build of an index');
	is($node->safe_psql('postgres', "SELECT proxima.upsert_one('docs', id(9001), embed(9001)) IS NOT NULL,
		(SELECT count(*) FROM proxima.search('docs', embed(1), 10))"), 't|10', 'others go on');
	$node->safe_psql('postgres', "SELECT $function($pid)");
	$call->{run}->finish;
	if ($function eq 'pg_cancel_backend')
	{
		like($call->{err}, qr/ERROR:  57014: canceling statement due to user request\nHINT:  $left Another CALL drops it, as DROP INDEX does\./,
			$function);
	}
	else
	{
		like($call->{err}, qr/FATAL:  57P01: terminating connection/, $function);
	}
	is($node->safe_psql('postgres', "$figures; $indexes; $invalid"), "hnsw|l2\n2\n1", 'the old index serves, the new one is invalid');
	is($node->safe_psql('postgres', "SELECT count(*) FROM proxima.search('docs', embed(1), 10)"), '10', 'and searches are full');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid = $pid OR mode = 'ShareUpdateExclusiveLock'"), '0', 'no lock is left');
	let_go($holder);
	$node->safe_psql('postgres', "CALL proxima.reindex_collection('docs')");
	is_good('hnsw', 'l2', '<->', "a CALL after $function");
}

# One that is canceled while it drops the old index: the new one serves
{
	my $holder = hold('READ COMMITTED; SELECT count(*) FROM docs');
	my ($call, $pid) = waiting_call("'docs', 'ivf', 'cosine'");
	is($node->safe_psql('postgres', "$figures; $indexes; $invalid"), "ivf|cosine\n2\n1", 'the new index serves');
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$call->{run}->finish;
	like($call->{err}, qr/57014: .*\nHINT:  $left/, 'the old index is named');
	let_go($holder);
	$node->safe_psql('postgres', "CALL proxima.reindex_collection('docs')");
	is_good('ivf', 'cosine', '<=>', 'a CALL after that');
}

# Timeouts of the session hold for the whole; an error before anything was made has no hint
{
	my $holder = hold('READ COMMITTED; DELETE FROM docs WHERE id = id(9001)');
	call_fails("SET statement_timeout = '1s'; CALL proxima.reindex_collection('docs', 'hnsw')",
		qr/57014: canceling statement due to statement timeout\nHINT:  $left/, 'statement_timeout');
	call_fails("SET lock_timeout = '1s'; SET statement_timeout = '60s'; CALL proxima.reindex_collection('docs', 'hnsw')",
		qr/55P03: canceling statement due to lock timeout\nHINT:  $left/,
		'lock_timeout, while the next CALL drops what the first has left');
	let_go($holder);
	$holder = hold('READ COMMITTED; LOCK TABLE docs IN SHARE MODE');
	call_fails("SET lock_timeout = '1s'; CALL proxima.reindex_collection('docs', 'hnsw')",
		qr/ERROR:  55P03: canceling statement due to lock timeout\nLOCATION/, 'lock_timeout at the start');
	let_go($holder);
	call_fails(q(CALL proxima.reindex_collection('docs', 'hnsw', options => '{"m": 1000}')),
		qr/ERROR:  22023: value 1000 out of bounds for option "m"\nDETAIL:  Valid values are between "2" and "100".\nLOCATION/,
		'an error of CREATE INDEX');
	$node->safe_psql('postgres', "CALL proxima.reindex_collection('docs', 'hnsw')");
	is_good('hnsw', 'cosine', '<=>', 'a CALL after errors');
}

# Two at once: the second waits without a snapshot, so that the first need not wait for it
{
	my $holder = hold('READ COMMITTED; DELETE FROM docs WHERE id = id(9002)');
	my ($first, $pid) = waiting_call("'docs', 'ivf', 'l2'");
	my $second = psql_in_background("CALL proxima.reindex_collection('docs', 'hnsw')");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL%'
		AND wait_event = 'relation' AND backend_xmin IS NULL"), 'the second waits, without a snapshot');
	let_go($holder);
	$_->{run}->finish for ($first, $second);
	is($first->{err} . $second->{err}, '', 'both end');
	is_good('hnsw', 'l2', '<->', 'two at once');
}

# Who may
$node->safe_psql('postgres', "CREATE ROLE stranger LOGIN; CREATE ROLE keeper NOLOGIN; GRANT keeper TO stranger;
	GRANT ALL ON docs TO stranger; GRANT CREATE ON SCHEMA public TO keeper; ALTER ROLE stranger NOINHERIT");
call_fails("SET SESSION AUTHORIZATION stranger; CALL proxima.reindex_collection('docs', 'ivf')",
	qr/42501: must be owner of table (public\.)?docs\n/, 'not a stranger');
$node->safe_psql('postgres', 'ALTER TABLE docs OWNER TO keeper; GRANT ALL ON events TO PUBLIC');
$node->safe_psql('postgres', "SET SESSION AUTHORIZATION stranger; SET ROLE keeper; CALL proxima.reindex_collection('docs', 'ivf')");
is_good('ivf', 'l2', '<->', 'a role that cannot log in');

# From where
my $refused = qr/25001: CALL proxima.reindex_collection cannot /;
my $call = "CALL proxima.reindex_collection('docs', 'hnsw')";
call_fails("BEGIN; $call", $refused, 'not in a transaction block');
call_fails("BEGIN; SAVEPOINT s; $call", $refused, 'not in a subtransaction');
call_fails("$call\\; SELECT 1", $refused, 'not with another statement');
call_fails("DO \$\$ BEGIN $call; END \$\$", $refused, 'not in a DO block');
$node->safe_psql('postgres', "CREATE PROCEDURE plain() LANGUAGE plpgsql AS \$\$ BEGIN COMMIT; $call; END \$\$;
	CREATE PROCEDURE definer() SECURITY DEFINER LANGUAGE plpgsql AS \$\$ BEGIN $call; END \$\$;
	CREATE PROCEDURE in_sql() LANGUAGE sql AS \$\$ $call \$\$;
	CREATE FUNCTION argument() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN $call; RETURN 'docs'; END \$\$");
call_fails("CALL $_()", $refused, "not in a procedure: $_") for ('plain', 'definer', 'in_sql');
call_fails('CALL proxima.reindex_collection(argument())', $refused, 'not in an argument of itself');
call_fails("SET default_transaction_read_only = on; $call", qr/25006: cannot execute CALL proxima.reindex_collection/, 'not read-only');
is_good('ivf', 'l2', '<->', 'after all that was refused');
for my $level ('repeatable read', 'serializable')
{
	$node->safe_psql('postgres', "SET default_transaction_isolation = '$level'; CALL proxima.reindex_collection('docs', 'hnsw', 'cosine')");
	is_good('hnsw', 'cosine', '<=>', $level);
}
unlike(slurp_file($node->logfile), qr/WARNING|PANIC|TRAP|terminated by signal|snapshot/, 'nothing odd in the log');
$node->stop;
done_testing();
