-- The ivf access method: options, errors, plans, and rows that the table ranks, in exact order whatever the index knows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS proxima;
RESET client_min_messages;
SET enable_seqscan = off;

-- rows around 20 centers, and the answer of an index against that of a sequential scan
CREATE FUNCTION dense(id int8, dim int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(hashint8extended(id % 20 * 1000 + d, 1) % 1000 / 1000.0 + hashint8extended(id * 1000 + d, 2) % 1000 / 3000.0
		ORDER BY d)::real[]::vector FROM generate_series(1, dim) d $$;
CREATE FUNCTION answer(query text, by_index boolean) RETURNS SETOF float8 LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true), set_config('enable_sort', (NOT by_index)::text, true),
		set_config('enable_indexscan', by_index::text, true);
	RETURN QUERY EXECUTE query;
END $$;
-- rows that an exact answer has besides, and steps back among the first: rows that are found late come last
CREATE FUNCTION compare(query text, OUT rows int8, OUT missing int8, OUT backward int8) LANGUAGE sql AS $$
	WITH index AS MATERIALIZED (SELECT * FROM answer(query, true) WITH ORDINALITY AS a (d, n)),
		scan AS MATERIALIZED (SELECT * FROM answer(query, false) WITH ORDINALITY AS a (d, n))
	SELECT (SELECT count(*) FROM index),
		(SELECT count(*) FROM (SELECT d FROM scan EXCEPT ALL SELECT d FROM index) m),
		(SELECT count(*) FROM (SELECT d < lag(d) OVER (ORDER BY n) AS is_back FROM index WHERE n <= 100) s WHERE is_back) $$;

-- options
CREATE TABLE o (id int, val vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3), free vector, one vector(1));
CREATE INDEX ON o USING ivf (val) WITH (lists = -1);
CREATE INDEX ON o USING ivf (val) WITH (lists = 32769);
\set VERBOSITY default
CREATE INDEX ON o USING ivf (val) WITH (bits = 3);
CREATE INDEX ON o USING ivf (val) WITH (bits = 16);
CREATE INDEX ON o USING ivf (val) WITH (rerank = 'nowhere');
\set VERBOSITY terse
CREATE INDEX ON o USING ivf (val) WITH (m = 16);
CREATE INDEX ON o USING ivf (val) WITH (pending_list_limit = 1);
CREATE INDEX ON o USING ivfflat (val) WITH (bits = 8);
CREATE INDEX ON o USING ivf (val vector_l1_ops);
CREATE INDEX ON o USING ivf (sparse);
CREATE INDEX ON o USING ivf (half);
CREATE INDEX ON o USING ivf (bits bit_jaccard_ops);
CREATE INDEX ON o USING ivf (free);
CREATE INDEX ON o USING ivf (val, val);
CREATE UNIQUE INDEX ON o USING ivf (val);
CREATE INDEX o_val ON o USING ivf (val) WITH (lists = 0, bits = 8, rerank = 'index', pending_list_limit = 64);
CREATE INDEX o_one ON o USING ivf (one vector_cosine_ops);
SELECT proxima.index_info('o_val') ->> 'method' AS method, proxima.index_stats('o_val') -> 'pending' -> 'limits' -> 'bytes' AS bytes;
ALTER INDEX o_val SET (bits = 0);
ALTER INDEX o_val SET (lists = 7, bits = 4);
ALTER INDEX o_val RESET (rerank);
REINDEX INDEX o_val;
INSERT INTO o (id, val, one) VALUES (1, '[1,2,3]', '[5]'), (2, '[1,2,4]', '[-5]'), (3, NULL, NULL);
SELECT id FROM o ORDER BY val <-> '[1,2,5]';
SELECT id FROM o ORDER BY one <=> '[1]';
INSERT INTO o (val) VALUES ('[1,2]');
SELECT id FROM o ORDER BY val <-> '[1,2]';
SELECT count(*) FROM (SELECT id FROM o ORDER BY val <-> (SELECT NULL::vector)) s;
SELECT proxima.check_index('o');
DROP TABLE o;
-- an operator class that lists cannot serve
CREATE OPERATOR CLASS sparse_ops FOR TYPE sparsevec USING ivf AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 sparsevec_l2_squared_distance(sparsevec, sparsevec), FUNCTION 3 hnsw_sparsevec_support(internal);
CREATE TABLE o (val sparsevec(3));
CREATE INDEX ON o USING ivf (val sparse_ops);
DROP TABLE o;
DROP OPERATOR CLASS sparse_ops USING ivf;

