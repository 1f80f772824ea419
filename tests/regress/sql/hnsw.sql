-- The hnsw access method on small tables: answers, plans, every kind of table and index, edge values, bad input.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS proxima;
RESET client_min_messages;
\set VERBOSITY default
SET enable_seqscan = off;

-- each operator class finds the nearest, in order
CREATE TABLE t (id int, val vector(3));
INSERT INTO t VALUES (1, '[0,0,0]'), (2, '[1,2,3]'), (3, '[1,1,1]'), (4, NULL);
CREATE INDEX t_l2 ON t USING hnsw (val);
INSERT INTO t VALUES (5, '[1,2,4]');
SELECT * FROM t ORDER BY val <-> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <-> (SELECT NULL::vector)) s;
SELECT count(*) FROM t;
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val <-> '[3,3,3]' LIMIT 2;
DROP INDEX t_l2;
CREATE INDEX t_ip ON t USING hnsw (val vector_ip_ops);
SELECT *, val <#> '[3,3,3]' AS d FROM t ORDER BY val <#> '[3,3,3]';
DROP INDEX t_ip;
CREATE INDEX t_l1 ON t USING hnsw (val vector_l1_ops);
SELECT *, val <+> '[3,3,3]' AS d FROM t ORDER BY val <+> '[3,3,3]';
DROP INDEX t_l1;
-- zero vectors have no cosine distance: they come last instead of missing
CREATE INDEX t_cosine ON t USING hnsw (val vector_cosine_ops);
INSERT INTO t VALUES (6, '[0,0,0]'), (7, '[1,1,0]');
SELECT val, val <=> '[3,3,3]' AS d FROM t ORDER BY val <=> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> '[0,0,0]') s;
SELECT count(*) FROM (SELECT * FROM t ORDER BY val <=> (SELECT NULL::vector)) s;
SELECT proxima.check_index('t_cosine') ->> 'sound' AS sound;
DROP TABLE t;

-- bad input
CREATE TABLE t (id int, val vector(3), free vector);
CREATE INDEX ON t USING hnsw (free vector_l2_ops);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (m = 1);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (m = 101);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (ef_construction = 3);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (ef_construction = 1001);
CREATE INDEX ON t USING hnsw (val vector_l2_ops) WITH (m = 16, ef_construction = 31);
CREATE INDEX ON t USING hnsw (id);
CREATE INDEX ON t USING hnsw (val vector_l2_ops, val vector_ip_ops);
CREATE UNIQUE INDEX ON t USING hnsw (val vector_l2_ops);
CREATE INDEX t_val ON t USING hnsw (val vector_l2_ops);
INSERT INTO t VALUES (1, '[1,2]');
INSERT INTO t VALUES (1, '[1,2,3]');
SELECT id FROM t ORDER BY val <-> '[1,2]';
SELECT proxima.check_index('t');
CREATE INDEX t_id ON t (id);
SELECT proxima.check_index('t_id');
DROP TABLE t;

-- settings: pgvector's names, ranges and messages
SHOW hnsw.ef_search;
SET hnsw.ef_search = 0;
SET hnsw.ef_search = 1001;
SHOW hnsw.iterative_scan;
SET hnsw.iterative_scan = on;
SET hnsw.max_scan_tuples = 0;
SET hnsw.scan_mem_multiplier = 0;
-- Reserved since PostgreSQL 15.
DO $$
BEGIN
	SET hnsw.unknown = 1;
	IF current_setting('server_version_num')::int >= 150000 THEN
		RAISE 'not reserved';
	END IF;
EXCEPTION WHEN invalid_name THEN
END $$;
SET proxima.recall_target = 0.4;
SET proxima.recall_target = 1;
SHOW proxima.recall_target;

-- LIMIT is filled under any condition; off ends after the candidate list
CREATE TABLE f (id int PRIMARY KEY, kind int, val vector(8));
INSERT INTO f SELECT i, i % 500, ARRAY[i % 7, i % 11, i % 13, i % 17, i % 19, i % 23, i % 29, i % 31]::vector
	FROM generate_series(1, 3000) i;
