-- Collections: every function, by UUID and by name, and what they refuse.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
-- A function that says what went wrong, for calls that return something else each time.
CREATE FUNCTION try(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE || ' ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END
$$;
CREATE FUNCTION id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;

-- Made
SELECT proxima.create_collection('docs', 3) AS docs \gset
SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid) AS default
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'docs'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'docs'::regclass ORDER BY 1;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'docs'::regclass AND contype <> 'n' ORDER BY 1;
SELECT replace(pg_get_triggerdef(oid), :'docs', 'UUID') FROM pg_trigger WHERE tgrelid = 'docs'::regclass;
SELECT obj_description('docs'::regclass);
SELECT schema, name, owner, element, dimension, metric, index_method, index, options, rows, pending_rows, segments, last_flush
FROM proxima.list_collections();
SELECT id = :'docs' AS same, name FROM proxima.describe('docs');
SELECT id = :'docs' AS same, name FROM proxima.describe(:'docs');
SELECT id = :'docs' AS same, name FROM proxima.describe(:'docs'::uuid);
SELECT name FROM proxima.describe('public.docs');
SELECT name FROM proxima.describe('DOCS');

-- Rows
SELECT * FROM proxima.upsert('docs', ARRAY[id(1), id(2), id(3)], '{"[1,0,0]","[0,1,0]","[0,0,1]"}',
	'{one,two,three}', ARRAY['{"year": 2001, "tags": ["a", "b"]}', '{"year": 2002, "sub": {"x": 1}}', NULL]::jsonb[]);