-- settings
SHOW ivf.probes;
SHOW ivf.iterative_scan;
SHOW ivf.max_probes;
SET ivf.probes = -1;
SET ivf.probes = 32769;
SET ivf.max_probes = 0;
SET ivf.iterative_scan = on;
SET ivf.unknown = 1;

-- every class, both kinds of codes, ranked by the table or by the index; rows that were there before, came later, changed
-- or went
CREATE TABLE t (id int PRIMARY KEY, v vector(96), h halfvec(96), b bit(96));
INSERT INTO t SELECT id, dense(id, 96), dense(id, 96), binary_quantize(dense(id, 96) - dense(id % 20 + 5000, 96)) FROM generate_series(1, 1500) id;
CREATE INDEX v_l2 ON t USING ivf (v);
CREATE INDEX v_ip ON t USING ivf (v vector_ip_ops) WITH (lists = 30);
CREATE INDEX v_cosine ON t USING ivf (v vector_cosine_ops) WITH (bits = 8);
CREATE INDEX h_l2 ON t USING ivf (h halfvec_l2_ops);
CREATE INDEX h_ip ON t USING ivf (h halfvec_ip_ops) WITH (bits = 8, lists = 20);
CREATE INDEX h_cosine ON t USING ivf (h halfvec_cosine_ops) WITH (rerank = 'index');
CREATE INDEX b_hamming ON t USING ivf (b bit_hamming_ops);
INSERT INTO t SELECT id, dense(id, 96), dense(id, 96), binary_quantize(dense(id, 96) - dense(id % 20 + 5000, 96)) FROM generate_series(1501, 2000) id;
UPDATE t SET v = dense(id + 9000, 96), h = dense(id + 9000, 96) WHERE id % 50 = 0;
DELETE FROM t WHERE id % 7 = 0;
CREATE VIEW queries AS SELECT column1 AS col, column2 AS op, column3 AS query FROM (VALUES
	('v', '<->', dense(70003, 96)::text), ('v', '<#>', dense(70004, 96)::text), ('v', '<=>', dense(70005, 96)::text),
	('h', '<->', dense(70006, 96)::halfvec::text), ('h', '<#>', dense(70007, 96)::halfvec::text),
	('h', '<=>', dense(70008, 96)::halfvec::text), ('b', '<~>', (SELECT b::text FROM t WHERE id = 8))) q;
CREATE VIEW compared AS SELECT col, op, c.* FROM queries,
	compare(format('SELECT %s %s %L FROM t ORDER BY 1', col, op, query)) c;
SET plan_cache_mode = force_generic_plan;
PREPARE by_v(vector) AS SELECT id FROM t ORDER BY v <-> $1 LIMIT 10;
EXPLAIN (COSTS OFF) EXECUTE by_v(NULL);
SELECT * FROM compared;
VACUUM t;
SELECT * FROM compared;
REINDEX TABLE t;
SELECT * FROM compared;
SELECT relname, proxima.check_index(oid) ->> 'sound' AS sound FROM pg_class
	WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'ivf') ORDER BY relname;
