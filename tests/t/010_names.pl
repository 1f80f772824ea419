# The extension under both of its names, in any schema: the same objects, everything works with an empty search_path,
# dumps restore, and the names exclude each other with one clear error. (scripts/prove.sh installs both names.)
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $node = PostgreSQL::Test::Cluster->new('names');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;

my $dim = 6;
my $members = q(
	SELECT pg_catalog.pg_describe_object(classid, objid, 0) FROM pg_catalog.pg_depend
	WHERE refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname IN ('proxima', 'vector')) ORDER BY 1);

# Every type in one table, every operator class in one index, all names qualified by the schema.
sub fill
{
	my ($database, $schema) = @_;
	my %operators = ('l2' => '<->', 'ip' => '<#>', 'cosine' => '<=>', 'l1' => '<+>');
	my $sql = qq(
		SET search_path = '';
		CREATE FUNCTION public.embed(id int) RETURNS $schema.vector LANGUAGE sql IMMUTABLE SET search_path = '' AS
			'SELECT pg_catalog.array_agg((pg_catalog.hashint4extended(id * 100 + d, 1) % 1000) / 100.0 ORDER BY d)::$schema.vector
			FROM pg_catalog.generate_series(1, $dim) d';
		CREATE TABLE public.items (id int PRIMARY KEY, v $schema.vector($dim), h $schema.halfvec($dim),
			s $schema.sparsevec($dim), b bit($dim), vs $schema.vector[]);
		INSERT INTO public.items SELECT i, e, e::$schema.halfvec, e::$schema.sparsevec,
			$schema.binary_quantize(e)::bit($dim), ARRAY[e]
			FROM (SELECT i, public.embed(i) AS e FROM pg_catalog.generate_series(1, 200) i) x;
		CREATE UNIQUE INDEX items_btree ON public.items (v, id);
	);
	for my $class (sort keys %operators)
	{
		$sql .= "CREATE INDEX items_$_->[0]_$class ON public.items USING hnsw ($_->[0] $schema.$_->[1]_${class}_ops);\n"
		  for (['v', 'vector'], ['h', 'halfvec'], ['s', 'sparsevec']);
	}
	$sql .= "CREATE INDEX items_b_$_ ON public.items USING hnsw (b $schema.bit_${_}_ops);\n" for ('hamming', 'jaccard');
	# As functions of hosted services are written.
	$sql .= qq(
		CREATE FUNCTION public.match(q $schema.vector) RETURNS SETOF int LANGUAGE plpgsql SET search_path = '' AS \$\$
		BEGIN
			RETURN QUERY SELECT id FROM public.items ORDER BY v OPERATOR($schema.<=>) q LIMIT 5;
		END \$\$;
		ANALYZE public.items;
	);
	$node->safe_psql($database, $sql);
	return;
}

# What searches answer, with an empty search_path, by index or exactly.
sub answers
{
	my ($database, $schema, $by_index) = @_;
	my $sql = "SET search_path = ''; SET hnsw.ef_search = 200;\n";
	$sql .= $by_index ? "SET enable_seqscan = off; SET enable_sort = off;\n" : "SET enable_indexscan = off;\n";
	for my $case (['v', 'vector'], ['h', 'halfvec'], ['s', 'sparsevec'])
	{
		my ($column, $type) = @$case;
		$sql .= "SELECT pg_catalog.string_agg(id::text, ',') FROM (SELECT id FROM public.items "
		  . "ORDER BY $column OPERATOR($schema.$_) (public.embed(777)::$schema.vector)::$schema.$type LIMIT 7) x;\n"
		  for ('<->', '<#>', '<=>', '<+>');
	}
	$sql .= "SELECT pg_catalog.array_agg(d) FROM (SELECT b OPERATOR($schema.$_) '101101' AS d FROM public.items "
	  . "ORDER BY 1 LIMIT 7) x;\n"
	  for ('<~>', '<%>');
	$sql .= "SELECT pg_catalog.array_agg(m) FROM public.match(public.embed(777)) m;\n";
	$sql .= "SELECT $schema.avg(v), $schema.sum(h) FROM public.items;\n";
	$sql .= "SELECT pg_catalog.count(*), pg_catalog.count(DISTINCT v) FROM public.items WHERE v OPERATOR($schema.>) '[0]';\n";
	return $node->safe_psql($database, $sql);
}

