# Builds: cancel, timeout, small memory, recall for each operator class, CONCURRENTLY under load, and an index that was
# there before its rows.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Time::HiRes qw(time);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

# Training lists takes its time.
my $dim = $METHOD eq 'ivf' ? 200 : 64;
my $node = PostgreSQL::Test::Cluster->new('build');
$node->init;
$node->start;
create_table($node, rows => 12000, dim => $dim);

my %operators = (l2 => '<->', ip => '<#>', cosine => '<=>', l1 => '<+>');
delete $operators{l1} if $METHOD eq 'ivf';
for my $metric (sort keys %operators)
{
	$node->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_${metric}_ops)");
	is(check_sound($node, 'items_v'), 'true', "$metric: sound");
	cmp_ok(recall($node, $operators{$metric}, $dim, 200), '>=', 0.95, "$metric: recall with defaults");
	$node->safe_psql('postgres', "DROP INDEX items_v");
}

# Too little memory: several graphs, or one segment with lists by way of the disk; all rows, the same recall.
my $log = -s $node->logfile;
$node->safe_psql('postgres', "SET maintenance_work_mem = '" . ($METHOD eq 'ivf' ? 1 : 4) . "MB';
	SET log_temp_files = 0; CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops)");
my $segments = $node->safe_psql('postgres', "SELECT proxima.check_index('items_v') ->> 'segments'");
cmp_ok($segments, $METHOD eq 'ivf' ? '==' : '>', 1, 'segments of a build with small memory');
like(slurp_file($node->logfile, $log), qr/temporary file/, 'its sort is on disk') if $METHOD eq 'ivf';
is(check_sound($node, 'items_v'), 'true', 'small memory: sound');
cmp_ok(recall($node, '<->', $dim, 200), '>=', 0.95, 'small memory: recall');
$node->safe_psql('postgres', "DROP INDEX items_v");

# A temporary index that is larger than its buffers.
is($node->safe_psql('postgres', qq(SET temp_buffers = 100; CREATE TEMP TABLE t AS SELECT * FROM items;
	CREATE INDEX t_v ON t USING $METHOD (v vector_l2_ops);
	SET enable_seqscan = off;
	SELECT pg_relation_size('t_v') > 100 * 8192, count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> embed(1, $dim)) s)),
	't|12000|12000', 'a large temporary index');

# A timeout stops a build soon, wherever it is, and leaves nothing. Most of its time this one connects rows, or trains lists.
my $slow = $METHOD eq 'ivf' ? 'lists = 1500' : 'ef_construction = 1000, m = 64';
my $create = "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops) WITH ($slow)";
my @timeouts;
for my $share (0.1, 0.3)
{
	my $start = time();
	$node->safe_psql('postgres', $create);
	my $whole = time() - $start;
	$node->safe_psql('postgres', "DROP INDEX items_v");
	push @timeouts, int(1000 * $share * $whole) + 1;
	$start = time();
	my ($code, $out, $err) = $node->psql('postgres', "SET statement_timeout = $timeouts[-1]; $create");
	my $seconds = time() - $start;
	like($err, qr/canceling statement due to statement timeout/, "the build is canceled after $timeouts[-1] ms");
	cmp_ok($seconds, '<', 1.2 + $share * $whole, "soon after the timeout ($seconds s of $whole s)");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'items_v'"), '0', 'nothing is left');
}

# With few buffers, of which a file that grows pins as many as it may: builds of one session that are canceled at any time,
# also while they write, leave neither pins, or the last one would find no buffer, nor files.
$node->append_conf('postgresql.conf', "shared_buffers = '512kB'");
$node->restart;
my $offset = -s $node->logfile;
my $few = "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops)";
my $begun = time();
$node->safe_psql('postgres', $few);
my $takes = 1000 * (time() - $begun);
my $size = $node->safe_psql('postgres', "SELECT pg_relation_size('items_v')");
is(check_sound($node, 'items_v'), 'true', 'few buffers: sound');
$node->safe_psql('postgres', "DROP INDEX items_v; CHECKPOINT");
my $files = "SELECT count(*) FROM pg_ls_dir('base/' || (SELECT oid FROM pg_database WHERE datname = current_database())) name
	WHERE name ~ '^[0-9]+\$' AND NOT EXISTS (SELECT FROM pg_class WHERE pg_relation_filenode(oid) = name::oid)";
