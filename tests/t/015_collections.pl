# Collections in dumps: of the database by a superuser and by the owner of the database, of a schema, of a table, without
# a table; after renames and drops by hand; under both names of the extension.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $node = PostgreSQL::Test::Cluster->new('collections');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off");
$node->start;
my @server = ('-h', $node->host, '-p', $node->port);

# What an application sees of the collections of a database, by UUID and by name.
sub answers
{
	my ($database, @ids) = @_;
	my $list = $node->safe_psql($database,
		'SELECT id, schema, name, element, dimension, metric, index_method, options, created_at FROM proxima.list_collections()');
	my $found = join("\n", map { $node->safe_psql($database, qq(
		SELECT d.schema, d.name, proxima.count_rows(d.id),
			proxima.collection_id(format('%I.%I', d.schema, d.name)) = d.id,
			(SELECT string_agg(s.document, ',') FROM proxima.search(d.id, '[0,1,0]', 2) s)
		FROM proxima.describe('$_'::uuid) d)) } @ids);
	return "$list\n$found";
}

sub dump_and_restore
{
	my ($from, $to, $about, $options, @restore) = @_;
	my $file = $node->basedir . "/$to.dump";
	command_ok([ 'pg_dump', @server, '-Fc', '-f', $file, @$options, $from ], "$about: pg_dump");
	$node->safe_psql('postgres', "CREATE DATABASE $to");
	command_ok([ 'pg_restore', @server, '--exit-on-error', @restore, '-d', $to, $file ], "$about: pg_restore");
	return;
}

# A database with collections that have gone through everything.
sub fill
{
	my ($database, $extension, $schema, $role) = @_;
	my $sql = defined($role) ? "SET ROLE $role;\n" : '';
	$node->safe_psql($database, $sql . qq(
		CREATE SCHEMA IF NOT EXISTS $schema;
		SET search_path = $schema;
		CREATE EXTENSION $extension WITH SCHEMA $schema;
		CREATE SCHEMA app;
		CREATE SCHEMA other;
		SET search_path = app, $schema;
		SELECT proxima.create_collection(name, 3, metric, method, element, options => options::jsonb)
			FROM (VALUES ('docs', 'cosine', 'hnsw', 'vector', '{"m": 8}'), ('notes', 'l2', 'ivf', 'halfvec', '{}'),
				('moved', 'ip', 'hnsw', 'vector', '{}'), ('gone', 'l2', 'hnsw', 'vector', '{}'), ('brief', 'l2', 'hnsw', 'vector', '{}'))
				v (name, metric, method, element, options);
		SELECT proxima.upsert(c.id, ARRAY[gen_random_uuid(), gen_random_uuid()], '{"[0,1,0]","[1,0,0]"}', ARRAY[c.name || ' 1', c.name || ' 2'])
			FROM proxima.collections c;
		DROP TABLE gone;
		ALTER TABLE notes RENAME TO "Odd ""notes""";
		ALTER TABLE moved SET SCHEMA other;
		SELECT proxima.drop_collection('brief');));
	# What changes later, and comes back.
	$node->safe_psql($database, "${sql}CALL proxima.reindex_collection('other.moved', metric => '$_')") for ('l2', 'cosine', 'l2');
	return split(/\n/, $node->safe_psql($database, 'SELECT id FROM proxima.collections ORDER BY name'));
}