-- fewer bits, by every metric
DROP INDEX v_l2, v_ip, v_cosine, h_l2, h_ip, h_cosine;
CREATE INDEX v_l2 ON t USING ivf (v) WITH (bits = 1);
CREATE INDEX v_ip ON t USING ivf (v vector_ip_ops) WITH (bits = 2, lists = 30);
CREATE INDEX v_cosine ON t USING ivf (v vector_cosine_ops) WITH (bits = 1);
CREATE INDEX h_l2 ON t USING ivf (h halfvec_l2_ops) WITH (bits = 2);
CREATE INDEX h_ip ON t USING ivf (h halfvec_ip_ops) WITH (bits = 1, lists = 20);
CREATE INDEX h_cosine ON t USING ivf (h halfvec_cosine_ops) WITH (bits = 2);
SELECT * FROM compared;
UPDATE t SET v = dense(id, 96), h = dense(id, 96) WHERE id % 3 = 0;
VACUUM t;
SELECT relname, proxima.merge(oid::regclass) ->> 'rows' AS merged, proxima.index_info(oid::regclass) #>> '{segments,0,encoding}' AS encoding
	FROM pg_class WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'ivf') AND relname ~ '^[vh]_' ORDER BY relname;
SELECT * FROM compared;
SELECT relname, proxima.check_index(oid) ->> 'sound' AS sound FROM pg_class
	WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'ivf') ORDER BY relname;
-- with little memory all rows come all the same
SET work_mem = '64kB';
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 3)) s;
RESET work_mem;
-- probes that are all lists give exact answers, whatever the recall that is aimed at
SET proxima.recall_target = 0.5;
SET ivf.probes = 30;
SELECT c.missing, c.backward FROM queries, compare(format('SELECT v <#> %L FROM t ORDER BY 1 LIMIT 100', query)) c WHERE op = '<#>' AND col = 'v';
RESET ivf.probes;
RESET proxima.recall_target;
-- off ends after the lists that were read; relaxed order loses nothing
SET enable_sort = off;
SET ivf.iterative_scan = off;
SELECT count(*) BETWEEN 10 AND 1714 AS some FROM (SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 3)) s;
SET ivf.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 3)) s;
RESET ivf.iterative_scan;
-- rescans
SELECT count(*), count(*) FILTER (WHERE n.id = q.id) >= 48 AS are_own FROM (SELECT * FROM t ORDER BY id LIMIT 50) q CROSS JOIN LATERAL
	(SELECT id FROM t ORDER BY t.v <-> q.v LIMIT 1) n;
-- cursors, and what changes meanwhile
BEGIN;
SET LOCAL ivf.probes = 1000;
DECLARE c SCROLL CURSOR FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 3) LIMIT 40;
SAVEPOINT s;
FETCH 1 FROM c;
MOVE FORWARD 2 IN c;
DELETE FROM t WHERE id = 3;
ROLLBACK TO s;
MOVE FORWARD 30 IN c;
MOVE BACKWARD 20 IN c;
FETCH ABSOLUTE 1 FROM c;
CLOSE c;
DECLARE d CURSOR FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 3);
FETCH 1 FROM d;
DELETE FROM t;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[0]') s;
ROLLBACK;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 3)) s;
-- an error in the middle of a scan
DO $$
DECLARE
	q vector := (SELECT v FROM t WHERE id = 3);
	nearest int := (SELECT id FROM t ORDER BY v <-> q LIMIT 1);
	found int;
BEGIN
	FOR n IN 1 .. 20 LOOP
		BEGIN
			PERFORM 1 / (id - nearest) FROM (SELECT id FROM t ORDER BY v <-> q LIMIT 5) s;
			RAISE 'no error';
		EXCEPTION WHEN division_by_zero THEN
			SELECT id INTO found FROM t ORDER BY v <-> q LIMIT 1;
			ASSERT found = nearest;
		END;
	END LOOP;
END $$;
-- two distances: the index knows one of them
CREATE TEMP TABLE by_index AS SELECT v <-> dense(70003, 96) AS a, v <=> dense(70004, 96) AS b FROM t
	ORDER BY v <-> dense(70003, 96), v <=> dense(70004, 96) LIMIT 300;
SELECT count(*) FILTER (WHERE a < before) AS backward, count(*) FROM (SELECT a, lag(a) OVER () AS before FROM by_index) s;
-- a plan of parallel workers
SELECT set_config(name, 'on', false) AS parallel FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode');
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> dense(70003, 96) LIMIT 100) s;
RESET ALL;
SET enable_seqscan = off;
DROP TABLE t CASCADE;

