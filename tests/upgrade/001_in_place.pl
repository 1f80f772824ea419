# ALTER EXTENSION vector UPDATE turns pgvector into proxima: nothing but functions changes; indexes ask for REINDEX.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use File::Temp 'tempdir';
use Test::More;
use Moving;

my $folder = tempdir(CLEANUP => 1);
my $version = '0.8.1000';

# What must not change: OIDs and files of everything but indexes. The registry of collections is new, with its type.
my $identity = q(
	SELECT 'type', oid, typname::text, 0::oid FROM pg_type WHERE typname ~ '^_?(vector|halfvec|sparsevec)$'
	UNION ALL SELECT 'operator', oid, oid::regoperator::text, oprcode FROM pg_operator WHERE oid >= 16384
	UNION ALL SELECT 'operator class', oid, opcname, opcfamily FROM pg_opclass
		WHERE oid >= 16384 AND opcmethod IN (SELECT oid FROM pg_am WHERE amname <> 'ivf')
	UNION ALL SELECT 'cast', oid, format('%s %s %s', castsource::regtype, casttarget::regtype, castcontext), castfunc
		FROM pg_cast WHERE oid >= 16384
			AND coalesce(to_regtype('proxima.relation')::oid, 0) NOT IN (castsource, casttarget)
	UNION ALL SELECT 'table', oid, relname, relfilenode FROM pg_class WHERE relkind IN ('r', 't', 'm') AND oid >= 16384
		AND oid NOT IN (SELECT unnest(ARRAY[oid, reltoastrelid]) FROM pg_class
			WHERE oid IN (to_regclass('proxima.collection_registry'), to_regclass('proxima.collection_metrics')))
	ORDER BY 1, 2);

pgvector_again();
create_everything('old');
# Every 0.8 of pgvector, whose objects are the same, in several schemas, and one with something in the way.
for my $patch (0 .. 7)
{
	my $schema = ('public', '"Odd schema"', 'proxima')[$patch % 3];
	sql('postgres', "CREATE DATABASE patch$patch");
	sql("patch$patch", "CREATE SCHEMA IF NOT EXISTS $schema", "CREATE EXTENSION vector SCHEMA $schema",
		"ALTER DATABASE patch$patch SET search_path = $schema, public", "SET search_path = $schema", "UPDATE pg_extension SET extversion = '0.8.$patch' WHERE extname = 'vector'",
		"CREATE TABLE t (v vector(3))", "INSERT INTO t VALUES ('[1,2,3]')");
}
# One session that uses pgvector, updates and goes on: both libraries in its process.
sql('postgres', 'CREATE DATABASE same');
sql('same', 'CREATE EXTENSION vector', 'CREATE TABLE t (v vector(3))', "INSERT INTO t VALUES ('[1,2,3]'), ('[4,5,6]')",
	'CREATE INDEX t_hnsw ON t USING hnsw (v vector_l2_ops)',
	'CREATE INDEX t_ivfflat ON t USING ivfflat (v vector_cosine_ops) WITH (lists = 1)');
my $same_session = session('same');
my $by_hnsw = "SELECT v FROM t ORDER BY v <-> '[4,4,4]' LIMIT 1";
my $by_ivfflat = "SELECT v FROM t ORDER BY v <=> '[1,2,4]' LIMIT 1";
ask($same_session, 'SET enable_seqscan = off; SET enable_sort = off; SET hnsw.iterative_scan = relaxed_order');
ask($same_session, "PREPARE by_hnsw AS $by_hnsw; PREPARE by_ivfflat AS $by_ivfflat");
is((ask($same_session, 'EXECUTE by_hnsw; EXECUTE by_ivfflat'))[0], "[4,5,6]\n[1,2,3]\n", 'a session searches by pgvector');
sql('postgres', 'CREATE DATABASE blocked');
sql('blocked', 'CREATE EXTENSION vector', 'CREATE SCHEMA proxima');
is(sql('old', "SELECT extversion FROM pg_extension WHERE extname = 'vector'") =~ /^0\.8\.\d$/, 1, 'pgvector 0.8');
my $exact = exact_answers('old');
my $exact_ivfflat = exact_answers('old', 'ivfflat');
is_deeply(index_answers('old', 'hnsw'), $exact, 'the searches suit: pgvector answers them exactly by index');
my $dump = dump_of('old');
my $sums = binary_sums('old', $folder);
my $oids = sql('old', $identity);

# A session that has pgvector's library and its index open.
my $old_session = session('old');
my $second_session = session('old');
my $nearest = "SELECT count(*) FROM (SELECT id FROM items WHERE v IS NOT NULL ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5) x";
ask($old_session, 'SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 99');
is((ask($old_session, $nearest))[0], "5\n", 'an old session searches by pgvector');
my $nearest_bits = "SELECT count(*) FROM (SELECT id FROM items WHERE b IS NOT NULL ORDER BY b <~> B'10110100' LIMIT 5) x";
ask($second_session, 'SET enable_seqscan = off; SET enable_sort = off; SET ivfflat.probes = 5');
ask($second_session, "PREPARE near AS $nearest_bits");
is((ask($second_session, 'EXECUTE near'))[0], "5\n", 'another one by a prepared statement');

