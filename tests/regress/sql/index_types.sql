-- hnsw, ivf and ivfflat on every type: answers, plans, NULLs, zero vectors, expressions, bad input.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS proxima;
RESET client_min_messages;
SET enable_seqscan = off;

-- every operator class of every type and method, with what each is made for
SELECT am.amname, t.typname, c.opcname, c.opcdefault, o.oprname
FROM pg_opclass c
JOIN pg_am am ON am.oid = c.opcmethod AND am.amname IN ('hnsw', 'ivf', 'ivfflat')
JOIN pg_type t ON t.oid = c.opcintype
JOIN pg_amop a ON a.amopfamily = c.opcfamily
JOIN pg_operator o ON o.oid = a.amopopr
ORDER BY 1, 2, 3;
SELECT am.amname, count(*), bool_and(amvalidate(c.oid)) AS valid
FROM pg_opclass c JOIN pg_am am ON am.oid = c.opcmethod WHERE am.amname IN ('hnsw', 'ivf', 'ivfflat')
GROUP BY 1 ORDER BY 1;

-- halfvec
CREATE TABLE h (id int, val halfvec(3));
INSERT INTO h VALUES (1, '[0,0,0]'), (2, '[1,2,3]'), (3, '[1,1,1]'), (4, NULL);
CREATE INDEX h_l2 ON h USING hnsw (val halfvec_l2_ops);
INSERT INTO h VALUES (5, '[1,2,4]');
EXPLAIN (COSTS OFF) SELECT * FROM h ORDER BY val <-> '[3,3,3]';
SELECT *, val <-> '[3,3,3]' AS d FROM h ORDER BY val <-> '[3,3,3]';
SELECT count(*) FROM (SELECT * FROM h ORDER BY val <-> (SELECT NULL::halfvec)) s;
DROP INDEX h_l2;
CREATE INDEX h_cosine ON h USING ivfflat (val halfvec_cosine_ops) WITH (lists = 3);
SELECT *, val <=> '[3,3,3]' AS d FROM h ORDER BY val <=> '[3,3,3]';
SELECT proxima.index_info('h_cosine') - 'segments' AS info;
SELECT * FROM h ORDER BY val <=> '[1,2]';
DROP TABLE h;

-- bit: exact distances, ties and all
CREATE TABLE b (id int, val bit(5), free bit varying(5));
INSERT INTO b VALUES (1, B'00000'), (2, B'11100'), (3, B'11110'), (4, NULL), (5, B'00011');
CREATE INDEX b_hamming ON b USING hnsw (val bit_hamming_ops);
INSERT INTO b VALUES (6, B'11111');
EXPLAIN (COSTS OFF) SELECT * FROM b ORDER BY val <~> B'11111' LIMIT 3;
SELECT id, val, val <~> B'11111' AS d FROM b ORDER BY val <~> B'11111';
SELECT * FROM b ORDER BY val <~> B'111';
DROP INDEX b_hamming;
CREATE INDEX b_jaccard ON b USING hnsw (val bit_jaccard_ops);
SELECT id, val, val <%> B'11111' AS d FROM b ORDER BY val <%> B'11111';
SELECT id, val <%> B'00000' AS d FROM b ORDER BY val <%> B'00000' LIMIT 2;
CREATE INDEX ON b USING hnsw (free bit_hamming_ops);
CREATE INDEX ON b USING ivfflat (free bit_hamming_ops);
CREATE INDEX b_free ON b USING hnsw ((free::bit(3)) bit_hamming_ops);
SELECT proxima.index_info('b_free') - 'segments' AS info;
CREATE INDEX ON b USING hnsw ((val::bit(64001)) bit_hamming_ops);
CREATE INDEX ON b USING ivfflat ((val::bit(64001)) bit_hamming_ops);
DROP TABLE b;

-- the longest bit string
CREATE TABLE b (id int, val bit(64000));
INSERT INTO b SELECT i, (repeat(i::bit(5)::text, 12800))::bit(64000) FROM generate_series(1, 20) i;
CREATE INDEX b_val ON b USING hnsw (val bit_hamming_ops);
INSERT INTO b VALUES (21, repeat('10101', 12800)::bit(64000));
SELECT id, val <~> repeat('10101', 12800)::bit(64000) AS d FROM b
	ORDER BY val <~> repeat('10101', 12800)::bit(64000) LIMIT 3;
SELECT proxima.check_index('b_val') ->> 'sound' AS sound;
DROP TABLE b;