-- the farthest rows of the index are dead: those that wait for them are returned all the same
CREATE TABLE d (id int, val vector(96)) WITH (autovacuum_enabled = off);
INSERT INTO d SELECT id, dense(id * 20, 96) FROM generate_series(1, 400) id;
CREATE INDEX d_val ON d USING ivf (val);
DELETE FROM d WHERE id IN (SELECT id FROM d ORDER BY val <-> dense(0, 96) DESC LIMIT 60);
VACUUM (INDEX_CLEANUP ON) d;
SELECT proxima.index_stats('d_val') -> 'dead' AS dead, count(*) FROM (SELECT id FROM d ORDER BY val <-> dense(0, 96)) s;
DROP TABLE d;
-- rows that were coded when there were others far away are nearer to each other than their codes can tell: when they are
-- all that is left, what merges have lost counts, and all lists still give exact answers
CREATE TABLE n (id int, a vector(96), b vector(96), c vector(96), d vector(96), e vector(96), f vector(96)) WITH (autovacuum_enabled = off);
INSERT INTO n SELECT id, v, v, v, v, v, v FROM (
	SELECT id, dense(id % 20, 96) + dense(id, 96) * array_fill(0.05, ARRAY[96])::vector AS v FROM generate_series(1, 3000) id) s;
CREATE INDEX ON n USING ivf (a) WITH (bits = 1);
CREATE INDEX ON n USING ivf (b) WITH (bits = 2);
CREATE INDEX ON n USING ivf (c);
CREATE INDEX ON n USING ivf (d) WITH (bits = 8);
CREATE INDEX ON n USING ivf (e vector_ip_ops);
CREATE INDEX ON n USING ivf (f vector_cosine_ops) WITH (bits = 2);
DELETE FROM n WHERE id % 20 <> 7;
VACUUM (INDEX_CLEANUP ON) n;
SET ivf.probes = 32768;
SELECT col, sum(c.rows) AS rows, sum(c.missing) AS missing, sum(c.backward) AS backward
	FROM (VALUES ('a', '<->'), ('b', '<->'), ('c', '<->'), ('d', '<->'), ('e', '<#>'), ('f', '<=>')) i (col, op), generate_series(1, 20) n,
	LATERAL (SELECT dense(7, 96) + dense(n * 20 + 100007, 96) * array_fill(0.05, ARRAY[96])::vector) q (query),
	compare(format('SELECT %I %s %L FROM n ORDER BY 1 LIMIT 10', col, op, query)) c
	GROUP BY col ORDER BY col;
RESET ivf.probes;
DROP TABLE n;
-- a limit of lists ends a scan, and gives what it has found
CREATE TABLE d (id int, val vector(3));
INSERT INTO d SELECT id, ARRAY[id % 31, id % 37, id % 41]::vector FROM generate_series(1, 3000) id;
CREATE INDEX d_val ON d USING ivf (val) WITH (lists = 10);
SET ivf.max_probes = 2;
SELECT count(*) BETWEEN 40 AND 2999 AS some FROM (SELECT id FROM d ORDER BY val <-> '[1,2,3]') s;
RESET ivf.max_probes;
DROP TABLE d;

-- zero vectors come last, with NaN
CREATE TABLE z (id int, val vector(3));
INSERT INTO z VALUES (1, '[0,0,0]'), (2, '[1,2,3]'), (3, '[1,1,1]'), (4, NULL);
CREATE INDEX ON z USING ivf (val vector_cosine_ops);
INSERT INTO z VALUES (5, '[0,0,0]'), (6, '[1,1,0]');
SELECT val, val <=> '[3,3,3]' AS d FROM z ORDER BY val <=> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM z ORDER BY val <=> '[0,0,0]') s;
DROP TABLE z;
-- extreme values
CREATE TABLE z (id int, val vector(2));
INSERT INTO z VALUES (1, '[3e38,3e38]'), (2, '[-3e38,1]'), (3, '[1e-38,1e-38]'), (4, '[1,1]');
CREATE INDEX ON z USING ivf (val);
SELECT CASE WHEN d < 'Infinity' THEN id END AS id, d FROM (
	SELECT id, val <-> '[1,1]' AS d FROM z ORDER BY val <-> '[1,1]') s;
