# From a database with pgvector to one with proxima: by pg_dump and pg_restore, and by binary COPY.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use File::Temp 'tempdir';
use Test::More;
use Moving;

my $folder = tempdir(CLEANUP => 1);
pgvector_again();
my %sums;
my %exact;
for my $schema ('public', 'extensions')
{
	my $source = "source_$schema";
	create_everything($source, $schema);
	is(sql($source, "SELECT DISTINCT probin FROM pg_proc WHERE proname = 'vector_in'"), '$libdir/vector', 'pgvector');
	$sums{$schema} = binary_sums($source, $folder);
	$exact{$schema} = exact_answers($source);
	my ($status, undef, $err) = command('pg_dump', '-Fc', '-f', "$folder/$source.dump", '-d', $source);
	is($status, 0, "$source: pg_dump") or diag($err);
}
my ($status, $out, $err) = install_as_vector(1);
is($status, 0, 'the name vector is ours') or diag($err);

sub check_moved
{
	my ($database, $schema, $about) = @_;
	is(sql($database, "SELECT DISTINCT probin FROM pg_proc WHERE proname = 'vector_in'"), '$libdir/proxima', "$about: proxima");
	is_deeply(binary_sums($database, $folder), $sums{$schema}, "$about: every value, byte for byte");
	is_deeply(exact_answers($database), $exact{$schema}, "$about: exact searches answer the same");
	is_deeply(index_answers($database, 'hnsw'), $exact{$schema}, "$about: hnsw answers exactly");
	is_deeply(index_answers($database, 'ivfflat'), exact_answers($database, 'ivfflat'), "$about: ivfflat answers exactly");
	return;
}

for my $schema ('public', 'extensions')
{
	my $dump = "$folder/source_$schema.dump";

	# As the extension vector: the dump as it is.
	my $database = "vector_$schema";
	sql('postgres', "CREATE DATABASE $database");
	($status, $out, $err) = command('pg_restore', '--exit-on-error', '-d', $database, $dump);
	is($status, 0, "$database: pg_restore") or diag($err);
	sql($database, "ALTER DATABASE $database SET search_path = public, $schema");
	check_moved($database, $schema, $database);

	# As the extension proxima: the extension first, then the dump without the lines about the extension vector.
	$database = "proxima_$schema";
	sql('postgres', "CREATE DATABASE $database");
	sql($database, "CREATE SCHEMA IF NOT EXISTS $schema", "CREATE EXTENSION proxima SCHEMA $schema");
	my ($list) = (command('pg_restore', '--list', $dump))[1];
	my $removed = $list =~ s/^.*EXTENSION.*vector.*\n//mg;
	# The schema is there already, too.
	$list =~ s/^.* SCHEMA - extensions .*\n//mg;
	is($removed, 2, "$database: the list of the dump has the extension and its comment");
	open(my $file, '>', "$folder/list") or die $!;
	print $file $list;
	close($file);
	($status, $out, $err) = command('pg_restore', '--exit-on-error', '-L', "$folder/list", '-d', $database, $dump);
	is($status, 0, "$database: pg_restore") or diag($err);
	sql($database, "ALTER DATABASE $database SET search_path = public, $schema");
	check_moved($database, $schema, $database);
}

# Binary COPY, and back: the tables are made from the dump without its data.
my $database = 'copied';
sql('postgres', "CREATE DATABASE $database");
($status, $out, $err) = command('pg_restore', '--exit-on-error', '--schema-only', '-d', $database, "$folder/source_public.dump");
is($status, 0, 'pg_restore of the schema') or diag($err);
my %columns = columns();
for my $table (sort keys %columns)
{
	copy_out('source_public', $table, "$folder/$table.from");
	copy_in($database, $table, "$folder/$table.from");
	copy_out($database, $table, "$folder/$table.back");
	is((command('cmp', "$folder/$table.from", "$folder/$table.back"))[1], '', "$table: out of proxima as out of pgvector");
}
# The array goes as text. (First the view: sums of float16 numbers depend on the order of rows, which UPDATE changes.)
sql($database, 'REFRESH MATERIALIZED VIEW centers');
sql('source_public', "\\copy (SELECT id, many FROM items) TO '$folder/many'");
sql($database, 'CREATE TABLE many (id int, many vector[])', "\\copy many FROM '$folder/many'",
	'UPDATE items SET many = m.many FROM many m WHERE m.id = items.id');
check_moved($database, 'public', 'binary COPY');

# And back to pgvector: all but the trigger of a collection, and the hnsw indexes that use the default operator class
# without naming it, as PostgreSQL writes them; pgvector has none.
sql('vector_public', q(SELECT proxima.create_collection('notes', 2)), q(SELECT proxima.add('notes', '{"[1,2]","[3,4]"}')));
($status, $out, $err) = command('pg_dump', '-Fc', '--exclude-schema=proxima', '-f', "$folder/back.dump",
	'-d', 'vector_public');
is($status, 0, 'pg_dump of proxima') or diag($err);
pgvector_again();
sql('postgres', 'CREATE DATABASE back');
($status, $out, $err) = command('pg_restore', '-d', 'back', "$folder/back.dump");
my @errors = $err =~ /error: (could not execute query: .*)/g;
my @triggers = grep { /schema "proxima" does not exist/ } @errors;
is(scalar @triggers, 1, 'back to pgvector: one object needs the schema') or diag(join("\n", @triggers));
like($err, qr/EXECUTE FUNCTION proxima\.collection_row/, 'the trigger of the collection');
# (A partitioned index that is missing has its partitions missing it.)
is_deeply([ grep { !/schema "proxima" does not exist|type \S*vector has no default operator class for access method "hnsw"|"public.parts_v" does not exist/ }
		@errors ], [],
	'back to pgvector: the default operator class is all else that is missing');
is(sql('back', 'SELECT string_agg(embedding::text, $$ $$ ORDER BY embedding) FROM notes'), '[1,2] [3,4]',
	'back to pgvector: the table of the collection');
sql('back', 'CREATE INDEX items_hnsw_v_l2 ON items USING hnsw (v vector_l2_ops)');
is(sql('back', "SELECT DISTINCT probin FROM pg_proc WHERE proname = 'vector_in'"), '$libdir/vector', 'pgvector');
is_deeply(binary_sums('back', $folder), $sums{public}, 'back to pgvector: every value, byte for byte');
is_deeply(exact_answers('back'), $exact{public}, 'back to pgvector: exact searches answer the same');
is_deeply(index_answers('back', 'hnsw'), $exact{public}, 'back to pgvector: hnsw answers exactly');

done_testing();