-- sparsevec
CREATE TABLE s (id int, val sparsevec(1000));
INSERT INTO s VALUES (1, '{}/1000'), (2, '{1:1,5:2,900:3}/1000'), (3, '{1:1,5:1,900:1}/1000'), (4, NULL);
CREATE INDEX s_l2 ON s USING hnsw (val sparsevec_l2_ops);
INSERT INTO s VALUES (5, '{1:1,5:2,900:4}/1000'), (6, '{7:1}/1000');
EXPLAIN (COSTS OFF) SELECT * FROM s ORDER BY val <-> '{1:3,5:3,900:3}/1000';
SELECT *, val <-> '{1:3,5:3,900:3}/1000' AS d FROM s ORDER BY val <-> '{1:3,5:3,900:3}/1000';
SELECT * FROM s ORDER BY val <-> '{1:1}/999';
DROP INDEX s_l2;
CREATE INDEX s_ip ON s USING hnsw (val sparsevec_ip_ops);
SELECT *, val <#> '{1:3,5:3,7:1,900:3}/1000' AS d FROM s ORDER BY val <#> '{1:3,5:3,7:1,900:3}/1000';
DROP INDEX s_ip;
CREATE INDEX s_cosine ON s USING hnsw (val sparsevec_cosine_ops);
SELECT *, val <=> '{1:3,5:3,900:3}/1000' AS d FROM s ORDER BY val <=> '{1:3,5:3,900:3}/1000';
SELECT count(*) FROM (SELECT * FROM s ORDER BY val <=> '{}/1000') q;
DROP INDEX s_cosine;
CREATE INDEX s_l1 ON s USING hnsw (val sparsevec_l1_ops);
SELECT *, val <+> '{1:3,5:3,900:3}/1000' AS d FROM s ORDER BY val <+> '{1:3,5:3,900:3}/1000';
DROP TABLE s;
-- more elements than a page holds, in a segment and pending
CREATE TABLE s (id int, val sparsevec(1000000000));
INSERT INTO s SELECT i, ('{' || string_agg(k * i || ':' || 1 + k % i, ',') || '}/1000000000')::sparsevec
	FROM generate_series(1, 8) i, generate_series(1, 16000) k WHERE k % (i * i) = 0 GROUP BY i;
CREATE INDEX s_val ON s USING hnsw (val sparsevec_l2_ops);
INSERT INTO s SELECT id + 8, val FROM s;
SELECT array_agg(id) FROM (SELECT id FROM s ORDER BY val <-> (SELECT val FROM s WHERE id = 1) LIMIT 4) q;
SELECT count(*) FROM (SELECT id FROM s ORDER BY val <-> (SELECT val FROM s WHERE id = 1)) q;
DELETE FROM s WHERE id % 2 = 0;
VACUUM s;
SELECT proxima.check_index('s_val') AS checked;
REINDEX INDEX s_val;
SELECT array_agg(id) FROM (SELECT id FROM s ORDER BY val <-> (SELECT val FROM s WHERE id = 1)) q;
SELECT proxima.check_index('s_val') ->> 'sound' AS sound;
TRUNCATE s;
SELECT id FROM s ORDER BY val <-> '{1:1}/1000000000';
DROP TABLE s;

-- the widest halfvec
CREATE TABLE h (id int, val halfvec(16000));
INSERT INTO h SELECT i, array_fill(i, ARRAY[16000])::halfvec FROM generate_series(1, 5) i;
CREATE INDEX h_val ON h USING hnsw (val halfvec_l2_ops);
SELECT id FROM h ORDER BY val <-> array_fill(3, ARRAY[16000])::halfvec LIMIT 1;
DROP TABLE h;

-- quantised by expression, as pgvector's documentation shows
CREATE TABLE q (id int, val vector(4));
INSERT INTO q SELECT i, ARRAY[i % 3 - 1, i % 5 - 2, i % 7 - 3, 1]::vector FROM generate_series(1, 60) i;
CREATE INDEX ON q USING hnsw ((binary_quantize(val)::bit(4)) bit_hamming_ops);
CREATE INDEX ON q USING hnsw ((val::halfvec(4)) halfvec_l2_ops);
CREATE INDEX ON q USING hnsw ((subvector(val, 1, 2)::vector(2)) vector_cosine_ops);
EXPLAIN (COSTS OFF) SELECT id FROM
	(SELECT * FROM q ORDER BY binary_quantize(val)::bit(4) <~> binary_quantize('[1,-2,3,1]'::vector) LIMIT 20) s
	ORDER BY val <=> '[1,-2,3,1]' LIMIT 5;
SELECT id, val FROM
	(SELECT * FROM q ORDER BY binary_quantize(val)::bit(4) <~> binary_quantize('[1,-2,3,1]'::vector) LIMIT 20) s
	ORDER BY val <-> '[1,-2,3,1]', id LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM q ORDER BY val::halfvec(4) <-> '[1,-2,3,1]' LIMIT 5;
DROP TABLE q;

-- ivfflat: options and settings of pgvector
CREATE TABLE i (id int, val vector(3), one vector(1), free vector);
INSERT INTO i SELECT n, ARRAY[n, n % 7, n % 11]::vector FROM generate_series(1, 300) n;
CREATE INDEX ON i USING ivfflat (val vector_l2_ops) WITH (lists = 0);
CREATE INDEX ON i USING ivfflat (val vector_l2_ops) WITH (lists = 32769);
CREATE INDEX ON i USING ivfflat (val vector_l2_ops) WITH (m = 16);
CREATE INDEX ON i USING ivfflat (val vector_l1_ops);
CREATE INDEX ON i USING ivfflat (one vector_cosine_ops);
CREATE INDEX ON i USING ivfflat (one vector_ip_ops);
CREATE INDEX ON i USING ivfflat (free vector_l2_ops);
CREATE INDEX i_val ON i USING ivfflat (val) WITH (lists = 10);
SHOW ivfflat.probes;
SHOW ivfflat.iterative_scan;
SHOW ivfflat.max_probes;
SET ivfflat.probes = 0;
SET ivfflat.probes = 32769;
SET ivfflat.max_probes = 0;
SET ivfflat.iterative_scan = on;
SET ivfflat.iterative_scan = strict_order;
-- Reserved since PostgreSQL 15.
DO $$
BEGIN
	SET ivfflat.unknown = 1;
	IF current_setting('server_version_num')::int >= 150000 THEN
		RAISE 'not reserved';
	END IF;