# Installing.
my ($status, $out, $err) = install_as_vector('');
isnt($status, 0, 'installing over pgvector is refused');
like($err, qr/FORCE=1/, 'with a way forward');
is(sql('postgres', "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'") =~ /^0\.8\.\d$/, 1,
	'pgvector is still there');
($status, $out, $err) = install_as_vector(1);
is($status, 0, 'FORCE=1 installs') or diag($err);
is_deeply(index_answers('old', 'hnsw'), $exact, 'the database goes on with pgvector until its update');

# The update.
($status, $out, $err) = try_sql('old', 'ALTER EXTENSION vector UPDATE');
is($status, 0, 'ALTER EXTENSION vector UPDATE') or diag($err);
like($err, qr/WARNING:  indexes that pgvector has built cannot be read by proxima\nHINT:  REINDEX/, 'it warns about indexes');
is(sql('old', "SELECT extversion, extrelocatable FROM pg_extension WHERE extname = 'vector'"), "$version|f", 'the version');
is(sql('old', q(SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p JOIN pg_depend d
	ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'vector'
	WHERE probin IS DISTINCT FROM '$libdir/proxima' AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c'))), '',
	'no function is left with pgvector');
is(sql('old', $identity), $oids, 'types, operators, operator classes, casts and tables keep OIDs and files');
my $registry = qr/^--\n-- Data for Name: (collection_\w+); .*\n--\n\nCOPY proxima\.\1 .* FROM stdin;\n\\\.\n\n\n/m;
my $dump_after = dump_of('old');
is($dump_after =~ s/$registry//g, 2, 'the dump has an empty registry of collections');
ok($dump_after eq $dump, 'and is the same otherwise');
is_deeply(binary_sums('old', $folder), $sums, 'every value is the same, byte for byte');
is_deeply(exact_answers('old'), $exact, 'exact searches answer the same');
is(sql('old', 'SET enable_seqscan = off',
		'SELECT id FROM items WHERE v = (SELECT v FROM items WHERE id = 17)'), 17, 'btree indexes go on');

# Until REINDEX.
for my $index ('items_hnsw_v_l2', 'items_hnsw_b_jaccard', 'items_ivfflat_v_l2', 'items_ivfflat_h_cosine')
{
	my ($method, $column, $class) = $index =~ /items_(\w+)_(\w)_(\w+)/;
	my $query = $column eq 'b' ? "B'10110100'" : "'[1,1,1,1,1,1,1,1]'";
	# This index alone.
	my $others = join(', ', grep { /^items_/ && $_ ne $index } index_names('old', 'hnsw', 'ivfflat'));
	($status, $out, $err) = try_sql('old', 'BEGIN', "DROP INDEX $others", 'SET LOCAL enable_seqscan = off',
		'SET LOCAL enable_sort = off', "SELECT id FROM items ORDER BY $column $Moving::operators{$class} $query LIMIT 5");
	like($err, qr/ERROR:  index "$index" contains a page of another format at block 0\nHINT:  Please REINDEX it\./,
		"$index: a search asks for REINDEX");
	($status, $out, $err) = try_sql('old', 'BEGIN', "DROP INDEX $others", 'INSERT INTO items (id, v, h, b)
		SELECT 2000, v, h, b FROM (SELECT v + v AS v, h, b FROM items WHERE id = 3) x');
	like($err, qr/ERROR:  index "$index" contains a page of another format at block 0\nHINT:  Please REINDEX it\./,
		"$index: an insert too");
}
($status, $out, $err) = try_sql('old', 'INSERT INTO items (id) VALUES (3000)', 'DELETE FROM items WHERE id = 3000',
	'VACUUM items');
is($status, 0, 'VACUUM goes on') or diag($err);
like($err, qr/WARNING/, 'with a warning');
($status, $out, $err) = try_sql('old', 'VACUUM (ANALYZE, PARALLEL 2) wide', 'ANALYZE items');
is($status, 0, 'ANALYZE goes on') or diag($err);

# The old session: both libraries in one process.
($out, $err) = ask($old_session, $nearest);
ok($out eq "5\n" || $err =~ /page of another format at block 0.*Please REINDEX it/s,
	'an old session answers or says what is wrong') or diag("$out$err");
($out, $err) = ask($second_session, 'EXECUTE near');
ok($out eq "5\n" || $err =~ /page of another format at block 0.*Please REINDEX it/s, 'so does the other')
	or diag("$out$err");
is((ask($old_session, 'SHOW hnsw.ef_search'))[0], "99\n", 'and keeps its settings');
is((ask($old_session, 'SELECT vector_dims(v + v) FROM items WHERE id = 5'))[0], "$Moving::dim\n", 'and calls functions');
is(sql('old', 'SELECT 1'), 1, 'the server is up');

# REINDEX.
sql('old', 'REINDEX DATABASE CONCURRENTLY old');
is_deeply(index_answers('old', 'hnsw'), $exact, 'after REINDEX, hnsw answers exactly');
is_deeply(index_answers('old', 'ivfflat'), $exact_ivfflat, 'after REINDEX, ivfflat answers exactly');
for my $index (grep { !/^parts_v$/ } index_names('old', 'hnsw'))
{
	is(sql('old', "SELECT proxima.check_index('$index') ->> 'sound'"), 'true', "$index is sound");
}
is_deeply(binary_sums('old', $folder), $sums, 'still every value is the same');
ok(dump_of('old', '--exclude-schema=proxima') eq $dump, 'and the dump, but for the registry');
sql('old', 'INSERT INTO items (id, v, h, s, b) SELECT id + 5000, v + v, h, s, b FROM items WHERE id <= 20',
	'UPDATE items SET h = h + h WHERE id <= 20', 'DELETE FROM items WHERE id > 5000', 'VACUUM items');
($out, $err) = ask($old_session, $nearest);
is($out, "5\n", 'the old session searches by the new index') or diag($err);
is((ask($second_session, 'EXECUTE near'))[0], "5\n", 'the other searches by the new index');
($out, $err) = ask($old_session, "INSERT INTO items (id, v) VALUES (7000, '[50,50,50,50,50,50,50,50]')");
is($err, '', 'the old session inserts');
is(sql('old', 'SET enable_seqscan = off', 'SET enable_sort = off',
		"SELECT id FROM items WHERE v IS NOT NULL ORDER BY v <-> '[50,50,50,50,50,50,50,50]' LIMIT 1"), 7000,
	'and new sessions find the row by index');
is((ask($old_session, 'VACUUM items'))[1], '', 'it vacuums');
is(sql('old', "SELECT proxima.check_index('items_hnsw_v_l2') ->> 'sound'"), 'true', 'and leaves the index sound');
is(sql('old', 'SELECT count(*) FROM match(embed(5000)::vector)'), 5, 'functions and views of the database go on');

# A session that preloads pgvector's library, as a server's configuration may go on doing.
{
	local $ENV{PGOPTIONS} = '-c session_preload_libraries=vector';
	is(sql('old', 'SET hnsw.ef_search = 321', 'SET enable_seqscan = off', 'SET enable_sort = off', $nearest,
			'SHOW hnsw.ef_search'), "5\n321", 'pgvector preloaded: its settings are taken over');
}

# The same objects as those of a new database; but hnsw has no default operator class.
my $objects = q(
	SELECT pg_describe_object(classid, objid, 0) || coalesce(': ' || obj_description(objid, classid::regclass::name), '')
		|| coalesce((SELECT format(' %s %s %s %s %s', prosrc, probin, provolatile, proparallel, proisstrict)
			FROM pg_proc WHERE oid = objid AND classid = 'pg_proc'::regclass), '')
	FROM pg_depend JOIN pg_extension e ON refobjid = e.oid AND extname = 'vector'
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' ORDER BY 1);
sql('postgres', 'CREATE DATABASE new');
sql('new', 'CREATE EXTENSION vector');
is_deeply([ split(/\n/, sql('old', $objects)) ], [ split(/\n/, sql('new', $objects)) ], 'the objects of a new database');
my $defaults = "SELECT opcname, amname FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
	WHERE opcdefault AND c.oid >= 16384 ORDER BY 1, 2";
is(sql('new', $defaults) =~ s/vector_l2_ops\|hnsw\n//r, sql('old', $defaults), 'and their defaults, but that of hnsw');

for my $patch (0 .. 7)
{
	($status, $out, $err) = try_sql("patch$patch", 'ALTER EXTENSION vector UPDATE',
		'CREATE INDEX ON t USING hnsw (v vector_l2_ops)', 'SELECT v FROM t',
		"SELECT extversion FROM pg_extension WHERE extname = 'vector'");
	is($out, "[1,2,3]\n$version\n", "from 0.8.$patch") or diag($err);
	is(sql("patch$patch", 'SELECT length(proxima.simd_tier()) > 0'), 't', 'with functions of our own');
}
($out, $err) = ask($same_session, 'ALTER EXTENSION vector UPDATE; REINDEX TABLE t; EXECUTE by_hnsw; EXECUTE by_ivfflat');
is($out, "[4,5,6]\n[1,2,3]\n", 'the session that updates goes on') or diag($err);
is((ask($same_session, "INSERT INTO t VALUES ('[4,4,4]'); EXECUTE by_hnsw; SHOW hnsw.iterative_scan"))[0],
	"[4,4,4]\nrelaxed_order\n", 'and inserts, and keeps its settings');
($status, $out, $err) = try_sql('blocked', 'ALTER EXTENSION vector UPDATE');
like($err, qr/ERROR:  vector cannot be updated: schema proxima already exists in this database\nHINT/, 'a schema in the way');
is(sql('blocked', "SELECT probin FROM pg_proc WHERE proname = 'vector_in'"), '$libdir/vector', 'and nothing has changed');

done_testing();