SELECT * FROM proxima.upsert(:'docs'::uuid, ARRAY[id(3), id(4)], '{"[0,0,2]","[1,1,0]"}');
SELECT id, document, metadata, embedding, created_at <= updated_at AS times FROM proxima.get('docs', with_vectors => true);
SELECT id, document, embedding FROM proxima.get('docs', ARRAY[id(4), id(9), id(1)]);
SELECT id FROM proxima.get('docs', ARRAY[id(3), NULL, id(1), id(3), id(2)]);
SELECT id FROM proxima.get('docs', ARRAY[id(3), id(1), id(2)], '{"year": {"$exists": true}}', max_rows => 1);
SELECT id FROM proxima.get('docs', '{}');
SELECT id FROM proxima.get('docs', filter => '{"year": {"$exists": true}}', max_rows => 1);
SELECT id FROM proxima.get(:'docs', ARRAY[id(1), id(2)], '{"year": 2002}');
SELECT proxima.upsert_one('docs', id(5), '[1,1,1]', 'five', '{"year": 2005}');
SELECT proxima.upsert_one(:'docs'::uuid, id(5), '[1,1,1]');
SELECT document, metadata FROM proxima.get('docs', ARRAY[id(5)]);
SELECT proxima.upsert_one('docs', NULL, '[9,9,9]', 'made') AS made \gset
SELECT document FROM proxima.get('docs', ARRAY[:'made'::uuid]);
SELECT proxima.add('docs', '{"[8,8,8]","[7,7,7]"}', '{eight,seven}') AS ids \gset
SELECT document FROM proxima.get('docs', :'ids');
SELECT proxima.count_rows('docs'), proxima.count_rows(:'docs'), proxima.count_rows(:'docs'::uuid, '{"year": {"$gte": 2002}}');
SELECT proxima.delete('docs', ARRAY[id(5), id(6)]), proxima.delete(:'docs'::uuid, filter => '{"year": {"$exists": false}}');
SELECT proxima.count_rows('docs');
-- In one transaction, the time of an update is that of the transaction
SELECT bool_and(updated_at > created_at) FROM proxima.get('docs', ARRAY[id(1)]);
SELECT proxima.upsert_one('docs', id(1), '[1,0,0]', 'one', '{"year": 2001, "tags": ["a", "b"]}');
SELECT bool_and(updated_at > created_at) FROM proxima.get('docs', ARRAY[id(1)]);
-- An upsert within a statement that writes, and with a trigger that wants search_path
CREATE TABLE audit (id uuid, what text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (NEW.id, TG_OP);
	RETURN NEW;
END
$$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION audit();
SELECT * FROM proxima.upsert('docs', ARRAY[id(1), id(3)], '{"[1,0,0]","[0,0,1]"}', '{one,three}',
	ARRAY['{"year": 2001, "tags": ["a", "b"]}', '{"year": "2003"}']::jsonb[]);
SELECT * FROM audit ORDER BY id, what;
DROP TRIGGER audit ON docs;
DROP TABLE audit;
DROP FUNCTION audit;

-- Searches, per metric: distances and scores
SELECT id, distance, score, document, metadata, embedding FROM proxima.search('docs', '[1,0.5,0]', 2);
SELECT id, document, embedding FROM proxima.search(:'docs', '[1,0.5,0]', 2, with_vectors => true);
SELECT id FROM proxima.search(:'docs'::uuid, '[1,0.5,0]', 5, '{"year": {"$gt": 2001}}');
SELECT query, id FROM proxima.search_batch('docs', '{"[0,0,1]","[0,1,0]"}', 1);
SELECT query, id FROM proxima.search_batch(:'docs'::uuid, '{}', 1);
SELECT m AS metric, method, element, proxima.create_collection('metric_' || m, 2, m, method, element) IS NOT NULL AS made
FROM (VALUES ('cosine', 'ivf', 'halfvec'), ('l2', 'ivfflat', 'vector'), ('ip', 'hnsw', 'halfvec'), ('l1', 'hnsw', 'vector'))
	v (m, method, element);
SELECT cardinality(proxima.add('metric_' || m, '{"[3,4]","[0,2]"}')) AS added FROM unnest('{cosine,l2,ip,l1}'::text[]) m;
SELECT m, distance::numeric(6, 4), score::numeric(6, 4), embedding
FROM unnest('{cosine,l2,ip,l1}'::text[]) WITH ORDINALITY m (m, at), proxima.search('metric_' || m, '[3,4]', with_vectors => true) s
ORDER BY at, distance;
SELECT name, element, dimension, metric, index_method, index FROM proxima.collections ORDER BY name;
-- The effort is set for the search alone, and is not set afterwards
SHOW hnsw.ef_search;
SELECT count(*) FROM proxima.search('docs', '[1,0.5,0]', 2, ef => 77);
SHOW hnsw.ef_search;
SELECT source FROM pg_settings WHERE name = 'hnsw.ef_search';
SELECT count(*) FROM proxima.search_batch('metric_l2', '{"[1,1]"}', 2, ef => 7), proxima.search('metric_cosine', '[1,1]', 2, ef => 7);
SELECT name, source FROM pg_settings WHERE name IN ('ivf.probes', 'ivfflat.probes', 'jit') AND source = 'session';

-- By the index
SELECT proxima.create_collection('big', 70, options => '{"m": 8, "ef_construction": "40"}') AS big \gset
SELECT options FROM proxima.describe('big');
CREATE FUNCTION embed(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS
$$ SELECT array_agg((hashint4extended(n * 100 + d, 1) % 1000)::int ORDER BY d)::vector FROM generate_series(1, 70) d $$;
SELECT * FROM proxima.upsert('big', ARRAY(SELECT id(n) FROM generate_series(1, 3000) n ORDER BY n),
	ARRAY(SELECT embed(n) FROM generate_series(1, 3000) n ORDER BY n), NULL,
	ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 3000) n ORDER BY n));
ANALYZE big;
SELECT proxima.flush('big') - 'pages' AS flush, proxima.flush(:'big'::uuid) - 'pages' AS again,
	proxima.flush('big_embedding_idx') - 'pages' AS by_index;
SELECT proxima.merge('big') ->> 'rows' AS merged, proxima.merge(:'big'::uuid) ->> 'rows' AS again;
SELECT proxima.stats('big') -> 'rows' AS rows, proxima.stats(:'big'::uuid) = proxima.index_stats('big_embedding_idx') AS same,
	proxima.stats('big_embedding_idx') -> 'pending' -> 'rows' AS pending;
SELECT pending_rows, segments, last_flush >= date_trunc('second', created_at) AS flushed FROM proxima.describe('big');
SELECT proxima.recall('big') BETWEEN 0.9 AND 1 AS recall, proxima.recall(:'big'::uuid, 5, 3) BETWEEN 0.6 AND 1 AS other;
SHOW enable_seqscan;
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
SELECT pg_stat_get_xact_numscans('big_embedding_idx'::regclass) AS before \gset
SELECT count(*) FROM proxima.search('big', embed(1)), proxima.search_batch('big', ARRAY[embed(2), embed(3)], 10, '{"n": {"$gt": 5}}');
SELECT pg_stat_get_xact_numscans('big_embedding_idx'::regclass) - :before AS scans;
COMMIT;
-- Filters by indexes on metadata
CREATE INDEX ON big USING gin (metadata jsonb_path_ops);
CREATE INDEX ON big ((metadata -> 'n'));
ANALYZE big;
SELECT proxima.filter_sql('{"n": {"$in": [5, 7]}}') AS f \gset
EXPLAIN (COSTS off) SELECT id FROM big WHERE :f;
SELECT proxima.filter_sql('{"n": {"$lt": 5}}') AS f \gset
EXPLAIN (COSTS off) SELECT id FROM big WHERE :f;
SELECT proxima.count_rows('big', '{"n": {"$in": [5, 7, 0]}}'), proxima.count_rows('big', '{"n": {"$lt": 5}}');

