-- Maintenance from SQL: settings, the index option, who may flush and merge what, and what those functions return.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- Settings: defaults, units, ranges, who may change them
SELECT proxima.simd_tier() IS NOT NULL AS is_loaded;
SELECT name, setting, unit, vartype, context, min_val, max_val FROM pg_settings
WHERE name LIKE 'proxima.%' AND name <> 'proxima.recall_target' ORDER BY name COLLATE "C";
-- PostgreSQL 18 has units in the message.
\set VERBOSITY sqlstate
SET proxima.pending_list_limit = 63;
SET proxima.pending_rows_limit = -1;
SET proxima.flush_age = '-1ms';
SET proxima.log_maintenance_min_duration = -2;
\set VERBOSITY default
SET proxima.pending_list_limit = '1MB';
SHOW proxima.pending_list_limit;
SET proxima.pending_rows_limit = 0;
SET proxima.flush_age = '2min';
SHOW proxima.flush_age;
SET proxima.background_merge = off;
SET proxima.log_maintenance_min_duration = 0;
SET proxima.pause_at = 'nowhere';
RESET ALL;
SET client_min_messages = warning;
CREATE ROLE regress_proxima_other;
SET ROLE regress_proxima_other;
SET proxima.pending_list_limit = 64;
SET proxima.pending_rows_limit = 1;
SET proxima.flush_age = 0;
SET proxima.background_merge = off;
SET proxima.log_maintenance_min_duration = 0;
SET proxima.pause_at = 'flush';
RESET ROLE;
RESET ALL;
SET client_min_messages = warning;

-- The option goes before the setting, and changes without a new file, under a lock that lets writers go on
CREATE TABLE items (id int PRIMARY KEY, v vector(3));
INSERT INTO items SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 50) i;
CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 8, pending_list_limit = 128);
CREATE INDEX items_lists ON items USING ivfflat (v vector_l2_ops) WITH (lists = 2);
CREATE FUNCTION limits(index regclass) RETURNS jsonb LANGUAGE sql AS $$ SELECT proxima.index_stats(index) -> 'pending' -> 'limits' $$;
SELECT limits('items_v') AS hnsw, limits('items_lists') AS ivfflat;
SET proxima.pending_list_limit = '1MB';
SET proxima.pending_rows_limit = 77;
SET proxima.flush_age = 0;
SELECT limits('items_v') AS hnsw, limits('items_lists') AS ivfflat;
SELECT relname, pg_relation_filenode(oid) AS node INTO files FROM pg_class WHERE relname LIKE 'items\_%';
BEGIN;
ALTER INDEX items_v SET (pending_list_limit = 256);
ALTER INDEX items_lists SET (pending_list_limit = 64);
SELECT relation::regclass AS index, mode FROM pg_locks WHERE relation IN ('items_v'::regclass, 'items_lists'::regclass)
AND locktype = 'relation' AND pid = pg_backend_pid() ORDER BY 1, 2;
COMMIT;
SELECT limits('items_v') -> 'bytes' AS hnsw, limits('items_lists') -> 'bytes' AS ivfflat;
SELECT proxima.index_info('items_v') -> 'm' AS m;
ALTER INDEX items_v RESET (pending_list_limit);
SELECT limits('items_v') -> 'bytes' AS hnsw;
SELECT c.relname, f.node = pg_relation_filenode(c.oid) AS same_file FROM files f JOIN pg_class c USING (relname) ORDER BY 1;
ALTER INDEX items_v SET (pending_list_limit = 63);
ALTER INDEX items_v SET (pending_list_limit = -1);
ALTER INDEX items_v SET (pending_list_limit = 'big');
CREATE INDEX items_small ON items USING hnsw (v vector_l2_ops) WITH (pending_list_limit = 0);
-- The one option alone
CREATE INDEX items_alone ON items USING ivfflat (v vector_l2_ops) WITH (pending_list_limit = 2147483647);
SELECT limits('items_alone') -> 'bytes' AS bytes, reloptions FROM pg_class WHERE relname = 'items_alone';
DROP INDEX items_alone;
RESET proxima.pending_list_limit;
RESET proxima.pending_rows_limit;
RESET proxima.flush_age;