CREATE INDEX f_val ON f USING hnsw (val vector_l2_ops);
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM f WHERE kind = 3 ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 6;
SELECT count(*) FROM (SELECT id FROM f WHERE kind = 3 ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 6) s;
SELECT count(*) FROM (SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 700) s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]') s;
SET hnsw.iterative_scan = off;
SELECT count(*) FROM (SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 700) s;
SET hnsw.ef_search = 100;
SELECT count(*) FROM (SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 700) s;
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*) FROM (SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 700) s;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;
-- the order is exact
SELECT bool_and(d >= before) AS ordered FROM (
	SELECT d, lag(d) OVER () AS before FROM (
		SELECT val <-> '[1,2,3,4,5,6,7,8]' AS d FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 200) s) s;
-- rescans
SELECT q.id, n.id = q.id AS is_own FROM f q CROSS JOIN LATERAL (
	SELECT id FROM f ORDER BY f.val <-> q.val LIMIT 1) n WHERE q.id <= 3 ORDER BY q.id;
-- cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM f ORDER BY val <-> '[1,1,1,1,1,1,1,1]' LIMIT 50;
MOVE FORWARD 30 IN c;
MOVE BACKWARD 10 IN c;
FETCH ABSOLUTE 1 FROM c;
FETCH ABSOLUTE 1 FROM c;
COMMIT;
-- parameters and generic plans
SET plan_cache_mode = force_generic_plan;
PREPARE p(vector) AS SELECT count(*) FROM (SELECT id FROM f ORDER BY val <-> $1 LIMIT 5) s;
EXECUTE p('[1,2,3,4,5,6,7,8]');
EXECUTE p(NULL);
RESET plan_cache_mode;
RESET enable_sort;

-- deleted rows stay away, and their TIDs can be used again
DELETE FROM f WHERE id % 3 = 0;
VACUUM f;
SELECT count(*) FROM (SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]') s;
INSERT INTO f SELECT i, 1, ARRAY[i, 0, 0, 0, 0, 0, 0, 0]::vector FROM generate_series(10001, 10500) i;
SELECT id FROM f ORDER BY val <-> '[10017.2,0,0,0,0,0,0,0]' LIMIT 3;
SELECT proxima.check_index('f_val') ->> 'sound' AS sound;
-- HOT and other updates
UPDATE f SET kind = 9 WHERE id = 10017;
UPDATE f SET val = '[-5,0,0,0,0,0,0,0]' WHERE id = 10018;
SELECT id, kind FROM f ORDER BY val <-> '[10017.2,0,0,0,0,0,0,0]' LIMIT 3;
SELECT id FROM f ORDER BY val <-> '[-5,0,0,0,0,0,0,0]' LIMIT 1;
-- TRUNCATE, REINDEX
REINDEX INDEX f_val;
SELECT id, kind FROM f ORDER BY val <-> '[10017,0,0,0,0,0,0,0]' LIMIT 1;
TRUNCATE f;
SELECT count(*) FROM (SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]') s;
INSERT INTO f VALUES (1, 1, '[1,2,3,4,5,6,7,8]');
SELECT id FROM f ORDER BY val <-> '[1,2,3,4,5,6,7,8]' LIMIT 5;
DROP TABLE f;

