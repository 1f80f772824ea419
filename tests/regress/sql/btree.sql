-- Order: btree indexes, DISTINCT, GROUP BY, joins, statistics.
SET enable_seqscan = off;

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), (NULL);
CREATE INDEX ON t (val);

EXPLAIN (COSTS OFF) SELECT * FROM t WHERE val = '[1,2,3]';
SELECT * FROM t WHERE val = '[1,2,3]';
SELECT * FROM t ORDER BY val LIMIT 1;
SELECT * FROM t WHERE val > '[0,0,0]' ORDER BY val DESC;
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY val;
SELECT * FROM t ORDER BY val;
DROP TABLE t;

-- Different dimensions in one column have an order, like arrays
CREATE TABLE t (id int, val vector);
INSERT INTO t VALUES (1, '[1,2]'), (2, '[1]'), (3, '[1,2,3]'), (4, '[0,9,9,9]'), (5, '[1,2]'), (6, NULL), (7, '[-0]'), (8, '[0]');
CREATE INDEX ON t (val);
SELECT id, val FROM t WHERE val IS NOT NULL ORDER BY val, id;
SELECT DISTINCT val FROM t WHERE val > '[0]' ORDER BY val;
SELECT val, count(*) FROM t WHERE val > '[0]' GROUP BY val ORDER BY val;
SELECT a.id, b.id FROM t a JOIN t b USING (val) WHERE a.id < b.id ORDER BY 1, 2;
ANALYZE t;
SELECT attname, n_distinct IS NOT NULL AS analysed FROM pg_stats WHERE tablename = 't' ORDER BY attname;
DROP TABLE t;

-- Unique indexes
CREATE TABLE t (val vector(2) UNIQUE);
INSERT INTO t VALUES ('[1,2]');
INSERT INTO t VALUES ('[1.0,2.0]');
INSERT INTO t VALUES ('[1,3]') ON CONFLICT (val) DO NOTHING;
INSERT INTO t VALUES ('[1,3]') ON CONFLICT (val) DO NOTHING;
SELECT * FROM t ORDER BY val;
DROP TABLE t;

-- A sort of many vectors, some of them out of line
CREATE TABLE t (id int, val vector);
INSERT INTO t SELECT i, array_fill((i * 37 % 1000)::real, ARRAY[CASE WHEN i % 10 = 0 THEN 1500 ELSE 3 END])::vector
FROM generate_series(1, 2000) i;
SELECT count(*) AS out_of_order
FROM (SELECT val, lag(val) OVER (ORDER BY val) AS previous FROM t) s WHERE previous > val;
CREATE INDEX ON t (vector_dims(val), (val::text COLLATE "C")) WHERE vector_dims(val) = 3;
DROP TABLE t;

-- The same for halfvec
CREATE TABLE t (id int, val halfvec);
INSERT INTO t VALUES (1, '[1,2]'), (2, '[1]'), (3, '[1,2,3]'), (4, '[0,9,9,9]'), (5, '[1,2]'), (6, NULL), (7, '[-0]'), (8, '[0]');
CREATE INDEX ON t (val);
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE val = '[1,2]';
SELECT id FROM t WHERE val = '[1,2]' ORDER BY id;
SELECT id, val FROM t WHERE val IS NOT NULL ORDER BY val, id;
SELECT DISTINCT val FROM t WHERE val > '[0]' ORDER BY val;
SELECT val, count(*) FROM t WHERE val > '[0]' GROUP BY val ORDER BY val DESC;
SELECT a.id, b.id FROM t a JOIN t b USING (val) WHERE a.id < b.id ORDER BY 1, 2;
ANALYZE t;
SELECT attname, n_distinct FROM pg_stats WHERE tablename = 't' AND attname = 'val';
CREATE UNIQUE INDEX ON t (val) WHERE id > 7;
INSERT INTO t VALUES (9, '[-0.0]');
INSERT INTO t VALUES (9, '[0.5]');
INSERT INTO t VALUES (10, '[0.5]') ON CONFLICT DO NOTHING;
SELECT id, val FROM t WHERE id > 5 ORDER BY val, id;
DROP TABLE t;

-- The same for sparsevec
CREATE TABLE t (id int, val sparsevec);
INSERT INTO t VALUES (1, '{1:1,2:2}/2'), (2, '{1:1}/1'), (3, '{1:1,2:2,3:3}/3'), (4, '{2:9,3:9}/9'), (5, '{1:1,2:2}/2'), (6, NULL),
	(7, '{}/1'), (8, '{}/1000000000'), (9, '{3:-1}/3'), (10, '{1:-1}/1');
CREATE INDEX ON t (val);
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE val = '{1:1,2:2}/2';
SELECT id FROM t WHERE val = '{1:1,2:2}/2' ORDER BY id;
SELECT id, val FROM t WHERE val IS NOT NULL ORDER BY val, id;
SELECT DISTINCT val FROM t WHERE val > '{}/1' ORDER BY val;
SELECT val, count(*) FROM t WHERE val > '{}/1' GROUP BY val ORDER BY val DESC;
SELECT a.id, b.id FROM t a JOIN t b USING (val) WHERE a.id < b.id ORDER BY 1, 2;
ANALYZE t;
SELECT attname, n_distinct FROM pg_stats WHERE tablename = 't' AND attname = 'val';
CREATE UNIQUE INDEX ON t (val) WHERE id > 5;
INSERT INTO t VALUES (11, '{1:0}/1');
INSERT INTO t VALUES (12, '{1:0}/1') ON CONFLICT DO NOTHING;
SELECT id, val FROM t WHERE id > 5 ORDER BY val, id;
DROP TABLE t;

-- Sorts of many, some of them out of line
CREATE TABLE t AS SELECT array_fill((i * 37 % 1000)::real, ARRAY[CASE WHEN i % 10 = 0 THEN 2500 ELSE 3 END]) AS val
FROM generate_series(1, 2000) i;
ALTER TABLE t ADD half halfvec, ADD sparse sparsevec;
UPDATE t SET half = val, sparse = val;
SELECT count(*) FILTER (WHERE previous > half) AS halfvec_out_of_order
FROM (SELECT half, lag(half) OVER (ORDER BY half) AS previous FROM t) s;
SELECT count(*) FILTER (WHERE previous > sparse) AS sparsevec_out_of_order
FROM (SELECT sparse, lag(sparse) OVER (ORDER BY sparse) AS previous FROM t) s;
DROP TABLE t;

-- The catalogue
SELECT opfname, amopstrategy, amopopr::regoperator FROM pg_amop JOIN pg_opfamily f ON f.oid = amopfamily
WHERE opfname IN ('vector_ops', 'halfvec_ops', 'sparsevec_ops') AND opfmethod = (SELECT oid FROM pg_am WHERE amname = 'btree')
ORDER BY opfname, amopstrategy;
SELECT opcname, opcintype::regtype, opcdefault, amproc::regproc FROM pg_opclass JOIN pg_amproc ON amprocfamily = opcfamily
WHERE opcname IN ('vector_ops', 'halfvec_ops', 'sparsevec_ops') AND opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree')
ORDER BY opcname;
SELECT oprname, oprcom::regoperator AS commutator, oprnegate::regoperator AS negator, oprrest, oprjoin,
	oprcanmerge, oprcanhash
FROM pg_operator WHERE oprleft = oprright AND oprleft IN ('vector'::regtype, 'halfvec'::regtype, 'sparsevec'::regtype)
ORDER BY oprleft::regtype::text DESC, oprname COLLATE "C";
