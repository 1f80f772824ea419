-- Search without an index: the nearest rows by every distance, ties, NULLs, a parallel plan.
CREATE TABLE items (id int PRIMARY KEY, v vector(3));
INSERT INTO items VALUES (1, '[1,0,0]'), (2, '[0,2,0]'), (3, '[0,0,3]'), (4, '[1,1,1]'), (5, NULL), (6, '[0,0,0]');

EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[1,0,0]' LIMIT 3;
SELECT id, v <-> '[1,0,0]' AS distance FROM items ORDER BY distance, id LIMIT 3;
SELECT id, v <#> '[1,1,2]' AS distance FROM items ORDER BY distance, id LIMIT 3;
SELECT id, round((v <=> '[1,1,1]')::numeric, 6) AS distance FROM items ORDER BY distance, id LIMIT 3;
SELECT id, v <+> '[0,0,1]' AS distance FROM items ORDER BY distance, id LIMIT 3;

-- NULL has no distance and sorts last; a zero vector has no direction: NaN, greater than every number
SELECT id, v <-> '[0,0,0]' AS distance FROM items ORDER BY distance, id;
SELECT id, round((v <=> '[1,0,0]')::numeric, 6) AS distance FROM items ORDER BY v <=> '[1,0,0]', id;

SELECT id FROM items WHERE v <-> '[1,0,0]' < 1.5 ORDER BY id;
SELECT id FROM items ORDER BY v <-> '[1,0]' LIMIT 1;
SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 4), id LIMIT 2;
DROP TABLE items;

-- The same answer from parallel workers as from one process
CREATE TABLE points (id int, v vector(3)) WITH (parallel_workers = 2);
INSERT INTO points SELECT i, ARRAY[i % 101, i % 103, i % 107] FROM generate_series(1, 20000) i;
ANALYZE points;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial AS SELECT id, v <-> '[50,50,50]' AS distance FROM points ORDER BY distance, id LIMIT 20;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT id FROM points ORDER BY v <-> '[50,50,50]', id LIMIT 20;
SELECT count(*) AS different FROM (
	(SELECT id, v <-> '[50,50,50]' AS distance FROM points ORDER BY distance, id LIMIT 20)
	EXCEPT SELECT * FROM serial) d;
DROP TABLE points, serial;