-- Another index and another metric, statement by statement, as a client runs them
SELECT proxima.reindex_statements('big', 'ivf', options => '{"bits": 8}');
SELECT proxima.reindex_statements('big', 'ivf', options => '{"bits": 8}') \gexec
SELECT index_method, metric, options, index FROM proxima.describe('big');
SELECT proxima.recall('big', 20, 5) BETWEEN 0.8 AND 1 AS recall;
SELECT proxima.reindex_statements(:'big'::uuid, 'hnsw', 'ip');
-- One that fails half-way leaves an invalid index, which the next call drops
CREATE INDEX big_left ON big USING hnsw (embedding vector_ip_ops);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'big_left'::regclass;
SELECT proxima.reindex_statements('big', 'hnsw', 'ip');
SELECT statement FROM proxima.reindex_statements('big', 'hnsw', 'ip') statement WHERE statement NOT LIKE '%register%' \gexec
SELECT proxima.register_collection('big', 'ip') = :'big' AS same;
SELECT index_method, metric, options, index FROM proxima.describe('big');
SELECT obj_description('big'::regclass);
SELECT id, distance = embedding <#> embed(3) AS by_metric FROM proxima.search('big', embed(3), 1, with_vectors => true);
SELECT proxima.reindex_statements('big', metric => 'cosine') AS statement INTO statements;
SELECT count(*) FROM statements;
DROP TABLE statements;

-- The same by CALL
CALL proxima.reindex_collection('big', 'ivf', 'l2', '{"bits": 4}');
SELECT index_method, metric, options, index FROM proxima.describe('big');
CALL proxima.reindex_collection(:'big'::uuid, metric => 'ip', index_method => 'hnsw');
SELECT index_method, metric, options, index FROM proxima.describe('big');
SELECT obj_description('big'::regclass);
COMMENT ON TABLE big IS 'mine';
SELECT statement FROM proxima.reindex_statements('big', metric => 'l2') statement WHERE statement LIKE 'COMMENT%';
CALL proxima.reindex_collection('big', 'btree');
CALL proxima.reindex_collection('big', metric => 'x');
CALL proxima.reindex_collection('big', 'ivf', 'l1');
CALL proxima.reindex_collection('big', options => '[]');
CALL proxima.reindex_collection('big', options => '{"m": 1}');
CALL proxima.reindex_collection('missing');
CALL proxima.reindex_collection('pg_class');
CALL proxima.reindex_collection('00000000-0000-0000-0000-000000000000');
CALL proxima.reindex_collection(NULL::uuid);
CALL proxima.reindex_collection(NULL::text);
BEGIN;
CALL proxima.reindex_collection('big');
ROLLBACK;
SET default_transaction_read_only = on;
CALL proxima.reindex_collection('big');
RESET default_transaction_read_only;
SELECT index_method, metric, options, index FROM proxima.describe('big');

-- Names
SELECT proxima.rename_collection('docs', '"My ""docs"""');
SELECT proxima.count_rows('"My ""docs"""'), proxima.count_rows(:'docs');
SELECT try($$SELECT proxima.count_rows('docs')$$), try($$SELECT proxima.count_rows('My docs')$$);
ALTER TABLE "My ""docs""" RENAME TO docs;
CREATE SCHEMA "Odd schema";
ALTER TABLE docs SET SCHEMA "Odd schema";
SELECT proxima.count_rows('"Odd schema".docs'), proxima.count_rows(:'docs');
SELECT schema, name FROM proxima.describe(:'docs');
SET search_path = "Odd schema", public;
SELECT proxima.count_rows('docs');
SELECT proxima.create_collection('here', 2) IS NOT NULL AS made, proxima.create_collection('there', 2, schema => 'public') IS NOT NULL AS made,
	proxima.create_collection('public.elsewhere', 2) IS NOT NULL AS made;
