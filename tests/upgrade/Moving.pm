# Helpers of the tests that move databases from pgvector: statements, a database with everything in it, its answers.
package Moving;
use strict;
use warnings;
use IPC::Run;
our @ISA = 'Exporter';
require Exporter;
our @EXPORT = qw(sql dump_of try_sql command create_everything columns exact_answers index_answers binary_sums copy_out copy_in
	index_names session ask install_as_vector pgvector_again);

our $dim = 8;
our %operators = ('l2' => '<->', 'ip' => '<#>', 'cosine' => '<=>', 'l1' => '<+>', 'hamming' => '<~>', 'jaccard' => '<%>');
# Column, type, operator classes of hnsw, operator classes of ivfflat
our @kinds = (
	[ 'v', 'vector', [qw(l2 ip cosine l1)], [qw(l2 ip cosine)] ],
	[ 'h', 'halfvec', [qw(l2 ip cosine l1)], [qw(l2 ip cosine)] ],
	[ 's', 'sparsevec', [qw(l2 ip cosine l1)], [] ],
	[ 'b', 'bit', [qw(hamming jaccard)], [qw(hamming)] ]);

# scripts/install-as-vector.sh, and its undoing: whose the name vector is. Databases that have either go on with it.
sub install_as_vector
{
	local $ENV{FORCE} = $_[0];
	return command("$ENV{REPOSITORY}/scripts/install-as-vector.sh");
}

sub pgvector_again
{
	my ($status, undef, $err) = command('cp', "$ENV{EXTENSIONS}/pgvector.control.saved", "$ENV{EXTENSIONS}/vector.control");
	die $err if $status != 0;
	return;
}

# A dump as text, without what is another at every run.
sub dump_of
{
	my ($status, $out, $err) = command('pg_dump', @_);
	die $err if $status != 0;
	return $out =~ s/^\\(un)?restrict .*\n//mgr;
}

# Runs a program; (its exit status, output, errors).
sub command
{
	my @words = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(\@words, '<', \'', '>', \$out, '2>', \$err);
	return ($?, $out, $err);
}