my $number = 0;
my %members_of;
for my $case (['proxima', 'public'], ['vector', 'public'], ['proxima', '"Odd ""schema"""'], ['vector', '"Odd ""schema"""'],
	['vector', 'extensions'])
{
	my ($extension, $schema) = @$case;
	my $database = 'names' . ++$number;
	my $about = "$extension in $schema";
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE SCHEMA IF NOT EXISTS $schema;
		SET search_path = ''; CREATE EXTENSION IF NOT EXISTS $extension WITH SCHEMA $schema");
	$members_of{"$extension $schema"} = $node->safe_psql($database, $members);
	fill($database, $schema);
	my $exact = answers($database, $schema, 0);
	is(answers($database, $schema, 1), $exact, "$about: indexes give the exact answer");

	$node->safe_psql($database, "SET search_path = ''; DELETE FROM public.items WHERE id % 5 = 0;
		UPDATE public.items SET v = v OPERATOR($schema.*) v WHERE id % 7 = 0;");
	$node->safe_psql($database, "SET search_path = ''; VACUUM (ANALYZE) public.items;");
	$node->safe_psql($database, "SET search_path = ''; REINDEX TABLE public.items;");
	$node->safe_psql($database, "SET search_path = ''; REINDEX TABLE CONCURRENTLY public.items;");
	$exact = answers($database, $schema, 0);
	is(answers($database, $schema, 1), $exact, "$about: and after changes, VACUUM and REINDEX");
	is($node->safe_psql($database, "SET search_path = ''; SELECT proxima.check_index('public.items_v_l2') ->> 'sound'"),
		'true', "$about: functions of our own");

	# pg_dump's scripts set search_path to ''.
	my $dump = $node->basedir . "/$database.dump";
	my $socket = $node->host;
	my @server = ('-h', $socket, '-p', $node->port);
	command_ok([ 'pg_dump', @server, '-Fc', '-f', $dump, $database ], "$about: pg_dump");
	$node->safe_psql('postgres', "CREATE DATABASE ${database}_restored");
	command_ok([ 'pg_restore', @server, '--exit-on-error', '-d', "${database}_restored", $dump ], "$about: pg_restore");
	is(answers("${database}_restored", $schema, 1), $exact, "$about: the restored database answers the same");
}
is($members_of{'vector public'}, $members_of{'proxima public'}, 'both names create the same objects');
like($members_of{'vector extensions'}, qr/type extensions\.vector/, 'in the schema that was asked for');

# The names exclude each other, and nothing changes.
sub refused
{
	my ($database, $extension, $error, $hint, $about) = @_;
	my $before = $node->safe_psql($database, $members);
	my ($status, $out, $err) = $node->psql($database, "CREATE EXTENSION $extension", extra_params => [ '-v', 'VERBOSITY=default' ]);
	isnt($status, 0, "$about: refused");
	like($err, qr/ERROR:  \Q$error\E$/m, "$about: the error");
	like($err, $hint, "$about: the hint");
	is(() = $err =~ /ERROR/g, 1, "$about: one error");
	is($node->safe_psql($database, $members), $before, "$about: nothing changes");
}
refused('names1', 'vector', 'vector and the extension "proxima" cannot be in one database',
	qr/HINT:  The extension "proxima" of this database has all/, 'vector beside proxima');
refused('names2', 'proxima', 'proxima and the extension "vector" cannot be in one database',
	qr/HINT:  .* proxima under another name/, 'proxima beside vector');
refused('names2', 'vector', 'extension "vector" already exists', qr//, 'vector twice');
$node->safe_psql('names2', 'CREATE EXTENSION IF NOT EXISTS vector');
$node->safe_psql('postgres', "CREATE DATABASE taken; ");
$node->safe_psql('taken', "CREATE DOMAIN vector AS real[]");
refused('taken', 'vector', 'vector cannot be created: type public.vector already exists in this database',
	qr/HINT:  Create vector in another database, or drop or rename/, 'vector beside a type');

# The owner of a database is enough; clients see a version they accept; schema proxima pins the extension.
$node->safe_psql('postgres', "CREATE ROLE owner LOGIN; CREATE DATABASE owned OWNER owner");
$node->safe_psql('owned', "SET ROLE owner; CREATE EXTENSION vector SCHEMA public; CREATE TABLE t (v vector(2));
	CREATE INDEX ON t USING hnsw (v vector_cosine_ops); INSERT INTO t VALUES ('[1,2]')");
my $version = $node->safe_psql('owned', "SELECT extversion FROM pg_extension WHERE extname = 'vector'");
like($version, qr/^0\.8\.1[0-9]{3}$/, 'a version of plain numbers, above pgvector\'s');
my ($status, $out, $err) = $node->psql('owned', "ALTER EXTENSION vector SET SCHEMA pg_catalog");
like($err, qr/does not support SET SCHEMA/, 'it stays in its schema');

$node->stop;
done_testing();