SELECT schema, name FROM proxima.collections WHERE name IN ('here', 'there', 'elsewhere') ORDER BY name;
SET search_path = '';
SELECT public.try($$SELECT proxima.create_collection('nowhere', 2)$$);
SELECT document, distance FROM proxima.search('"Odd schema".docs', '[0,1,0]'::public.vector, 1);
SELECT proxima.recall('public.big', 1, 1);
RESET search_path;

-- With the schema in search_path, PostgreSQL's functions are still PostgreSQL's
SELECT string_agg(DISTINCT p.proname, ', ') FROM pg_proc p JOIN pg_proc q USING (proname)
WHERE p.pronamespace = 'proxima'::regnamespace AND q.pronamespace = 'pg_catalog'::regnamespace;

-- Dropped, by API and by hand
SELECT proxima.drop_collection('there');
SELECT proxima.drop_collection('"Odd schema".here'), proxima.drop_collection('public.elsewhere');
SELECT id AS gone FROM proxima.describe('metric_l1') \gset
DROP TABLE metric_l1;
SELECT try(format('SELECT proxima.count_rows(%L::uuid)', :'gone')) = format('42P01 collection "%s" does not exist', :'gone') AS same;
SELECT try($$SELECT proxima.count_rows('metric_l1')$$);
SELECT count(*) FROM proxima.collections WHERE id = :'gone';
SELECT count(*) FROM proxima.collection_registry WHERE id = :'gone';
-- Another table with its OID is not taken for it, and can become a collection; the entry stays
CREATE TABLE other (id uuid PRIMARY KEY, embedding vector(2) NOT NULL, document text, metadata jsonb NOT NULL, updated_at timestamptz NOT NULL);
CREATE INDEX ON other USING ivf (embedding vector_ip_ops);
UPDATE proxima.collection_registry SET relation = 'other' WHERE id = :'gone';
UPDATE proxima.collection_metrics SET relation = 'other' WHERE id = :'gone';
SELECT count(*) FROM proxima.collections WHERE id = :'gone';
SELECT try(format('SELECT proxima.drop_collection(%L::uuid)', :'gone')) = format('42P01 collection "%s" does not exist', :'gone') AS same;
SELECT try($$SELECT proxima.count_rows('other')$$);
SELECT proxima.register_collection('other') AS other \gset
SELECT :'other' <> :'gone' AS differs, name, metric, index_method FROM proxima.describe('other');
SELECT proxima.register_collection('other') = :'other' AS same;
SELECT id = :'gone' AS gone, id = :'other' AS other FROM proxima.collection_registry WHERE relation::oid = 'other'::regclass ORDER BY created_at;
SELECT count(*), bool_and(id = :'other') AS other FROM proxima.collections WHERE name = 'other';
SELECT try(format('SELECT proxima.count_rows(%L::uuid)', :'gone')) = format('42P01 collection "%s" does not exist', :'gone') AS same;
SELECT proxima.count_rows('other'), proxima.count_rows(:'other'::uuid);
-- However many there are, by UUID and by name it is a look-up in an index
INSERT INTO proxima.collection_registry (id, relation) SELECT id(n), 'other'::regclass::oid FROM generate_series(1, 3000) n;
INSERT INTO proxima.collection_metrics SELECT id(n), 'other'::regclass::oid, 1, 'l1' FROM generate_series(1, 3000) n;
ANALYZE proxima.collection_registry, proxima.collection_metrics;
\c -
SET client_min_messages = warning;
BEGIN;
SELECT proxima.count_rows('other') FROM generate_series(1, 10);
SELECT proxima.count_rows(:'other'::uuid) FROM generate_series(1, 10);
SELECT c.relname, pg_stat_get_xact_numscans(c.oid) >= 20 AS scanned, pg_stat_get_xact_tuples_returned(c.oid) <= 100 AS few_rows
FROM pg_class c WHERE c.relnamespace = 'proxima'::regnamespace AND c.relname ~ '^collection_(registry|metrics)' AND relkind IN ('r', 'i') ORDER BY 1;
COMMIT;
SELECT name, metric FROM proxima.list_collections() WHERE name IN ('big', 'other') ORDER BY name;
DELETE FROM proxima.collection_registry WHERE id <= id(3000);
DELETE FROM proxima.collection_metrics WHERE id <= id(3000);
-- The metric that counts is the last one of this UUID and this table
SELECT number, metric FROM proxima.collection_metrics WHERE id = :'other' ORDER BY number;
SELECT proxima.register_collection('other', 'ip') = :'other' AS same, proxima.register_collection('other', 'l2') = :'other' AS same,
	proxima.register_collection('other', 'l2') = :'other' AS same;