-- kinds of tables and indexes
CREATE TEMP TABLE k (id int, val vector(2));
INSERT INTO k SELECT i, ARRAY[i, i]::vector FROM generate_series(1, 20) i;
CREATE INDEX k_part ON k USING hnsw (val vector_l2_ops) WHERE id > 10;
SELECT id FROM k WHERE id > 10 ORDER BY val <-> '[0,0]' LIMIT 2;
DROP TABLE k;
CREATE UNLOGGED TABLE k (id int, val vector);
INSERT INTO k SELECT i, ARRAY[i, i]::vector FROM generate_series(1, 20) i;
CREATE INDEX k_expr ON k USING hnsw ((val::vector(2)) vector_l2_ops);
SELECT id FROM k ORDER BY val::vector(2) <-> '[3.2,3.2]' LIMIT 2;
DROP TABLE k;
CREATE TABLE k (id int, val vector(2)) PARTITION BY RANGE (id);
CREATE TABLE k1 PARTITION OF k FOR VALUES FROM (0) TO (10);
CREATE TABLE k2 PARTITION OF k FOR VALUES FROM (10) TO (100);
CREATE INDEX k_val ON k USING hnsw (val vector_l2_ops);
INSERT INTO k SELECT i, ARRAY[i, i]::vector FROM generate_series(1, 20) i;
SELECT id FROM k ORDER BY val <-> '[9.3,9.3]' LIMIT 4;
DROP TABLE k;
-- only NULLs, empty, one row, many equal rows among others
CREATE TABLE k (id serial, val vector(2));
INSERT INTO k (val) SELECT NULL FROM generate_series(1, 1000);
CREATE INDEX k_val ON k USING hnsw (val vector_l2_ops);
SELECT count(*) FROM (SELECT id FROM k ORDER BY val <-> '[9,9]') s;
TRUNCATE k;
REINDEX INDEX k_val;
INSERT INTO k (val) VALUES ('[1,1]');
REINDEX INDEX k_val;
SELECT val FROM k ORDER BY val <-> '[9,9]';
INSERT INTO k (val) SELECT '[5,5]' FROM generate_series(1, 3000);
INSERT INTO k (val) SELECT ARRAY[i, -i]::vector FROM generate_series(1, 600) i;
REINDEX INDEX k_val;
SELECT val FROM k ORDER BY val <-> '[77,-77]' LIMIT 1;
SELECT count(*) FROM (SELECT val FROM k ORDER BY val <-> '[5,5]' LIMIT 3001) s WHERE val = '[5,5]';
SELECT proxima.check_index('k_val') - 'free_blocks' AS report;
SELECT proxima.index_info('k_val') -> 'dimensions' AS dimensions, proxima.index_info('k_val') -> 'metric' AS metric;
DROP TABLE k;
-- extreme values
CREATE TABLE k (id int, val vector(2));
INSERT INTO k VALUES (1, '[3e38,3e38]'), (2, '[-3e38,1]'), (3, '[1e-38,1e-38]'), (4, '[1,1]');
CREATE INDEX k_l2 ON k USING hnsw (val vector_l2_ops);
SELECT CASE WHEN d < 'Infinity' THEN id END AS id, d FROM (
	SELECT id, val <-> '[1,1]' AS d FROM k ORDER BY val <-> '[1,1]') s;
SELECT count(*) FROM (SELECT id FROM k ORDER BY val <-> '[3e38,-3e38]') s;
DROP INDEX k_l2;
CREATE INDEX k_ip ON k USING hnsw (val vector_ip_ops);
SELECT id, val <#> '[1,1]' AS d FROM k ORDER BY val <#> '[1,1]';
DROP TABLE k;
-- the table's own statistics are left alone
CREATE TABLE k (id int, val vector(2));
INSERT INTO k SELECT i, CASE WHEN i % 10 = 0 THEN ARRAY[i, i]::vector END FROM generate_series(1, 1000) i;
ANALYZE k;
CREATE INDEX k_val ON k USING hnsw (val vector_l2_ops);
SELECT reltuples FROM pg_class WHERE relname IN ('k', 'k_val') ORDER BY relname;
DROP TABLE k;
-- operator classes are valid
SELECT opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'hnsw' ORDER BY 1;

-- rows without any structure: the effort that scans choose has a limit, and who asks for more than that finds is told
CREATE TABLE w AS SELECT id, (SELECT array_agg(hashint8extended(id * 1000 + d, 3) % 1000 ORDER BY d)::real[]
	FROM generate_series(1, 384) d)::vector(384) AS val FROM generate_series(1, 30000) id;
SET proxima.recall_target = 0.999;
\set VERBOSITY terse
CREATE INDEX w_val ON w USING hnsw (val);
SET proxima.recall_target = 0.9;
REINDEX INDEX w_val;
RESET proxima.recall_target;
\set VERBOSITY default
DROP TABLE w;
