# Helpers of the TAP tests: tables of repeatable random vectors, and exact answers to compare with.
package Proxima;
use strict;
use warnings;
use Exporter 'import';
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
our @EXPORT = qw($METHOD $DIM $WITH_LISTS create_table add_rows exact_ids index_ids recall check_sound count_by_index is_whole blocks start_psql crash_and_start
	load_wordnet);

# The access method that is tested, and dimensions for which it has its own kind of segments: up to 64, rows have no
# codes, and lists are graphs.
our $METHOD = $ENV{PROXIMA_METHOD} // 'hnsw';
our $DIM = $METHOD eq 'ivf' ? 80 : 32;
# Several lists where so few rows would be one.
our $WITH_LISTS = $METHOD eq 'ivf' ? 'WITH (lists = 20)' : '';

# A table "items" of vectors around cluster centers. Rows are a function of their id and of $seed.
sub create_table
{
	my ($node, %options) = @_;
	my $dim = $options{dim} // $DIM;
	my $kind = $options{kind} // '';
	$node->safe_psql('postgres', "CREATE EXTENSION IF NOT EXISTS proxima");
	$node->safe_psql('postgres', qq(
		CREATE OR REPLACE FUNCTION embed(id int8, dim int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
		\$\$ SELECT array_agg((hashint8extended((id % 50) * 1000 + d, 1) % 1000000) / 1e6
			+ 0.4 * (hashint8extended(id * 1000 + d, 2) % 1000000) / 1e6 ORDER BY d)::vector
			FROM generate_series(1, dim) d \$\$;
		DROP TABLE IF EXISTS items;
		CREATE $kind TABLE items (id int8 PRIMARY KEY, v vector($dim));));
	add_rows($node, 1, $options{rows} // 1000, $dim);
	return;
}

sub add_rows
{
	my ($node, $from, $to, $dim) = @_;
	$node->safe_psql('postgres',
		"INSERT INTO items SELECT i, embed(i, $dim) FROM generate_series($from, $to) i;");
	return;
}

sub ids
{
	my ($node, $settings, $query, $operator, $limit) = @_;
	my $text = $node->safe_psql('postgres', qq(
		SET client_min_messages = warning; $settings
		SELECT string_agg(id::text, ',') FROM (
			SELECT id FROM items ORDER BY v $operator $query, id LIMIT $limit) s) =~ s/, id LIMIT/ LIMIT/r);
	return split(/,/, $text);
}

sub exact_ids
{
	my ($node, $query, $operator, $limit) = @_;
	return ids($node, 'SET enable_indexscan = off;', $query, $operator, $limit);
}

sub index_ids
{
	my ($node, $query, $operator, $limit) = @_;
	return ids($node, 'SET enable_seqscan = off;', $query, $operator, $limit);
}

# The first rows of the bundled sentence embeddings and their texts, as a table of their file's name. NumPy's file is a
# header and half-precision numbers, which are halfvec's in the other order of bytes.
sub load_wordnet
{
	my ($node, $embeddings, $texts, $rows) = @_;
	my $data = "$FindBin::RealBin/../data/wordnet-10k";
	my $dim = 384;
	open(my $file, '<:raw', "$data/$embeddings.npy") or die "$data/$embeddings.npy: $!";
	read($file, my $start, 10) == 10 or die 'no header';
	my $header_size = unpack('x8 v', $start);
	read($file, my $header, $header_size) == $header_size or die 'no header';
	$header =~ /'descr': '<f2'.*'shape': \(\d+, $dim\)/ or die "unexpected header: $header";
	my $binary = "PGCOPY\n\xff\r\n\0" . pack('N N', 0, 0);
	for my $number (0 .. $rows - 1)
	{
		read($file, my $row, 2 * $dim) == 2 * $dim or die "no row $number";
		$binary .= pack('n N N N n n n*', 2, 4, $number, 4 + 2 * $dim, $dim, 0, unpack('v*', $row));
	}
	close($file);
	my $copy = $node->basedir . "/$embeddings.copy";
	open(my $out, '>:raw', $copy) or die "$copy: $!";
	print $out $binary, pack('n', 0xffff);
	close($out) or die "$copy: $!";
	$node->safe_psql('postgres', qq(
		CREATE TEMP TABLE halves (number int4, embedding halfvec($dim));
		COPY halves FROM '$copy' (FORMAT binary);
		CREATE TEMP TABLE texts (number int4, document text);
		COPY texts FROM '$data/$texts.tsv' (FORMAT csv, DELIMITER E'\t', QUOTE E'\b');
		CREATE TABLE $embeddings AS SELECT number, embedding::vector, document FROM halves JOIN texts USING (number);));
	return;
}

# The share of the exact ten nearest that the index finds, over that many queries. With 200 the chance is below one
# percent on either side; with 20 it would decide tests.
sub recall
{
	my ($node, $operator, $dim, $queries) = @_;
	$node->safe_psql('postgres', q(
		CREATE OR REPLACE FUNCTION nearest(operator text, query vector, by_index bool) RETURNS int8[] LANGUAGE plpgsql AS $$
		DECLARE
			found int8[];
		BEGIN
			PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
				set_config('enable_sort', (NOT by_index)::text, true),
				set_config('enable_indexscan', by_index::text, true);
			EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v %s $1 LIMIT 10) s', operator)
				INTO found USING query;
			RETURN found;
		END $$));
	return $node->safe_psql('postgres', qq(
		SELECT avg((SELECT count(*) FROM unnest(nearest('$operator', q, false)) id
			WHERE id = ANY (nearest('$operator', q, true)))) / 10.0
		FROM (SELECT embed(1000000 + i * 37, $dim) AS q FROM generate_series(1, $queries) i) queries));
}

sub check_sound
{
	my ($node, $index) = @_;
	return $node->safe_psql('postgres', "SELECT proxima.check_index('$index') ->> 'sound'");
}

# Rows and distinct rows that a whole scan of the index returns, as "rows|distinct rows".
sub count_by_index
{
	my ($node, $dim) = @_;
	return $node->safe_psql('postgres', qq(
		SET enable_seqscan = off;
		SET enable_sort = off;
		SELECT count(*), count(DISTINCT id) FROM (
			SELECT id FROM items ORDER BY v <-> embed(1, $dim) LIMIT 1000000) s));
}

# Tests that the index items_v has every row of the table once, and is sound.
sub is_whole
{
	my ($node, $dim, $what) = @_;
	my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM items");
	is(count_by_index($node, $dim), "$rows|$rows", "$what: every row once");
	is(check_sound($node, 'items_v'), 'true', "$what: sound");
	return;
}

# Blocks of the index items_v that are for something.
sub blocks
{
	my ($node, $kind) = @_;
	return $node->safe_psql('postgres', "SELECT proxima.index_stats('items_v') -> 'blocks' ->> '$kind'");
}

# psql that works on $sql while the test goes on. PostgreSQL's modules have had several forms of this; IPC::Run has one.
sub start_psql
{
	my ($node, $sql) = @_;
	my %output;
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', \'', '>', \$output{out}, '2>', \$output{err}, IPC::Run::timeout(180));
	return $run;
}

# SIGKILL for all processes of the server, as when the machine stops; then a new start. The start has to wait for the
# last of them, because a process that is left, even a dead one that init has yet to collect, looks like a server.
sub crash_and_start
{
	my ($node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @processes = split(/\n/,
		$node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"));
	$node->kill9;
	kill('KILL', @processes);
	for my $process ($postmaster, @processes)
	{
		my $rounds = 0;
		while (kill(0, $process))
		{
			die "process $process does not go away" if ++$rounds > 600;
			sleep(0.1);
		}
	}
	$node->start;
	return;
}

1;