INSERT INTO proxima.collection_metrics VALUES (:'other', 'big', 9, 'cosine'), (:'gone', 'other', 9, 'cosine');
SELECT number, metric FROM proxima.collection_metrics WHERE id = :'other' AND relation::oid = 'other'::regclass ORDER BY number;
SELECT metric, created_at = (SELECT created_at FROM proxima.collection_registry WHERE id = :'other') AS since FROM proxima.describe('other');
SELECT proxima.register_collection('other', 'ip') = :'other' AS same;
SELECT metric FROM proxima.describe('other');
-- An entry without a metric is none, until it is registered again
DELETE FROM proxima.collection_metrics WHERE id = :'other';
SELECT try($$SELECT proxima.count_rows('other')$$), try(format('SELECT proxima.count_rows(%L::uuid)', :'other')) ~ 'does not exist' AS gone;
SELECT proxima.register_collection('other') = :'other' AS same;
SELECT metric FROM proxima.describe('other');
-- Whatever else is a trigger of that name: no collection, and no error
CREATE FUNCTION proxima_collection() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE odd (LIKE other INCLUDING ALL);
SELECT format('CREATE OR REPLACE TRIGGER proxima_collection BEFORE UPDATE ON odd FOR EACH ROW EXECUTE FUNCTION %s', call) AS sql,
	format($$SELECT %L AS call, count(*), count(*) FILTER (WHERE name = 'odd') AS odd, try('SELECT proxima.count_rows(''odd'')') FROM proxima.collections$$, call) AS list
FROM unnest(ARRAY['proxima.collection_row()', $$proxima.collection_row('x')$$, $$proxima.collection_row('\000')$$, $$proxima.collection_row('00000000-0000-0000-0000-000000000001', '')$$,
	$$proxima.collection_row('00000000-0000-0000-0000-00000000000A')$$, $$proxima.collection_row('00000000-0000-0000-0000-000000000001x000')$$,
	$$proxima.collection_row(E'\n00000000-0000-0000-0000-000000000001')$$, $$proxima.collection_row('00000000-0000-0000-0000-000000000001')$$]) call
\gexec
SELECT replace(call, :'other', 'UUID') AS call, try(call) FROM unnest(ARRAY[format('CREATE OR REPLACE TRIGGER proxima_collection BEFORE UPDATE ON odd FOR EACH ROW EXECUTE FUNCTION proxima_collection(%L)', :'other'),
	format('CREATE OR REPLACE TRIGGER proxima_collection BEFORE UPDATE ON odd FOR EACH ROW EXECUTE FUNCTION proxima.collection_row(%L)', :'other')]) call;
SELECT try($$SELECT proxima.count_rows('odd')$$);
SELECT proxima.register_collection('odd') NOT IN (:'other', :'gone') AS own;
SELECT name FROM proxima.describe(:'other');
DROP TABLE odd;
DROP FUNCTION proxima_collection;
-- The UUID of a table's trigger is kept, unless another table has it
DELETE FROM proxima.collection_registry WHERE id = :'other';
SELECT proxima.register_collection('other', 'l2') = :'other' AS same;
CREATE TABLE copy (LIKE other INCLUDING ALL);
CREATE TRIGGER proxima_collection BEFORE UPDATE ON copy FOR EACH ROW EXECUTE FUNCTION proxima.collection_row(:'other');
SELECT proxima.register_collection('copy') = :'other' AS same;

-- A table that was dropped and restored
SELECT id AS dropped FROM proxima.describe('metric_ip') \gset
DROP TABLE metric_ip;
CREATE TABLE metric_ip (LIKE other INCLUDING ALL);
CREATE TRIGGER proxima_collection BEFORE UPDATE ON metric_ip FOR EACH ROW EXECUTE FUNCTION proxima.collection_row(:'dropped');
SELECT proxima.register_collection('metric_ip') = :'dropped' AS same;