-- What the functions return: numbers that are not negative
INSERT INTO items SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(51, 90) i;
CREATE FUNCTION keys(report jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") || CASE WHEN bool_and(value::numeric >= 0) THEN '' ELSE ' negative' END
	FROM jsonb_each_text(report)
$$;
SELECT string_agg(key || ': ' || jsonb_typeof(value), ', ' ORDER BY key COLLATE "C") AS stats FROM jsonb_each(proxima.index_stats('items_v'));
SELECT keys(s -> 'blocks') AS blocks, keys((s -> 'pending') - 'limits') AS pending, keys(s -> 'pending' -> 'limits') AS limits
FROM proxima.index_stats('items_v') s;
SELECT keys(proxima.flush('items_lists')) AS flush, keys(proxima.merge('items_lists')) AS merge;
-- What flush, DELETE, VACUUM and merge make of an index: no times, no numbers of blocks
CREATE FUNCTION state(index regclass) RETURNS TABLE (segments text, rows int, dead int, pending int, pending_dead int, last_flush text, last_merge text)
LANGUAGE sql AS $$
	SELECT (SELECT string_agg(format('%s %s/%s', e ->> 'kind', e ->> 'rows', e ->> 'dead'), ', ' ORDER BY at)
			FROM jsonb_array_elements(s -> 'segments') WITH ORDINALITY a(e, at)),
		(s ->> 'rows')::int, (s ->> 'dead')::int, (s -> 'pending' ->> 'rows')::int, (s -> 'pending' ->> 'dead')::int,
		format('%s: %s %s', s ->> 'flushes', s -> 'last_flush' ->> 'rows', s -> 'last_flush' ->> 'cause'),
		format('%s: %s %s', s ->> 'merges', s -> 'last_merge' ->> 'rows', s -> 'last_merge' ->> 'cause')
	FROM proxima.index_stats(index) s
$$;
ALTER TABLE items SET (autovacuum_enabled = off);
SELECT * FROM state('items_v');
SELECT proxima.flush('items_v') - 'pages' AS flush;
SELECT * FROM state('items_v');
SELECT proxima.merge('items_v') - 'pages' AS merge;
SELECT * FROM state('items_v');
-- What is done once need not be done again
SELECT proxima.flush('items_v') AS flush, proxima.merge('items_v') AS merge;
-- VACUUM marks dead rows and flushes what is pending
INSERT INTO items SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(91, 120) i;
DELETE FROM items WHERE id % 10 = 1;
VACUUM (INDEX_CLEANUP on) items;
SELECT * FROM state('items_v');
-- A segment with too many dead rows is written again
DELETE FROM items WHERE id BETWEEN 1 AND 30;
VACUUM (INDEX_CLEANUP on) items;
SELECT * FROM state('items_v');
SELECT proxima.merge('items_v') - 'pages' AS merge;
SELECT * FROM state('items_v');
INSERT INTO items SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 90) i ON CONFLICT DO NOTHING;
-- An insert flushes by count, by age and by size. Limits are looked at page by page. Vectors that
-- are not tiny are flushed into flat segments, which a merge makes a graph of.
CREATE TABLE wide (id int PRIMARY KEY, v vector(70)) WITH (autovacuum_enabled = off);
CREATE INDEX wide_v ON wide USING hnsw (v vector_l2_ops);
CREATE FUNCTION wide(from_id int, to_id int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO wide SELECT i, (ARRAY[i, i % 7, 1] || array_fill(0, ARRAY[67]))::vector FROM generate_series(from_id, to_id) i
$$;
CREATE FUNCTION why(index regclass) RETURNS TABLE (cause text, flushes int, kinds text, all_rows int) LANGUAGE sql AS $$
	SELECT s -> 'last_flush' ->> 'cause', (s ->> 'flushes')::int,
		(SELECT string_agg(DISTINCT e ->> 'kind', ', ') FROM jsonb_array_elements(s -> 'segments') e),
		(s ->> 'rows')::int + (s -> 'pending' ->> 'rows')::int
	FROM proxima.index_stats(index) s
$$;
SET proxima.background_merge = off;
SET proxima.flush_age = 0;
SET proxima.pending_rows_limit = 100;
SELECT wide(1, 1000);
SELECT cause, flushes BETWEEN 5 AND 20 AS some, kinds, all_rows FROM why('wide_v');
SET proxima.pending_rows_limit = 0;
SET proxima.flush_age = '1ms';
-- Rows of before are to be old, too
SELECT pg_sleep(0.01);
SELECT wide(1001, 1001);
SELECT pg_sleep(0.01);
SELECT wide(1002, 1002);
SELECT cause, proxima.index_stats('wide_v') -> 'pending' -> 'rows' AS pending, kinds, all_rows FROM why('wide_v');
SET proxima.flush_age = 0;
ALTER INDEX wide_v SET (pending_list_limit = 64);
SELECT flushes FROM why('wide_v') \gset
SELECT wide(1003, 3000);
SELECT cause, flushes > :flushes + 2 AS more, kinds, all_rows,
	(proxima.index_stats('wide_v') -> 'pending' ->> 'bytes')::int <= 65536 AS small FROM why('wide_v');
SELECT proxima.flush('wide_v') ->> 'dead' AS dead;
SELECT (s ->> 'segments')::int > 2 AS many, s - 'segments' - 'pages' AS merge FROM proxima.merge('wide_v') s;
SELECT segments, pending FROM state('wide_v');
SELECT (s -> 'blocks' ->> 'retired')::int + (s -> 'blocks' ->> 'free')::int + (s -> 'blocks' ->> 'reused')::int > 0 AS gives_back
FROM proxima.index_stats('wide_v') s;
SELECT proxima.check_index('wide_v') ->> 'sound' AS sound;
RESET proxima.pending_rows_limit;
RESET proxima.flush_age;
RESET proxima.background_merge;
SELECT proxima.check_index('items_v') ->> 'sound' AS sound, proxima.check_index('items_lists') ->> 'sound' AS sound;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id), min(id), max(id) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1]') s;
RESET enable_seqscan;
SELECT proxima.flush(NULL) IS NULL AS flush, proxima.merge(NULL) IS NULL AS merge, proxima.index_stats(NULL) IS NULL AS stats;
-- In the transaction that makes the index, and on a temporary table
BEGIN;
CREATE TABLE young (v vector(3));
CREATE INDEX young_v ON young USING hnsw (v vector_l2_ops);
INSERT INTO young VALUES ('[1,2,3]');
SELECT keys(proxima.flush('young_v')) AS flush, keys(proxima.merge('young_v')) AS merge;
ROLLBACK;
CREATE TEMP TABLE brief (v vector(3));
CREATE INDEX brief_v ON brief USING hnsw (v vector_l2_ops);
INSERT INTO brief VALUES ('[1,2,3]');
SELECT keys(proxima.flush('brief_v')) AS flush, keys(proxima.merge('brief_v')) AS merge;
-- The lock is a writer's, and is given back
BEGIN;
SELECT keys(proxima.flush('items_v')) AS flush, keys(proxima.merge('items_v')) AS merge;
SELECT count(*) AS locks FROM pg_locks WHERE relation = 'items_v'::regclass AND pid = pg_backend_pid();
COMMIT;

