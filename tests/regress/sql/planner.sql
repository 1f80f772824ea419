-- The planner's choice with its own settings: the index for ORDER BY ... LIMIT, something else where a condition makes
-- that cheaper, never without an order.
CREATE TABLE p (id int PRIMARY KEY, kind int, val vector(32));
INSERT INTO p SELECT i, i % 2000, (SELECT array_agg((hashint8extended(i * 64 + d, 1) % 1000)::real ORDER BY d) FROM generate_series(1, 32) d)::vector
	FROM generate_series(1, 20000) i;
CREATE INDEX p_kind ON p (kind);
CREATE INDEX p_val ON p USING hnsw (val vector_l2_ops);
CREATE INDEX p_part ON p USING hnsw (val vector_l2_ops) WHERE id <= 10;
VACUUM ANALYZE p;
SET plan_cache_mode = force_generic_plan;
PREPARE nearest(vector) AS SELECT id FROM p ORDER BY val <-> $1 LIMIT 10;
PREPARE most(vector) AS SELECT id FROM p WHERE kind < 1500 ORDER BY val <-> $1 LIMIT 10;
PREPARE few(vector) AS SELECT id FROM p WHERE kind = 3 ORDER BY val <-> $1 LIMIT 10;
PREPARE one(vector) AS SELECT id FROM p WHERE id = 5 ORDER BY val <-> $1 LIMIT 10;
PREPARE sorted(vector) AS SELECT id FROM p ORDER BY val <-> $1;
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL);
EXPLAIN (COSTS OFF) EXECUTE most(NULL);
-- ten rows, one row: the btree and a sort
EXPLAIN (COSTS OFF) EXECUTE few(NULL);
EXPLAIN (COSTS OFF) EXECUTE one(NULL);
-- everything: a scan and a sort
EXPLAIN (COSTS OFF) EXECUTE sorted(NULL);
-- no order: never the index
EXPLAIN (COSTS OFF) SELECT count(val) FROM p;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(val) FROM p WHERE id <= 10 AND kind IS NOT NULL;
DROP TABLE p;