-- What is refused
SELECT call, try('SELECT proxima.create_collection(' || call || ')') FROM unnest(ARRAY[
	$$'bad', 0$$, $$'bad', 16001$$, $$'bad', NULL$$, $$'bad', 3, 'manhattan'$$, $$'bad', 3, NULL$$, $$'bad', 3, 'l2', 'btree'$$,
	$$'bad', 3, 'l1', 'ivf'$$, $$'bad', 3, element => 'bit'$$, $$'my-docs', 3$$, $$'a.b.c', 3$$, $$NULL, 3$$, $$'', 3$$, $$'""', 3$$,
	$$'bad', 3, schema => 'missing'$$, $$'public.bad', 3, schema => 'public'$$, $$'big', 3$$, $$'bad', 3, schema => 'pg_temp'$$,
	$$'x' || repeat('x', 63), 3$$, $$'bad"; DROP TABLE big; --', 3$$, $$'bad', 3, options => '{"M": 8}'$$,
	$$'bad', 3, options => '{"m": null}'$$, $$'bad', 3, options => '{"lists": 8}'$$, $$'bad', 3, options => '[1]'$$,
	$$'bad', 3, options => '{"m=8) --": 1}'$$, $$'bad', 3, options => '{"m": "8); DROP TABLE big"}'$$, $$'bad', 3, 'l2', 'ivf', options => '{"rerank": "x"}'$$
	]) call;
SELECT call, try('SELECT proxima.' || call) FROM unnest(ARRAY[
	$$upsert('big', NULL, '{}')$$, $$upsert('big', '{}', NULL)$$, $$upsert('big', ARRAY[id(1)], '{"[1,2]"}')$$,
	$$upsert('big', ARRAY[id(1), id(2)], ARRAY[embed(1), NULL])$$, $$upsert('big', ARRAY[id(1), NULL], ARRAY[embed(1), embed(2)])$$,
	$$upsert('big', ARRAY[id(1), id(2), id(1)], ARRAY[embed(1), embed(2), embed(1)])$$, $$upsert('big', ARRAY[id(1)], ARRAY[embed(1), embed(2)])$$,
	$$upsert('big', ARRAY[id(1)], ARRAY[embed(1)], '{a,b}')$$, $$add('big', ARRAY[embed(1)], NULL, '{}')$$, $$add('big', NULL)$$,
	$$upsert('big', ARRAY[id(1)], ARRAY[embed(1)], NULL, ARRAY['[1]']::jsonb[])$$, $$upsert_one('big', NULL, '[NaN]')$$,
	$$upsert_one('big', NULL, NULL)$$, $$add('missing', '{}')$$, $$upsert('metric_cosine', ARRAY[id(1), id(2)], '{"[1,65519]","[3,-70000]"}')$$,
	$$add('metric_cosine', '{"[1,65520]"}')$$, $$search('metric_cosine', '[1e9,0]')$$, $$search_batch('metric_cosine', '{"[1,0]","[1e9,0]"}')$$,
	$$search('big', '[1,2]')$$, $$search('big', NULL)$$, $$search('big', embed(1), 0)$$, $$search('big', embed(1), NULL)$$,
	$$search('big', embed(1), ef => 0)$$, $$search('big', embed(1), filter => '{"a": {"$like": 1}}')$$, $$search(NULL::text, embed(1))$$,
	$$search_batch('big', ARRAY[embed(1), '[1]'])$$, $$search_batch('big', NULL)$$, $$search_batch('big', ARRAY[embed(1), NULL])$$,
	$$delete('big')$$, $$delete('big', filter => '{}')$$, $$delete('big', ARRAY[id(1)], everything => true)$$, $$delete('big', filter => '[]')$$,
	$$count_rows('big', '{"a": [1]}')$$, $$count_rows('pg_class')$$, $$count_rows('big_embedding_idx')$$, $$recall('big', 0)$$, $$recall('big', 1, NULL)$$,
	$$flush('missing')$$, $$stats('copy')$$, $$flush('big_pkey')$$, $$rename_collection('big', 'a.b')$$, $$rename_collection('big', 'copy')$$,
	$$rename_collection('big', NULL)$$, $$register_collection('audit_missing')$$, $$register_collection('pg_class')$$, $$register_collection(NULL)$$,
	$$register_collection('proxima.collections')$$, $$register_collection('copy', 'x')$$, $$reindex_statements('big', 'btree')$$, $$reindex_statements('big', metric => 'x')$$
	]) call;
-- Nothing of it was written
SELECT proxima.count_rows('big');
SELECT proxima.delete('big', everything => true), proxima.count_rows('big');
SELECT proxima.recall('big') IS NULL AS no_rows;

SELECT proxima.drop_collection(id) FROM proxima.collections;
SELECT count(*) FROM proxima.collection_registry;
DROP SCHEMA "Odd schema";
DROP FUNCTION try, id, embed;