EXCEPTION WHEN invalid_name THEN
END $$;
SELECT id FROM i ORDER BY val <-> '[100.1,2,1]' LIMIT 3;
SELECT count(*) FROM (SELECT id FROM i ORDER BY val <-> '[100,2,1]') q;
SET ivfflat.iterative_scan = off;
SELECT count(*) BETWEEN 5 AND 300 AS some FROM (SELECT id FROM i ORDER BY val <-> '[100,2,1]') q;
SET ivfflat.probes = 10;
SELECT count(*) FROM (SELECT id FROM i ORDER BY val <-> '[100,2,1]') q;
SET ivfflat.probes = 100;
SELECT count(*) FROM (SELECT id FROM i ORDER BY val <-> '[100,2,1]') q;
RESET ivfflat.probes;
RESET ivfflat.iterative_scan;
ALTER INDEX i_val SET (lists = 20);
REINDEX INDEX CONCURRENTLY i_val;
SELECT id FROM i ORDER BY val <-> '[100.1,2,1]' LIMIT 3;
DROP TABLE i;

-- an index that was there before the rows: all lists are all rows
CREATE TABLE e (id int, val vector(3));
CREATE INDEX e_val ON e USING ivfflat (val) WITH (lists = 10);
INSERT INTO e SELECT n, ARRAY[n, n % 7, n % 11]::vector FROM generate_series(1, 3000) n;
SET ivfflat.iterative_scan = off;
SET ivfflat.probes = 10;
SELECT count(*) FROM (SELECT id FROM e ORDER BY val <-> '[100,2,1]') q;
RESET ivfflat.probes;
RESET ivfflat.iterative_scan;

-- dead rows do not use up the list of a scan that is not iterative
CREATE INDEX e_hnsw ON e USING hnsw (val);
DROP INDEX e_val;
DELETE FROM e WHERE id % 10 <> 0;
VACUUM e;
SET hnsw.iterative_scan = off;
SELECT array_agg(id) FROM (SELECT id FROM e ORDER BY val <-> '[1000,2,1]' LIMIT 5) q;
SELECT count(*) FROM (SELECT id FROM e ORDER BY val <-> '[1000,2,1]') q;
RESET hnsw.iterative_scan;
DROP TABLE e;

-- nor do rows that come first because the index does not know their place
CREATE TABLE s (id int, val sparsevec(3000));
CREATE INDEX s_val ON s USING hnsw (val sparsevec_l2_ops);
INSERT INTO s SELECT i, ('{' || i || ':1}/3000')::sparsevec FROM generate_series(1, 100) i;
INSERT INTO s SELECT 1000 + i, (array_fill(i, ARRAY[3000]))::vector::sparsevec FROM generate_series(1, 60) i;
SET hnsw.iterative_scan = off;
SELECT array_agg(id) FROM (SELECT id FROM s ORDER BY val <-> '{5:1}/3000' LIMIT 1) q;
RESET hnsw.iterative_scan;
SET hnsw.max_scan_tuples = 50;
SELECT array_agg(id) FROM (SELECT id FROM s ORDER BY val <-> '{5:1}/3000' LIMIT 1) q;
RESET hnsw.max_scan_tuples;
DROP TABLE s;

-- order by two distances: the index knows one of them
CREATE TABLE b (id int, val bit(16));
INSERT INTO b SELECT i, (i * 7919 % 65536)::bit(16) FROM generate_series(1, 2000) i;
CREATE INDEX b_val ON b USING hnsw (val bit_hamming_ops);
EXPLAIN (COSTS OFF) SELECT id FROM b ORDER BY val <~> B'0101010101010101', val <~> B'1111000011110000' LIMIT 8;
CREATE TEMP TABLE by_index AS SELECT val <~> B'0101010101010101' AS a, val <~> B'1111000011110000' AS b FROM b
	ORDER BY val <~> B'0101010101010101', val <~> B'1111000011110000' LIMIT 100;
SET enable_seqscan = on;
SET enable_indexscan = off;
SELECT count(*) FROM (
	(SELECT * FROM by_index) EXCEPT ALL
	(SELECT val <~> B'0101010101010101', val <~> B'1111000011110000' FROM b ORDER BY 1, 2 LIMIT 100)) differ;
RESET enable_indexscan;
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM b ORDER BY val <~> (SELECT NULL::bit(16)), val <~> B'1111000011110000') q;
DROP TABLE b;