sub try_sql
{
	my ($database, @statements) = @_;
	return command('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $database, map { ('-c', $_) } @statements);
}

# The output of statements that must succeed.
sub sql
{
	my ($status, $out, $err) = try_sql(@_);
	die "psql: $err" if $status != 0;
	chomp $out;
	return $out;
}

# A database with the extension in every way that it can be used.
sub create_everything
{
	my ($database, $schema) = (@_, 'public');
	sql('postgres', "CREATE DATABASE $database");
	sql($database, "CREATE SCHEMA IF NOT EXISTS $schema", "CREATE EXTENSION vector SCHEMA $schema",
		"ALTER DATABASE $database SET search_path = public, $schema");
	sql($database, qq(
		CREATE FUNCTION embed(id int) RETURNS real[] LANGUAGE sql IMMUTABLE AS
			'SELECT array_agg((hashint4extended(id * 100 + d, 1) % 256) / 128.0 ORDER BY d)::real[]
			FROM generate_series(1, $dim) d';
		CREATE TABLE items (id int PRIMARY KEY, v vector($dim) CHECK (vector_norm(v) >= 0), h halfvec($dim),
			s sparsevec($dim), b bit($dim), anything vector, many vector($dim)[],
			unit vector($dim) GENERATED ALWAYS AS (l2_normalize(v)) STORED);
		INSERT INTO items (id, v, h, s, b, anything, many) SELECT i, e, e, CASE WHEN i % 3 = 0
				THEN e::vector::sparsevec ELSE format('{1:%s,5:%s}/$dim', e[1], e[5])::sparsevec END,
				binary_quantize(e::vector)::bit($dim), e[1:1 + i % $dim], ARRAY[e::vector, e::vector + e::vector]
			FROM (SELECT i, embed(i) AS e FROM generate_series(1, 400) i) x;
		INSERT INTO items (id) VALUES (1000), (1001);
		CREATE TABLE wide (id int, v vector(1500), h halfvec(3000));
		INSERT INTO wide SELECT i, array_fill(i / 8.0, ARRAY[1500])::real[], array_fill(i / 8.0, ARRAY[3000])::real[]
			FROM generate_series(1, 20) i;
		CREATE TABLE parts (id int, v vector($dim)) PARTITION BY RANGE (id);
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (200);
		CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (200) TO (2000);
		INSERT INTO parts SELECT id, v FROM items WHERE v IS NOT NULL;
		CREATE UNLOGGED TABLE fleeting AS SELECT id, v FROM items WHERE v IS NOT NULL;
		CREATE VIEW near AS SELECT id, v <-> '[1,1,1,1,1,1,1,1]' AS distance FROM items WHERE v <=> '[1,1,1,1,1,1,1,1]' < 1;
		CREATE MATERIALIZED VIEW centers AS SELECT id % 7 AS g, avg(v) AS center, sum(h) AS total FROM items GROUP BY 1;
		CREATE FUNCTION match(q vector($dim)) RETURNS SETOF int LANGUAGE sql STABLE AS
			'SELECT id FROM items WHERE v IS NOT NULL ORDER BY v <-> q LIMIT 5';
		CREATE UNIQUE INDEX items_btree_v ON items (v);
		CREATE INDEX items_btree_h ON items (h);
		CREATE INDEX items_btree_s ON items (s);
		CREATE INDEX items_cast ON items USING hnsw ((v::halfvec($dim)) halfvec_l2_ops) WITH (m = 8, ef_construction = 40);
		CREATE INDEX items_quantized ON items USING hnsw ((binary_quantize(v)::bit($dim)) bit_hamming_ops);
		CREATE INDEX items_partial ON items USING hnsw ((anything::vector(3)) vector_l2_ops) WHERE vector_dims(anything) = 3;
		CREATE INDEX parts_v ON parts USING hnsw (v vector_l2_ops);
		CREATE INDEX fleeting_v ON fleeting USING hnsw (v vector_l2_ops);
	));
	for my $kind (@kinds)
	{
		my ($column, $type, $hnsw, $ivfflat) = @$kind;
		sql($database, "CREATE INDEX items_hnsw_${column}_$_ ON items USING hnsw ($column ${type}_${_}_ops)") for @$hnsw;
		sql($database, "CREATE INDEX items_ivfflat_${column}_$_ ON items USING ivfflat ($column ${type}_${_}_ops)"
				. " WITH (lists = 5)") for @$ivfflat;
	}
	sql($database, "COMMENT ON COLUMN items.v IS 'a vector'", 'ANALYZE');
	return;
}

# The tables with the columns that binary COPY writes. Not the array: its binary form has the OID of its elements' type,
# which is another in every database.
sub columns
{
	return ('items' => 'id, v, h, s, b, anything', 'wide' => 'id, v, h', 'parts' => 'id, v', 'fleeting' => 'id, v');
}

# Searches, one line each: distances of the nearest to a row that is not there. $which chooses the kind of index.
sub answers
{
	my ($database, $settings, $which) = @_;
	my @lines;
	for my $kind (@kinds)
	{
		my ($column, $type, $hnsw, $ivfflat) = @$kind;
		for my $class (@{ $which eq 'ivfflat' ? $ivfflat : $hnsw })
		{
			my $query = $type eq 'bit' ? "B'10110100'" : "(SELECT embed(5000)::vector)::$type";
			push @lines, "$column $class " . sql($database, @$settings,
				"SELECT array_agg(d) FROM (SELECT round(($column $operators{$class} $query)::numeric, 4) AS d FROM items "
				  . "WHERE $column IS NOT NULL ORDER BY $column $operators{$class} $query LIMIT 10) x");
		}
	}
	return \@lines;
}

sub exact_answers
{
	my ($database, $which) = @_;
	return answers($database, ['SET enable_indexscan = off'], $which // 'hnsw');
}

# By one kind of index: the others are hidden for the transaction by dropping them.
sub index_answers
{
	my ($database, $which) = @_;
	my $other = $which eq 'hnsw' ? 'ivfflat' : 'hnsw';
	return answers($database,
		[ 'BEGIN', "DO \$\$ DECLARE i regclass; BEGIN FOR i IN SELECT c.oid FROM pg_class c JOIN pg_am a ON a.oid = c.relam
			WHERE amname = '$other' AND c.relkind = 'i' AND c.relname LIKE 'items%' LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END \$\$",
			'SET LOCAL hnsw.ef_search = 400', 'SET LOCAL ivfflat.probes = 5', 'SET LOCAL enable_seqscan = off',
			'SET LOCAL enable_sort = off' ], $which);
}

# Names of the indexes of these access methods.
sub index_names
{
	my ($database, @methods) = @_;
	my $list = join(',', map { "'$_'" } @methods);
	return split(/\n/, sql($database, "SELECT c.oid::regclass FROM pg_class c JOIN pg_am a ON a.oid = c.relam
		WHERE c.relkind = 'i' AND amname IN ($list) ORDER BY 1::text"));
}

# COPY in binary format to a file, and from it.
sub copy_out
{
	my ($database, $table, $file) = @_;
	my %columns = columns();
	sql($database, "\\copy (SELECT $columns{$table} FROM $table ORDER BY id) TO '$file' (FORMAT binary)");
	return;
}

sub copy_in
{
	my ($database, $table, $file) = @_;
	my %columns = columns();
	sql($database, "\\copy $table ($columns{$table}) FROM '$file' (FORMAT binary)");
	return;
}

# Checksums of all tables' binary COPY.
sub binary_sums
{
	my ($database, $folder) = @_;
	my %columns = columns();
	my %sums;
	for my $table (sort keys %columns)
	{
		my $file = "$folder/$database.$table";
		copy_out($database, $table, $file);
		$sums{$table} = (command('md5sum', $file))[1] =~ s/ .*//sr;
	}
	$sums{text} = sql($database, 'SELECT md5(string_agg(many::text || unit::text, id::text ORDER BY id)) FROM items');
	$sums{centers} = sql($database, 'SELECT md5(string_agg(c::text, g::text ORDER BY g)) FROM centers c');
	return \%sums;
}

# A psql that stays connected; ask returns what it says to a statement.
sub session
{
	my ($database) = @_;
	my %session = (in => '', out => '', err => '');
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $database ], '<', \$session{in}, '>', \$session{out},
		'2>', \$session{err}, IPC::Run::timeout(60));
	return \%session;
}

sub ask
{
	my ($session, $statement) = @_;
	$session->{out} = $session->{err} = '';
	$session->{in} .= "$statement;\n\\echo DONE\n\\warn DONE\n";
	$session->{run}->pump until $session->{out} =~ /^DONE$/m && $session->{err} =~ /^DONE$/m;
	return ($session->{out} =~ s/DONE\n//r, $session->{err} =~ s/DONE\n//r);
}

1;