-- What they refuse
CREATE INDEX items_id ON items (id);
CREATE VIEW all_items AS SELECT * FROM items;
CREATE TABLE parts (id int, v vector(3)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (10);
CREATE INDEX parts_v ON parts USING hnsw (v vector_l2_ops);
SELECT keys(proxima.flush('parts_1_v_idx')) AS flush, keys(proxima.merge('parts_1_v_idx')) AS merge;
CREATE FUNCTION try(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT ' || call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT relation, try(format('proxima.%s(%L)', function, relation)) AS error
FROM unnest(ARRAY['flush', 'merge', 'index_stats']) WITH ORDINALITY f(function, at),
	unnest(ARRAY['items', 'items_id', 'all_items', 'parts', 'parts_v', '0', '4294967295']) WITH ORDINALITY r(relation, number)
ORDER BY f.at, number;
-- An index that a failed CREATE INDEX CONCURRENTLY has left
CREATE TABLE odd (v vector);
INSERT INTO odd VALUES ('[1,2]'), ('[1,2,3]');
CREATE INDEX CONCURRENTLY odd_v ON odd USING hnsw ((v::vector(2)) vector_l2_ops);
SELECT indisready, indisvalid FROM pg_index WHERE indexrelid = 'odd_v'::regclass;
SELECT try('proxima.flush(''odd_v'')') AS flush, try('proxima.merge(''odd_v'')') AS merge;

-- Who may: the owner of the table, members of that role, superusers; since PostgreSQL 17, who has MAINTAIN
CREATE ROLE regress_proxima_owner;
CREATE ROLE regress_proxima_member IN ROLE regress_proxima_owner;
ALTER TABLE items OWNER TO regress_proxima_owner;
GRANT ALL ON items TO regress_proxima_other;
DO $$
BEGIN
	IF current_setting('server_version_num')::int >= 170000 THEN
		REVOKE MAINTAIN ON items FROM regress_proxima_other;
	END IF;
END
$$;
SET ROLE regress_proxima_owner;
SELECT try('proxima.flush(''items_v'')') AS flush, try('proxima.merge(''items_v'')') AS merge;
SET ROLE regress_proxima_member;
SELECT try('proxima.flush(''items_v'')') AS flush, try('proxima.merge(''items_v'')') AS merge;
SET ROLE regress_proxima_other;
SELECT try('proxima.flush(''items_v'')') AS flush, try('proxima.merge(''items_v'')') AS merge;
SELECT try('proxima.flush(''items_id'')') AS flush, try('proxima.index_stats(''items_v'')') AS stats;
RESET ROLE;
-- With MAINTAIN, where there is that: allowed; elsewhere it is the same as before
DO $$
BEGIN
	IF current_setting('server_version_num')::int >= 170000 THEN
		GRANT MAINTAIN ON items TO regress_proxima_other;
	END IF;
END
$$;
SET ROLE regress_proxima_other;
SELECT try('proxima.flush(''items_v'')') = CASE WHEN current_setting('server_version_num')::int >= 170000
	THEN 'no error' ELSE '42501 must be owner of index items_v' END AS as_expected;
RESET ROLE;

DROP VIEW all_items;
DROP TABLE items, files, brief, parts, odd, wide;
DROP FUNCTION limits, keys, state, try, wide, why;
DROP ROLE regress_proxima_member, regress_proxima_owner, regress_proxima_other;
