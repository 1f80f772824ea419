-- Collections: nobody gets at rows of others, whichever function is asked.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION try(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE FUNCTION tenant(n int) RETURNS name LANGUAGE sql IMMUTABLE AS $$ SELECT ('regress_proxima_tenant' || n)::name $$;
-- Row "no" of tenant "n"
CREATE FUNCTION id(n int, no int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad((n * 1000 + no)::text, 32, '0')::uuid $$;
-- Rows of all tenants are near to each other
CREATE FUNCTION embed(n int, no int) RETURNS vector LANGUAGE sql IMMUTABLE AS
$$ SELECT array_agg(d * no % 7 + n / 100.0 ORDER BY d)::vector FROM generate_series(1, 70) d $$;
CREATE ROLE regress_proxima_keeper;
SELECT count(*) FROM generate_series(1, 10) n, LATERAL (SELECT try(format('CREATE ROLE %I', tenant(n)))) t;
GRANT CREATE ON SCHEMA public TO regress_proxima_keeper;

-- Ten tenants in one collection
SET ROLE regress_proxima_keeper;
SELECT proxima.create_collection('shared', 70) AS shared \gset
SELECT owner FROM proxima.describe('shared');
ALTER TABLE shared ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shared USING (metadata ->> 'tenant' = current_user) WITH CHECK (metadata ->> 'tenant' = current_user);
SELECT count(try(format('GRANT SELECT, INSERT, UPDATE, DELETE ON shared TO %I', tenant(n)))) FROM generate_series(1, 10) n;
RESET ROLE;
CREATE TABLE seen (tenant int, what text, answer text);
GRANT ALL ON seen TO PUBLIC;
-- What a tenant sees by each function: rows of its own, of others
CREATE FUNCTION own(metadata jsonb) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE metadata ->> 'tenant' WHEN current_user THEN 'own' ELSE 'foreign' END $$;
CREATE FUNCTION fill(n int, collection text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	counts record;
BEGIN
	SELECT * INTO counts FROM proxima.upsert(collection, ARRAY(SELECT id(n, no) FROM generate_series(1, 20) no ORDER BY no),
		ARRAY(SELECT embed(n, no) FROM generate_series(1, 20) no ORDER BY no), NULL,
		ARRAY(SELECT jsonb_build_object('tenant', tenant(n), 'row', no) FROM generate_series(1, 20) no ORDER BY no));
	RETURN format('%s inserted, %s updated', counts.inserted, counts.updated);
END
$$;
CREATE FUNCTION look(n int, collection text) RETURNS TABLE (what text, answer text) LANGUAGE plpgsql AS $$
DECLARE
	other int := n % 10 + 1;
	summary text := 'SELECT %L, string_agg(answer, '', '' ORDER BY answer) FROM (SELECT count(*) || '' '' || own(metadata) AS answer FROM %s GROUP BY own(metadata)) s';
BEGIN
	RETURN QUERY EXECUTE format(summary, 'get', format('proxima.get(%L)', collection));
	RETURN QUERY EXECUTE format(summary, 'get foreign ids', format('proxima.get(%L, ARRAY[id(%s, 1), id(%s, 2)])', collection, other, other));
	RETURN QUERY EXECUTE format(summary, 'get by filter', format('proxima.get(%L, filter => ''{"row": {"$lte": 5}}'')', collection));
	RETURN QUERY EXECUTE format(summary, 'get by foreign filter', format('proxima.get(%L, filter => %L)', collection, jsonb_build_object('tenant', tenant(other))));
	RETURN QUERY EXECUTE format(summary, 'search', format('proxima.search(%L, embed(%s, 1), 500)', collection, other));
	RETURN QUERY EXECUTE format(summary, 'search with filter', format('proxima.search(%L, embed(%s, 1), 500, ''{"$or": [{"row": 1}, {"$not": {"row": 1}}]}'')', collection, other));
	RETURN QUERY EXECUTE format(summary, 'search_batch', format('proxima.search_batch(%L, ARRAY[embed(%s, 1), embed(%s, 2)], 500)', collection, other, n));
	RETURN QUERY SELECT 'count', proxima.count_rows(collection)::text;
	RETURN QUERY SELECT 'count by foreign filter', proxima.count_rows(collection, jsonb_build_object('tenant', tenant(other)))::text;
	RETURN QUERY SELECT 'recall', CASE WHEN proxima.recall(collection, 5, 5) BETWEEN 0.5 AND 1 THEN 'some' END;
	RETURN QUERY SELECT 'delete foreign ids', proxima.delete(collection, ARRAY[id(other, 1), id(other, 2)])::text;
	RETURN QUERY SELECT 'delete by foreign filter', proxima.delete(collection, filter => jsonb_build_object('tenant', tenant(other)))::text;
	RETURN QUERY SELECT 'upsert of foreign id', try(format('SELECT proxima.upsert_one(%L, id(%s, 1), embed(1, 1), ''taken'', %L)', collection, other, jsonb_build_object('tenant', tenant(n))));
	RETURN QUERY SELECT 'upsert as another', try(format('SELECT proxima.upsert_one(%L, NULL, embed(1, 1), ''taken'', %L)', collection, jsonb_build_object('tenant', tenant(other))));
	RETURN QUERY SELECT 'add as another', try(format('SELECT proxima.add(%L, ARRAY[embed(1, 1)], NULL, ARRAY[%L::jsonb])', collection, jsonb_build_object('tenant', tenant(other))));
	RETURN QUERY SELECT 'listed', string_agg(name, ', ' ORDER BY name) FROM proxima.list_collections();
	RETURN QUERY SELECT v.what, try(format(v.call, collection)) FROM (VALUES ('drop', 'SELECT proxima.drop_collection(%L)'),
		('rename', 'SELECT proxima.rename_collection(%L, ''mine'')'), ('flush', 'SELECT proxima.flush(%L)'),
		('merge', 'SELECT proxima.merge(%L)'), ('stats', 'SELECT proxima.stats(%L)'), ('register', 'SELECT proxima.register_collection(%L)'))
		v (what, call);
END
$$;
CREATE FUNCTION each_tenant(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 10 LOOP
		EXECUTE format('SET ROLE %I', tenant(n));
		EXECUTE statement USING n;
		RESET ROLE;
	END LOOP;
END
$$;
SELECT each_tenant($$INSERT INTO seen SELECT $1, 'fill', fill($1, 'shared')$$);
SELECT what, answer, count(*) FROM seen GROUP BY what, answer ORDER BY what, answer;
TRUNCATE seen;
SELECT proxima.count_rows('shared') AS all_rows;
-- By the index as well as without. Penalties for plans look like costs that pay for a compiler.
SET jit = off;
SET enable_seqscan = off;
BEGIN;
SELECT each_tenant($$INSERT INTO seen SELECT $1, * FROM look($1, 'shared')$$);
SELECT each_tenant($$INSERT INTO seen SELECT $1, 'delete everything', proxima.delete('shared', everything => true)$$);
RESET enable_seqscan;
SELECT what, answer, count(*) AS tenants FROM seen GROUP BY what, answer ORDER BY what, answer;
SELECT proxima.count_rows('shared') AS all_rows;
ROLLBACK;
BEGIN;
SET LOCAL enable_indexscan = off;
SELECT each_tenant(format($$INSERT INTO seen SELECT $1, * FROM look($1, %L)$$, :'shared'));
SELECT count(*) AS foreign_rows FROM seen WHERE answer ~ 'foreign';
SELECT answer, count(*) FROM seen WHERE what IN ('get', 'search') GROUP BY answer;
ROLLBACK;
SELECT proxima.count_rows('shared') AS all_rows;

-- Ten collections in ten schemas, of one name
SELECT count(try(format('CREATE SCHEMA %I AUTHORIZATION %I', tenant(n), tenant(n)))) FROM generate_series(1, 10) n;
SELECT each_tenant($$SELECT proxima.create_collection('mine', 70, schema => tenant($1))$$);
SELECT each_tenant($$INSERT INTO seen SELECT $1, 'fill', fill($1, format('%I.mine', tenant($1)))$$);
SELECT what, answer, count(*) FROM seen GROUP BY what, answer;
TRUNCATE seen;
SELECT count(*), count(DISTINCT id) AS ids, count(DISTINCT owner) AS owners FROM proxima.collections WHERE name = 'mine';
SELECT each_tenant($$INSERT INTO seen SELECT $1, 'own rows', string_agg(DISTINCT s.metadata ->> 'tenant', ', ') || count(*)
	FROM proxima.search(format('%I.mine', tenant($1)), embed(1, 1), 500) s$$);
SELECT count(*) FROM seen WHERE answer = tenant(tenant) || '20';
TRUNCATE seen;
-- The UUID of another's collection gives no more than its table would
CREATE TABLE ids AS SELECT id, schema FROM proxima.collections WHERE name = 'mine';
GRANT SELECT ON ids TO PUBLIC;
SELECT each_tenant($$INSERT INTO seen SELECT $1, call, try(format('SELECT proxima.' || call, id)) FROM ids, unnest(ARRAY['count_rows(%L)', 'get(%L)',
	'search(%L, embed(1, 1))', 'search_batch(%L, ARRAY[embed(1, 1)])', 'delete(%L, everything => true)', 'add(%L, ARRAY[embed(1, 1)])',
	'upsert_one(%L, NULL, embed(1, 1))', 'recall(%L)', 'flush(%L)', 'merge(%L)', 'stats(%L)', 'drop_collection(%L)', 'rename_collection(%L, ''x'')'])
	call WHERE schema <> tenant($1)$$);
SELECT what, regexp_replace(answer, 'regress_proxima_tenant\d+', 'TENANT') AS answer, count(*) FROM seen GROUP BY 1, 2 ORDER BY 1, 2;
TRUNCATE seen;
SELECT each_tenant($$INSERT INTO seen SELECT $1, 'named', try('SELECT proxima.count_rows(''regress_proxima_tenant' || $1 % 10 + 1 || '.mine'')')$$);
SELECT regexp_replace(answer, 'regress_proxima_tenant\d+', 'TENANT') AS answer, count(*) FROM seen GROUP BY 1;
TRUNCATE seen;
SELECT each_tenant($$INSERT INTO seen SELECT $1, schema, name FROM proxima.list_collections()$$);
SELECT answer, count(*), bool_and(what = tenant(tenant)) AS own FROM seen GROUP BY answer ORDER BY answer;
SELECT proxima.count_rows('regress_proxima_tenant7.mine');

-- The registry
SET ROLE regress_proxima_tenant1;
SELECT id AS theirs FROM ids WHERE schema = 'regress_proxima_tenant2' \gset
SELECT id AS own FROM ids WHERE schema = 'regress_proxima_tenant1' \gset
SELECT format('%s::oid', oid) AS their_table FROM pg_class WHERE relname = 'mine' AND relnamespace = 'regress_proxima_tenant2'::regnamespace \gset
-- Not by hand
INSERT INTO proxima.collection_registry (id, relation) VALUES (gen_random_uuid(), 'seen');
INSERT INTO proxima.collection_metrics SELECT :'theirs', c.oid, 9, 'l1' FROM pg_class c WHERE c.relname = 'seen' AND c.relkind = 'r';
SELECT statement, try(format(replace(statement, '%1$I_pkey', name || '_pkey'), name)) FROM unnest('{collection_registry,collection_metrics}'::text[]) WITH ORDINALITY t (name, at), unnest(ARRAY[
	'DELETE FROM proxima.%I WHERE id IS NULL', 'UPDATE proxima.%I SET id = id WHERE id IS NULL', 'TRUNCATE proxima.%I', 'SELECT FROM proxima.%I FOR UPDATE',
	'SELECT FROM proxima.%I FOR KEY SHARE', 'INSERT INTO proxima.%1$I (id) VALUES (NULL) ON CONFLICT ON CONSTRAINT %1$I_pkey DO UPDATE SET id = excluded.id',
	'LOCK TABLE proxima.%I IN SHARE UPDATE EXCLUSIVE MODE', 'LOCK TABLE proxima.%I IN SHARE MODE', 'LOCK TABLE proxima.%I IN SHARE ROW EXCLUSIVE MODE',
	'LOCK TABLE proxima.%I IN EXCLUSIVE MODE', 'LOCK TABLE proxima.%I',
	'CREATE TRIGGER x BEFORE INSERT ON proxima.%I FOR EACH ROW EXECUTE FUNCTION proxima.collection_row()',
	'CREATE TABLE regress_proxima_tenant1.x (id uuid REFERENCES proxima.%I)', 'ALTER TABLE proxima.%I DISABLE TRIGGER ALL',
	'CREATE INDEX ON proxima.%I (id)', 'COMMENT ON TABLE proxima.%I IS NULL'
	]) WITH ORDINALITY s (statement, number) ORDER BY at, number;
SET session_replication_role = replica;
-- A table of one's own does not take another's UUID, nor a UUID another's place
DROP TRIGGER proxima_collection ON regress_proxima_tenant1.mine;
SELECT try($$SELECT proxima.count_rows('regress_proxima_tenant1.mine')$$), try(format('SELECT proxima.count_rows(%L::uuid)', :'own')) ~ 'does not exist' AS gone;
CREATE TRIGGER proxima_collection BEFORE UPDATE ON regress_proxima_tenant1.mine FOR EACH ROW EXECUTE FUNCTION proxima.collection_row(:'theirs');
SELECT try($$SELECT proxima.count_rows('regress_proxima_tenant1.mine')$$), count(*) AS listed FROM proxima.list_collections() WHERE name = 'mine';
\set VERBOSITY terse
INSERT INTO proxima.collection_registry (id, relation) VALUES (:'theirs', 'regress_proxima_tenant1.mine');
INSERT INTO proxima.collection_registry (id, relation) VALUES (gen_random_uuid(), :their_table);
INSERT INTO proxima.collection_metrics VALUES (:'theirs', :their_table, 2147483647, 'l1');
\set VERBOSITY default
-- These speak of no collection, and take no number
INSERT INTO proxima.collection_metrics VALUES (:'theirs', 'regress_proxima_tenant1.mine', 2, 'l1'), (:'theirs', 'regress_proxima_tenant1.mine', 2147483647, 'l1');
INSERT INTO proxima.collection_registry (id, relation) VALUES (gen_random_uuid(), 'regress_proxima_tenant1.mine');
SELECT count(*) FROM proxima.list_collections() WHERE name = 'mine';
RESET ROLE;
SELECT schema, metric FROM proxima.describe(:'theirs');
SELECT try(format('SELECT proxima.count_rows(%L::uuid)', :'own')) ~ 'does not exist' AS gone;
SET ROLE regress_proxima_tenant2;
SELECT proxima.register_collection('regress_proxima_tenant2.mine', 'l2') = :'theirs' AS same;
RESET ROLE;
SELECT schema, metric FROM proxima.describe(:'theirs');
SET ROLE regress_proxima_tenant1;
SELECT proxima.register_collection('regress_proxima_tenant1.mine') IN (:'theirs', :'own') AS taken;
SELECT count(*) FROM proxima.list_collections() WHERE name = 'mine';
-- One's own trigger again, one's own UUID again
CREATE OR REPLACE TRIGGER proxima_collection BEFORE UPDATE ON regress_proxima_tenant1.mine FOR EACH ROW EXECUTE FUNCTION proxima.collection_row(:'own');
SELECT proxima.register_collection('regress_proxima_tenant1.mine') = :'own' AS same;
RESET ROLE;
SELECT schema FROM proxima.describe(:'own');
SELECT schema FROM proxima.describe(:'theirs');
-- Nor does a function do for others what they may not do
SET ROLE regress_proxima_tenant1;
SELECT call, try(format('SELECT proxima.' || call, :their_table)) FROM unnest(ARRAY['register_collection(%L::oid)', 'register_collection(%L::oid, ''l1'')',
	'enter_collection(%L::oid, ''cosine'')', 'enter_collection(%L::oid, ''l1'')', 'register_collection(''regress_proxima_tenant2.mine'')']) call;
RESET ROLE;
-- Of a table that is gone: only who may do everything may remove the entry. There is none for a name that is not there.
SET ROLE regress_proxima_tenant2;
DROP TABLE regress_proxima_tenant2.mine;
SELECT try(format('DELETE FROM proxima.collection_registry WHERE id = %L', :'theirs'));
INSERT INTO proxima.collection_registry (id, relation) VALUES (gen_random_uuid(), 'regress_proxima_tenant2.mine');
INSERT INTO proxima.collection_registry (id, relation) VALUES (gen_random_uuid(), '4294967295');
INSERT INTO proxima.collection_metrics VALUES (gen_random_uuid(), 'regress_proxima_tenant2.mine', 1, 'l2');
RESET ROLE;
SET ROLE regress_proxima_tenant1;
CREATE OR REPLACE TRIGGER proxima_collection BEFORE UPDATE ON regress_proxima_tenant1.mine FOR EACH ROW EXECUTE FUNCTION proxima.collection_row(:'theirs');
SELECT proxima.register_collection('regress_proxima_tenant1.mine') = :'theirs' AS taken;
SELECT try(format('SELECT proxima.count_rows(%L::uuid)', :'theirs')) ~ 'does not exist' AS gone;
RESET ROLE;

-- With fewer rights on the table: what needs which
CREATE ROLE regress_proxima_reader;
GRANT SELECT ON shared TO regress_proxima_reader;
ALTER TABLE shared DISABLE ROW LEVEL SECURITY;
SET ROLE regress_proxima_reader;
SELECT proxima.count_rows('shared'), try($$SELECT proxima.upsert_one('shared', NULL, embed(1, 1))$$), try($$SELECT proxima.delete('shared', everything => true)$$);
SELECT count(*) FROM proxima.search('shared', embed(1, 1), 3);
-- Figures that need a right are left out
SELECT name, index_method, dimension, pending_rows, last_flush FROM proxima.collections;
RESET ROLE;

DROP OWNED BY regress_proxima_keeper, regress_proxima_reader;
SELECT count(try(format('DROP OWNED BY %I CASCADE', tenant(n)))) FROM generate_series(1, 10) n;
SELECT count(*) FROM proxima.collections;
DELETE FROM proxima.collection_registry;
DELETE FROM proxima.collection_metrics;
DROP ROLE regress_proxima_keeper, regress_proxima_reader;
SELECT string_agg(DISTINCT try(format('DROP ROLE %I', tenant(n))), ', ') FROM generate_series(1, 10) n;
DROP TABLE seen, ids;
DROP FUNCTION try, tenant, id, embed, own, fill, look, each_tenant;