SELECT count(*) FROM (SELECT id FROM z ORDER BY val <-> '[3e38,-3e38]') s;
DROP TABLE z;

-- TOASTed vectors, and queries that are TOASTed themselves
CREATE TABLE w (id int PRIMARY KEY, val vector(2500));
ALTER TABLE w ALTER val SET STORAGE EXTERNAL;
INSERT INTO w SELECT id, dense(id, 2500) FROM generate_series(1, 150) id;
CREATE INDEX w_val ON w USING ivf (val);
INSERT INTO w SELECT id, dense(id, 2500) FROM generate_series(151, 200) id;
SELECT c.* FROM (SELECT dense(70003, 2500) AS q) q, compare(format('SELECT val <-> %L FROM w ORDER BY 1', q::text)) c;
SELECT count(*), bool_and(n.id = q.id) AS are_own FROM w q CROSS JOIN LATERAL
	(SELECT id FROM w ORDER BY w.val <-> q.val LIMIT 1) n;
DROP TABLE w;

-- indexes on expressions, with a condition, and both
CREATE TABLE e (id int, kind int, val vector(40));
INSERT INTO e SELECT id, id % 4, dense(id, 40) FROM generate_series(1, 800) id;
CREATE INDEX e_half ON e USING ivf ((val::halfvec(40)) halfvec_l2_ops);
CREATE INDEX e_kind ON e USING ivf (val) WHERE kind = 2;
CREATE INDEX e_both ON e USING ivf ((subvector(val, 1, 20)::vector(20)) vector_cosine_ops) WHERE kind = 3;
INSERT INTO e SELECT id, id % 4, dense(id, 40) FROM generate_series(801, 1000) id;
UPDATE e SET kind = 1 WHERE id % 20 = 2;
UPDATE e SET val = dense(id + 9000, 40) WHERE id % 30 = 7;
PREPARE by_half(halfvec) AS SELECT id FROM e ORDER BY val::halfvec(40) <-> $1 LIMIT 5;
PREPARE by_kind(vector) AS SELECT id FROM e WHERE kind = 2 ORDER BY val <-> $1 LIMIT 5;
PREPARE by_both(vector) AS SELECT id FROM e WHERE kind = 3 ORDER BY subvector(val, 1, 20)::vector(20) <=> $1 LIMIT 5;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE by_half(NULL);
EXPLAIN (COSTS OFF) EXECUTE by_kind(NULL);
EXPLAIN (COSTS OFF) EXECUTE by_both(NULL);
RESET plan_cache_mode;
SELECT c.* FROM (SELECT dense(70003, 40) AS q) q,
	compare(format('SELECT val::halfvec(40) <-> %L FROM e ORDER BY 1', q::text)) c;
SELECT c.* FROM (SELECT dense(70003, 40) AS q) q,
	compare(format('SELECT val <-> %L FROM e WHERE kind = 2 ORDER BY 1', q::text)) c;
SELECT c.* FROM (SELECT dense(70003, 20) AS q) q,
	compare(format('SELECT subvector(val, 1, 20)::vector(20) <=> %L FROM e WHERE kind = 3 ORDER BY 1', q::text)) c;
DROP TABLE e;