my $files_before = $node->safe_psql('postgres', $files);
my $times = 30;
my $script = '';
for my $part (1 .. $times)
{
	my $timeout = int($takes * ($part + 6) / ($times + 6)) + 1;
	$script .= "BEGIN; SAVEPOINT a; SET LOCAL statement_timeout = $timeout; $few; ROLLBACK TO a; COMMIT;\n";
}
my ($code, $out, $err) = $node->psql('postgres', "$script $few", on_error_stop => 0, on_error_die => 0);
my $canceled = () = $err =~ /canceling statement due to statement timeout/g;
my @others = grep { /ERROR|WARNING/ && !/due to statement timeout/ } split(/\n/, $err);
is(join("\n", @others), '', 'no other error');
cmp_ok($canceled, '>', 1, "of $times builds with few buffers $canceled are canceled");
is(check_sound($node, 'items_v'), 'true', 'few buffers: the last one is sound');
is($node->safe_psql('postgres', "SELECT pg_relation_size('items_v')"), $size, 'and as large as the first');
$node->safe_psql('postgres', "DROP INDEX items_v; CHECKPOINT");
is($node->safe_psql('postgres', $files), $files_before, 'no files are left');
unlike(slurp_file($node->logfile, $offset), qr/WARNING:|FATAL:|PANIC:/, 'and nothing else in the log');
$node->append_conf('postgresql.conf', "shared_buffers = '128MB'");
$node->restart;

# CONCURRENTLY while rows come and go. With so much memory, the sample that lists are trained on is kept, so that blocks are
# read at different times.
$node->safe_psql('postgres', "CREATE TABLE built (name text)");
my $load = start_psql($node, qq(DO \$\$ DECLARE i int := 20000; BEGIN WHILE NOT EXISTS (SELECT FROM built) LOOP i := i + 1;
	INSERT INTO items VALUES (i, embed(i, $dim)); DELETE FROM items WHERE id = i - 20000;
	UPDATE items SET v = embed(i + 1, $dim) WHERE id = i - 10000; COMMIT; END LOOP; END \$\$));
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM items WHERE id > 20000") or die "the load does not begin";
$log = -s $node->logfile;
{
	local $ENV{PGOPTIONS} = $METHOD eq 'ivf' ? '-c maintenance_work_mem=16MB -c log_min_messages=debug1' : '';
	$node->safe_psql('postgres', "CREATE INDEX CONCURRENTLY items_v ON items USING $METHOD (v vector_l2_ops)");
	$node->safe_psql('postgres', "REINDEX INDEX CONCURRENTLY items_v");
}
$node->safe_psql('postgres', "INSERT INTO built VALUES ('items_v')");
my $kept = () = slurp_file($node->logfile, $log) =~ /kept the \d+ rows that lists were trained on/g;
is($kept, $METHOD eq 'ivf' ? 2 : 0, 'samples that were kept');
ok($load->finish, 'the load ends without an error');
is($node->safe_psql('postgres', "SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_v'::regclass"), 't', 'valid');
is_whole($node, $dim, 'CONCURRENTLY');

# An index that was there before its rows: they are flushed and merged, and a merge that is canceled leaves all as it was.
$node->safe_psql('postgres', qq(
	ALTER TABLE items RENAME TO loaded;
	DROP INDEX items_v;
	CREATE TABLE items (id int8 PRIMARY KEY, v vector($dim)) WITH (autovacuum_enabled = off);
	$create;
	SET proxima.background_merge = off;
	SET proxima.pending_rows_limit = 3000;
	INSERT INTO items SELECT * FROM loaded));
my $kinds = "SELECT string_agg(DISTINCT s ->> 'kind', ' ') FROM jsonb_array_elements(proxima.index_stats('items_v') -> 'segments') s";
my $due = $METHOD eq 'ivf' ? 'flat' : 'graph';
is($node->safe_psql('postgres', $kinds), $due, 'inserts flush');
for my $timeout (@timeouts)
{
	my ($code, $out, $err) = $node->psql('postgres', "SET statement_timeout = $timeout; SELECT proxima.merge('items_v')");
	like($err, qr/canceling statement due to statement timeout/, "the merge is canceled after $timeout ms");
	is_whole($node, $dim, 'after that');
}
is($node->safe_psql('postgres', $kinds), $due, 'nothing is merged');
$node->safe_psql('postgres', "SET maintenance_work_mem = '4MB'; SELECT proxima.merge('items_v')");
is($node->safe_psql('postgres', $kinds), $METHOD eq 'ivf' ? 'lists' : 'graph', 'everything is merged');
is_whole($node, $dim, 'merged');
cmp_ok(recall($node, '<->', $dim, 200), '>=', 0.95, 'merged: recall');
$node->stop;
done_testing();