my $number = 0;
for my $case (['proxima', 'public'], ['vector', '"Odd ""schema"""'])
{
	my ($extension, $schema) = @$case;
	my $about = "$extension in $schema";
	my $from = 'source' . ++$number;
	$node->safe_psql('postgres', "CREATE DATABASE $from");
	my @ids = fill($from, $extension, $schema);
	is(scalar(@ids), 3, "$about: three collections");
	my $before = answers($from, @ids);
	# One of a dropped table whose OID another has got.
	$node->safe_psql($from, "UPDATE proxima.collection_registry SET relation = 'app.docs' WHERE relation::oid NOT IN (SELECT oid FROM pg_class)
		AND created_at = (SELECT created_at FROM proxima.describe('app.docs'))
		AND id = (SELECT min(id::text)::uuid FROM proxima.collection_registry WHERE relation::oid NOT IN (SELECT oid FROM pg_class))");
	is($node->safe_psql($from, "SELECT count(*), count(*) FILTER (WHERE relation::oid = 'app.docs'::regclass) FROM proxima.collection_registry"),
		'5|2', "$about: and entries of two that are gone");

	dump_and_restore($from, "whole$number", "$about, whole", []);
	is(answers("whole$number", @ids), $before, "$about: the restored collections are the same");
	is($node->safe_psql("whole$number", 'SELECT count(*) FROM proxima.collection_registry'), 3, "$about: and no other");
	is($node->safe_psql("whole$number", 'SELECT metric FROM proxima.collection_metrics WHERE id = (SELECT id FROM proxima.collections
		WHERE name = \'moved\') ORDER BY number'), "ip\nl2\ncosine\nl2", "$about: with the metrics that it has had");
	# The two tables of the registry the other way around, in parallel, and without triggers.
	my $list = $node->basedir . "/list$number";
	my ($listed, $trouble) = run_command([ 'pg_restore', '-l', $node->basedir . "/whole$number.dump" ]);
	my ($metrics, $registry) = map { my $name = $_; grep { /TABLE DATA proxima $name / } split(/\n/, $listed) } ('collection_metrics', 'collection_registry');
	my %other = ($metrics => $registry, $registry => $metrics);
	append_to_file($list, join("\n", map { $other{$_} // $_ } split(/\n/, $listed)) . "\n");
	dump_and_restore($from, "order$number", "$about, in another order", [], '-L', $list, '-j', '2');
	is(answers("order$number", @ids), $before, "$about: also in another order");
	# And again: what was restored is as good as what was made.
	dump_and_restore("whole$number", "again$number", "$about, again", []);
	is(answers("again$number", @ids), $before, "$about: also from the copy");

	dump_and_restore($from, "inserts$number", "$about, as INSERT", ['--inserts']);
	is(answers("inserts$number", @ids), $before, "$about: also by INSERT");

	# Without a table: its entry is skipped, the others are there.
	dump_and_restore($from, "without$number", "$about, without a table", ['--exclude-table', 'app.docs']);
	is($node->safe_psql("without$number", 'SELECT string_agg(name, \' \' ORDER BY name COLLATE "C") FROM proxima.collections'),
		'Odd "notes" moved', "$about: without a table, the others are there");
	is($node->safe_psql("without$number", 'SELECT count(*), (SELECT count(DISTINCT id) FROM proxima.collection_metrics) FROM proxima.collection_registry'),
		'2|2', "$about: and no entry of it");

	# A schema alone, into a database that has the extension: registering keeps the UUIDs.
	my $file = $node->basedir . "/schema$number.dump";
	command_ok([ 'pg_dump', @server, '-Fc', '-f', $file, '-n', 'app', $from ], "$about: pg_dump of a schema");
	$node->safe_psql('postgres', "CREATE DATABASE schema$number");
	$node->safe_psql("schema$number", "CREATE SCHEMA IF NOT EXISTS $schema; CREATE EXTENSION $extension WITH SCHEMA $schema");
	command_ok([ 'pg_restore', @server, '--exit-on-error', '-d', "schema$number", $file ], "$about: pg_restore of a schema");
	my ($docs, $notes, $moved) = map { $node->safe_psql($from, "SELECT id FROM proxima.collections WHERE name LIKE '%$_%'") }
	  ('docs', 'notes', 'moved');
	is($node->safe_psql("schema$number", 'SELECT count(*) FROM proxima.collections'), 0, "$about: not registered by itself");
	is($node->safe_psql("schema$number", "SELECT proxima.register_collection('app.docs'),
		proxima.register_collection('app.\"Odd \"\"notes\"\"\"')"), "$docs|$notes", "$about: registered, with its UUID");
	my $one = "SELECT metric, index_method, dimension, (SELECT string_agg(s.document, ',') FROM proxima.search(d.id, '[0,1,0]', 2) s)
		FROM proxima.describe('$docs') d";
	is($node->safe_psql("schema$number", $one), $node->safe_psql($from, $one), "$about: and it answers the same");
	# A table restored beside the one it comes from gets a UUID of its own.
	$node->safe_psql("schema$number", 'ALTER SCHEMA app RENAME TO first');
	command_ok([ 'pg_restore', @server, '--exit-on-error', '-d', "schema$number", $file ], "$about: pg_restore of a second copy");
	isnt($node->safe_psql("schema$number", "SELECT proxima.register_collection('app.docs')"), $docs, "$about: the copy is another");
	is($node->safe_psql("schema$number", "SELECT schema FROM proxima.describe('$docs')"), 'first', "$about: and leaves the first alone");
}

# The owner of a database, who is no superuser, dumps and restores it.
$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE DATABASE owned OWNER owner');
my @ids = fill('owned', 'proxima', 'public', 'owner');
my $before = answers('owned', @ids);
my $file = $node->basedir . '/owned.dump';
command_ok([ 'pg_dump', @server, '-U', 'owner', '-Fc', '-f', $file, 'owned' ], 'pg_dump by the owner of the database');
$node->safe_psql('postgres', 'CREATE DATABASE restored OWNER owner');
# The comment on the schema public and on extensions are not the owner's to make.
command_ok([ 'pg_restore', @server, '-U', 'owner', '--no-owner', '--no-comments', '--exit-on-error', '-d', 'restored', $file ],
	'pg_restore by the owner of the database');
is(answers('restored', @ids), $before, 'the owner of a database dumps and restores it');

# What the README shows works as it stands there.
my ($chapter) = slurp_file("$FindBin::RealBin/../README.md") =~ /^## Collections\n(.*?)^## /ms;
my ($sql) = $chapter =~ /^```sql\n(.*?)^```/ms;
my @indexes = map { s/\s+/ /gr } $chapter =~ /`(CREATE\s+INDEX[^`]*)`/g;
is(scalar(@indexes), 2, 'the README has two indexes');
$node->safe_psql('postgres', 'CREATE DATABASE readme');
is($node->safe_psql('readme', join(";\n", $sql, @indexes)) =~ s/^[0-9a-f-]{36}$/UUID/mr =~ s/(\.\d{4})\d+/$1/gr, 'UUID
2|0
Metropolis|0.9877
Nosferatu|0.1470
Nosferatu
Metropolis|{"tags": ["city"], "year": 1927}
1
1
films|cosine|hnsw|3', 'the walk-through of the README');

# A replica answers the same.
$node->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('replica')");
$node->backup('copy');
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init_from_backup($node, 'copy', has_streaming => 1);
$replica->append_conf('postgresql.conf', "primary_slot_name = 'replica'");
$replica->start;
$node->wait_for_catchup($replica, 'replay', $node->lsn('insert'));
is($replica->safe_psql('owned', "SELECT proxima.count_rows('$ids[0]'::uuid),
	(SELECT count(*) FROM proxima.search('$ids[0]'::uuid, '[1,1,1]')), (SELECT count(*) FROM proxima.list_collections())"),
	'2|2|3', 'a replica searches, counts and lists');

$replica->stop;
$node->stop;
done_testing();