-- the scan itself computes the expression, and may fail there: what comes after is right all the same
-- (its body names the schema: PostgreSQL 17 builds indexes without the search path)
CREATE FUNCTION touchy(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('regress.fails', true) = public.vector_norm(v)::text THEN
		RAISE 'touched';
	END IF;
	RETURN v;
END $$;
CREATE TABLE x (id int, val vector(40));
INSERT INTO x SELECT id, dense(id, 40) FROM generate_series(1, 300) id;
CREATE INDEX x_val ON x USING ivf ((touchy(val)::vector(40)));
DO $$
DECLARE
	q vector := dense(17, 40);
	nearest int[] := ARRAY(SELECT id FROM x ORDER BY touchy(val)::vector(40) <-> q LIMIT 10);
BEGIN
	ASSERT nearest[1] = 17;
	FOR n IN 1 .. 5 LOOP
		BEGIN
			PERFORM set_config('regress.fails', vector_norm(val)::text, false) FROM x WHERE id = nearest[n];
			PERFORM id FROM x ORDER BY touchy(val)::vector(40) <-> q LIMIT 10;
			RAISE 'no error';
		EXCEPTION WHEN raise_exception THEN
			ASSERT SQLERRM = 'touched', SQLERRM;
		END;
		PERFORM set_config('regress.fails', '', false);
		ASSERT nearest = ARRAY(SELECT id FROM x ORDER BY touchy(val)::vector(40) <-> q LIMIT 10);
	END LOOP;
END $$;
DROP TABLE x;
DROP FUNCTION touchy;

-- an index that was there before the rows is no trap: they wait, are flushed, merged and found
CREATE TABLE p (id int, val vector(64));
CREATE INDEX p_val ON p USING ivf (val) WITH (lists = 16);
SELECT id FROM p ORDER BY val <-> dense(1, 64) LIMIT 1;
INSERT INTO p SELECT id, dense(id, 64) FROM generate_series(1, 1000) id;
SELECT id FROM p ORDER BY val <-> dense(17, 64) LIMIT 1;
SELECT proxima.flush('p_val') ->> 'rows' AS flushed;
INSERT INTO p SELECT id, dense(id, 64) FROM generate_series(1001, 2000) id;
SELECT proxima.flush('p_val') ->> 'rows' AS flushed;
SELECT proxima.merge('p_val') ->> 'rows' AS merged;
SELECT c.* FROM (SELECT dense(70003, 64) AS q) q, compare(format('SELECT val <-> %L FROM p ORDER BY 1', q::text)) c;
SELECT proxima.check_index('p_val') ->> 'sound' AS sound;
TRUNCATE p;
SELECT count(*) FROM (SELECT id FROM p ORDER BY val <-> dense(17, 64)) s;
DROP TABLE p;
-- temporary, unlogged and partitioned tables
CREATE TEMP TABLE k (id int, val vector(2));
INSERT INTO k SELECT i, ARRAY[i, i]::vector FROM generate_series(1, 20) i;
CREATE INDEX ON k USING ivf (val);
SELECT id FROM k ORDER BY val <-> '[3.2,3.2]' LIMIT 2;
DROP TABLE k;
CREATE TABLE k (id int, val vector(2)) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE k1 PARTITION OF k FOR VALUES FROM (0) TO (10);
CREATE UNLOGGED TABLE k2 PARTITION OF k FOR VALUES FROM (10) TO (100);
CREATE INDEX ON k USING ivf (val);
INSERT INTO k SELECT i, ARRAY[i, i]::vector FROM generate_series(1, 20) i;
SELECT id FROM k ORDER BY val <-> '[9.3,9.3]' LIMIT 4;
DROP TABLE k;

-- groups far tighter than 1-bit codes can tell: the effort follows, and there is nothing to warn of
CREATE TABLE p AS SELECT id, (SELECT array_agg(hashint8extended(id % 5 * 1000 + d, 1) % 1000 / 500.0
		+ hashint8extended(id * 1000 + d, 2) % 1000 / 1000000.0 ORDER BY d)::real[] FROM generate_series(1, 72) d)::vector(72) AS val
	FROM generate_series(1, 2020) id;
CREATE TABLE q AS SELECT q.id, q.val, ARRAY(SELECT p.id FROM p WHERE p.id <= 2000 ORDER BY l2_distance(p.val, q.val) LIMIT 10) AS nearest
	FROM p q WHERE id > 2000;
DELETE FROM p WHERE id > 2000;
CREATE INDEX p_val ON p USING ivf (val) WITH (lists = 20, rerank = 'index');
SELECT sum(found) > 190 AS enough FROM q,
	LATERAL (SELECT count(*) AS found FROM (SELECT id FROM p ORDER BY val <-> q.val LIMIT 10) f WHERE id = ANY(nearest)) f;
DROP TABLE p, q;

-- lists that are trained on few rows because of the memory: also by a merge, but not where it has enough
CREATE TABLE p (id int, val vector(72));
INSERT INTO p SELECT id, dense(id, 72) FROM generate_series(1, 9000) id;
SET maintenance_work_mem = '1MB';
\set VERBOSITY default
CREATE INDEX p_val ON p USING ivf (val) WITH (lists = 900);
\set VERBOSITY terse
SET proxima.background_merge = off;
DELETE FROM p WHERE id > 6000;
VACUUM p;
SELECT proxima.merge('p_val') ->> 'rows' AS merged;
CREATE INDEX p_few ON p USING ivf (val) WITH (lists = 90);
SET maintenance_work_mem = '8MB';
REINDEX INDEX p_val;
DELETE FROM p WHERE id % 3 = 0;
VACUUM p;
SELECT proxima.index_stats('p_val') -> 'last_merge' ->> 'rows' AS merged;
RESET maintenance_work_mem;
RESET proxima.background_merge;
DROP TABLE p;

-- a build that keeps its sample: every row once, whatever became of it
CREATE TABLE p (id int, n int, val vector(72)) WITH (fillfactor = 50);
INSERT INTO p SELECT id, 0, CASE WHEN id % 50 = 0 THEN NULL WHEN id % 70 = 1 THEN array_fill(0, ARRAY[72])::vector ELSE dense(id, 72) END
	FROM generate_series(1, 9000) id;
UPDATE p SET n = 1 WHERE id % 3 = 0;
UPDATE p SET val = dense(id + 1, 72) WHERE id % 7 = 3;
DELETE FROM p WHERE id % 11 = 0;
SET maintenance_work_mem = '8MB';
CREATE INDEX p_val ON p USING ivf (val vector_cosine_ops);
CREATE INDEX p_some ON p USING ivf (val) WHERE id % 2 = 0;
RESET maintenance_work_mem;
SELECT count(*), count(DISTINCT id), sum(id) FROM (SELECT id FROM p ORDER BY val <=> dense(1, 72)) s;
SELECT count(*), count(DISTINCT id), sum(id) FROM (SELECT id FROM p WHERE id % 2 = 0 ORDER BY val <-> dense(1, 72)) s;
SELECT count(*), count(DISTINCT id), sum(id), sum((id % 2 = 0)::int) AS some, sum(CASE WHEN id % 2 = 0 THEN id END) AS sum_of_some
	FROM p WHERE val IS NOT NULL;
SELECT proxima.check_index(name) ->> 'sound' AS sound FROM unnest(ARRAY['p_val', 'p_some']) name;
SELECT reltuples FROM pg_class WHERE relname IN ('p_val', 'p_some') ORDER BY 1;
DROP TABLE p;

-- the planner's choice with its own settings
RESET enable_seqscan;
CREATE TABLE p (id int PRIMARY KEY, kind int, val vector(32));
INSERT INTO p SELECT id, id % 300, dense(id, 32) FROM generate_series(1, 3000) id;
CREATE INDEX p_kind ON p (kind);
CREATE INDEX p_val ON p USING ivf (val);
VACUUM ANALYZE p;
SET plan_cache_mode = force_generic_plan;
PREPARE nearest(vector) AS SELECT id FROM p ORDER BY val <-> $1 LIMIT 10;
PREPARE few(vector) AS SELECT id FROM p WHERE kind = 3 ORDER BY val <-> $1 LIMIT 10;
PREPARE sorted(vector) AS SELECT id FROM p ORDER BY val <-> $1;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL);
EXPLAIN (COSTS OFF) EXECUTE few(NULL);
EXPLAIN (COSTS OFF) EXECUTE sorted(NULL);
EXPLAIN (COSTS OFF) SELECT count(val) FROM p;
DELETE FROM p WHERE id > 1000;
VACUUM (FULL, ANALYZE) p;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL);
DROP TABLE p;
DROP FUNCTION dense, answer, compare;
