-- avg and sum: values, NULLs, overflow, state arrays from users, groups, windows, parallel plans.
\set VERBOSITY default

SELECT avg(v) FROM unnest(ARRAY['[1,2,3]'::vector, '[3,5,7]']) v;
SELECT avg(v) FROM unnest(ARRAY['[1,2,3]'::vector, '[3,5,7]', NULL]) v;
SELECT avg(v) IS NULL AS of_nothing FROM unnest(ARRAY[]::vector[]) v;
SELECT avg(v) IS NULL AS of_nulls FROM unnest(ARRAY[NULL, NULL]::vector[]) v;
SELECT avg(v) FROM unnest(ARRAY['[1,2]'::vector, '[3]']) v;
SELECT avg(v) FROM unnest(ARRAY['[3e38]'::vector, '[3e38]']) v;
SELECT sum(v) FROM unnest(ARRAY['[1,2,3]'::vector, '[3,5,7]']) v;
SELECT sum(v) FROM unnest(ARRAY['[1,2,3]'::vector, '[3,5,7]', NULL]) v;
SELECT sum(v) IS NULL AS of_nothing FROM unnest(ARRAY[]::vector[]) v;
SELECT sum(v) FROM unnest(ARRAY['[1,2]'::vector, '[3]']) v;
SELECT sum(v) FROM unnest(ARRAY['[3e38]'::vector, '[3e38]']) v;

-- The functions by hand
SELECT vector_accum('{0}', '[1,2,3]');
SELECT vector_accum('{0,0,0,0}', '[1,2,3]');
SELECT vector_accum('{1,1,2,3}', '[3,5,7]');
SELECT vector_accum('{}', '[1,2,3]');
SELECT vector_accum('{{0}}', '[1,2,3]');
SELECT vector_accum('{NULL}', '[1,2,3]');
SELECT vector_accum('{0,0}', '[1,2,3]');
SELECT vector_accum('{1,1.7e308}', '[3e38]');
SELECT vector_accum('{1,Infinity}', '[3e38]');
SELECT vector_combine('{1,2}', '{3,4}');
SELECT vector_combine('{0}', '{3,4}');
SELECT vector_combine('{1,2}', '{0}');
SELECT vector_combine('{0}', '{0}');
SELECT vector_combine('{1,1e308}', '{1,1e308}');
SELECT vector_combine('{0,5}', '{1,2}'), vector_combine('{3}', '{1,2}'), vector_combine('{1,2}', '{3}'), vector_combine('{1}', '{2}');
SELECT vector_combine('{1,2}', '{1,2,3}');
SELECT vector_combine('{{1,2}}', '{3,4}');
SELECT vector_combine('{1,2}', '{{3,4}}');
SELECT vector_combine('{}', '{0}');
SELECT vector_combine('{0}', '{}');
SELECT vector_avg('{2,4,7}');
SELECT vector_avg('{0}') IS NULL AS of_nothing;
SELECT vector_avg('{1}');
SELECT vector_avg('{}');
SELECT vector_avg('{NaN,1}');
SELECT vector_avg('{1,1e300}');
SELECT vector_avg(array_agg(n)) FROM generate_series(1, 16002) n;
SELECT vector_combine('{0}', (SELECT array_agg(n) FROM generate_series(1, 16002) n));
\set VERBOSITY sqlstate
SELECT vector_avg('{}');
SELECT vector_combine('{1,1e308}', '{1,1e308}');
\set VERBOSITY default

-- halfvec: the same, in double precision between halves
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]'::halfvec, '[3,5,7]', NULL]) v;
SELECT avg(v) IS NULL AS of_nothing, sum(v) IS NULL AS sum_of_nothing FROM unnest(ARRAY[]::halfvec[]) v;
SELECT avg(v) IS NULL AS of_nulls FROM unnest(ARRAY[NULL, NULL]::halfvec[]) v;
SELECT avg(v) FROM unnest(ARRAY['[1,2]'::halfvec, '[3]']) v;
SELECT sum(v) FROM unnest(ARRAY['[1,2]'::halfvec, '[3]']) v;
SELECT avg(v) FROM unnest(ARRAY['[65504]'::halfvec, '[65504]']) v;
SELECT sum(v) FROM unnest(ARRAY['[65504]'::halfvec, '[65504]']) v;
SELECT halfvec_accum('{0}', '[1,2,3]'), halfvec_accum('{1,1,2,3}', '[3,5,7]'), halfvec_combine('{1,2}', '{3,4}'),
	halfvec_combine('{0}', '{3,4}'), halfvec_avg('{2,4,7}'), halfvec_avg('{0}') IS NULL AS of_nothing;
SELECT halfvec_accum('{}', '[1,2,3]');
SELECT halfvec_accum('{NULL}', '[1,2,3]');
SELECT halfvec_accum('{0,0}', '[1,2,3]');
SELECT halfvec_avg('{{1}}');
SELECT halfvec_avg('{1}');
SELECT halfvec_avg('{1,65520}');
SELECT halfvec_avg('{1,1e300}');
SELECT halfvec_avg('{1,NaN}');
SELECT halfvec_avg(array_agg(n)) FROM generate_series(1, 16002) n;
-- the symbol behind it is vector_combine, also for pgvector
SELECT halfvec_combine('{}', '{0}');
\set VERBOSITY sqlstate
SELECT halfvec_avg('{{1}}');
SELECT halfvec_avg('{1,65520}');
SELECT sum(v) FROM unnest(ARRAY['[65504]'::halfvec, '[65504]']) v;
\set VERBOSITY default

-- A state that is a stored value must not change under the caller's hands
CREATE TABLE states AS SELECT '{1,1,2,3}'::float8[] AS state;
SELECT vector_accum(state, '[1,1,1]') FROM states;
SELECT * FROM states;
DROP TABLE states;

-- Groups and windows, against the same computed from the elements
CREATE TABLE t (id int, g int, v vector(3));
INSERT INTO t SELECT i, i % 4, ARRAY[i, i % 7, -i] FROM generate_series(1, 100) i;
INSERT INTO t VALUES (101, 4, NULL);
SELECT g, avg(v), sum(v), count(v) FROM t GROUP BY g ORDER BY g;
SELECT g, avg(id), avg(id % 7), sum(id % 7) FROM t WHERE v IS NOT NULL GROUP BY g ORDER BY g;
SELECT id, avg(v) OVER w, sum(v) OVER w FROM t WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) ORDER BY id LIMIT 4;
SELECT id, avg(v) OVER (ORDER BY id), sum(v) OVER (ORDER BY id) FROM t ORDER BY id LIMIT 4;
SELECT avg(v), avg(v) FILTER (WHERE g = 1) FROM t;
DROP TABLE t;

-- Parallel plans combine states, also those of workers that saw nothing
CREATE TABLE t (id int, v vector(3)) WITH (parallel_workers = 2);
INSERT INTO t SELECT i, ARRAY[i, 1, -1] FROM generate_series(1, 20000) i;
ANALYZE t;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v) FROM t;
SELECT avg(v), sum(v - ARRAY[id, 0, 0]::vector) FROM t;
SELECT avg(v) IS NULL AS of_nothing, sum(v) IS NULL AS sum_of_nothing FROM t WHERE id < 0;
SELECT avg(v), sum(v) FROM t WHERE id = 7;
EXPLAIN (COSTS OFF) SELECT avg(v::halfvec), sum(v::halfvec) FROM t WHERE id <= 200;
SELECT avg(v::halfvec), sum(v::halfvec) FROM t WHERE id <= 200;
DROP TABLE t;
