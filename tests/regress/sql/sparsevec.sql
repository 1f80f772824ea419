-- The type sparsevec: text form, type modifiers, operators and functions, with every edge value.
\set VERBOSITY default

-- Text input: what is accepted
SELECT '{1:1.5,3:3.5}/5'::sparsevec;
SELECT '{1:-2,3:-4}/5'::sparsevec;
SELECT '{1:2.,+3:4.}/5'::sparsevec;
SELECT E' \t\n\r\x0B\f{ \t\n\r\x0B\f1 \t\n\r\x0B\f: \t\n\r\x0B\f1.5 , 3  :  3.5  } \t\n\r\x0B\f/ \t\n\r\x0B\f5 \t\n\r\x0B\f'::sparsevec;
SELECT '{1:1.23456,2:1.5e38,3:-1.5e-38,4:1e-45,5:0x10}/5'::sparsevec;
SELECT '{}/5'::sparsevec, ' { } / 5 '::sparsevec, '{}/1000000000'::sparsevec, '{1000000000:1}/1000000000'::sparsevec;
-- any order; zeros of every kind are left out, whatever their index
SELECT '{2:1,1:1}/2'::sparsevec, '{1:0,2:1,3:0}/3'::sparsevec, '{1:-0,2:0.0e5,3:0x0p3,4:.0}/4'::sparsevec, '{9:0}/1'::sparsevec;

-- Text input: what is refused
SELECT '{1:hello,2:1}/2'::sparsevec;
SELECT '{1:NaN,2:1}/2'::sparsevec;
SELECT '{1:Infinity,2:1}/2'::sparsevec;
SELECT '{1:-Infinity,2:1}/2'::sparsevec;
SELECT '{1:4e38,2:1}/2'::sparsevec;
SELECT '{1:-4e38,2:1}/2'::sparsevec;
-- what is too small would not be stored
SELECT '{1:1e-46,2:1}/2'::sparsevec;
SELECT '{1:-1e-46,2:1}/2'::sparsevec;
SELECT '{1:0x1p-200}/2'::sparsevec;
SELECT ''::sparsevec;
SELECT '1:1'::sparsevec;
SELECT '{'::sparsevec;
SELECT '{ '::sparsevec;
SELECT '{:'::sparsevec;
SELECT '{,'::sparsevec;
SELECT '{}'::sparsevec;
SELECT '{1:1}'::sparsevec;
SELECT '{}/'::sparsevec;
SELECT '{}/a'::sparsevec;
SELECT '{}/1a'::sparsevec;
SELECT '{}/1 1'::sparsevec;
SELECT '{:}/1'::sparsevec;
SELECT '{,}/1'::sparsevec;
SELECT '{1,}/1'::sparsevec;
SELECT '{:1}/1'::sparsevec;
SELECT '{1:}/1'::sparsevec;
SELECT '{1a:1}/1'::sparsevec;
SELECT '{1:1a}/1'::sparsevec;
SELECT '{1:1,}/1'::sparsevec;
SELECT '{1:1 2:1}/2'::sparsevec;
SELECT '{1:1,1:1}/2'::sparsevec;
SELECT '{1:1,2:1,1:1}/2'::sparsevec;
SELECT '{}/0'::sparsevec;
SELECT '{}/-1'::sparsevec;
SELECT '{}/1000000001'::sparsevec;
SELECT '{}/2147483648'::sparsevec;
SELECT '{}/-2147483649'::sparsevec;
SELECT '{}/9223372036854775808'::sparsevec;
SELECT '{}/-9223372036854775809'::sparsevec;
SELECT '{2147483647:1}/1'::sparsevec;
SELECT '{2147483648:1}/1'::sparsevec;
SELECT '{-2147483648:1}/1'::sparsevec;
SELECT '{-2147483649:1}/1'::sparsevec;
SELECT '{0:1}/1'::sparsevec;
SELECT '{2:1}/1'::sparsevec;
CREATE FUNCTION many(count int) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$SELECT '{' || string_agg(i || ':1', ',') || '}/20000' FROM generate_series(1, count) i$$;
SELECT length(many(16000)::sparsevec::text), many(16000)::sparsevec::text = many(16000) AS round_trip;
SELECT many(16001)::sparsevec;

-- The same errors by SQLSTATE
\set VERBOSITY sqlstate
SELECT '{1:hello}/2'::sparsevec;
SELECT '{}'::sparsevec;
SELECT '{1:NaN}/2'::sparsevec;
SELECT '{1:Infinity}/2'::sparsevec;
SELECT '{1:4e38}/2'::sparsevec;
SELECT '{1:1e-46}/2'::sparsevec;
SELECT '{1:1,1:1}/2'::sparsevec;
SELECT '{2:1}/1'::sparsevec;
SELECT '{}/0'::sparsevec;
SELECT '{}/1000000001'::sparsevec;
SELECT many(16001)::sparsevec;
SELECT '{}/3'::sparsevec(2);
SELECT '{}/3'::sparsevec(3, 2);
SELECT '{}/3'::sparsevec(0);
SELECT '{}/3'::sparsevec(1000000001);
SELECT '{}/2'::sparsevec <-> '{}/1';
\set VERBOSITY default
DROP FUNCTION many;

-- Type modifiers
SELECT '{}/3'::sparsevec(3);
SELECT '{}/3'::sparsevec(2);
SELECT '{}/3'::sparsevec(3, 2);
SELECT '{}/3'::sparsevec('a');
SELECT '{}/3'::sparsevec(0);
SELECT '{}/3'::sparsevec(1000000001);
SELECT format_type('sparsevec'::regtype, 3), format_type('sparsevec'::regtype, -1);
CREATE TABLE typmod (a sparsevec, b sparsevec(3), c sparsevec(1000000000));
SELECT attname, atttypmod FROM pg_attribute WHERE attrelid = 'typmod'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO typmod (b) VALUES ('{}/2');
INSERT INTO typmod (b) VALUES ('{3:1}/3') RETURNING b;
DROP TABLE typmod;

-- Arrays of vectors
SELECT unnest('{"{1:1,3:3}/3", "{}/3"}'::sparsevec[]);
SELECT '{"{}/3"}'::sparsevec(2)[];

-- The type in the catalogue
SELECT typlen, typbyval, typalign, typstorage, typcategory, typispreferred, typdelim, typcollation, typsubscript,
	typanalyze, typmodout, typarray::regtype
FROM pg_type WHERE oid = 'sparsevec'::regtype;

-- Order: that of the dense vectors
SELECT sparsevec_cmp('{1:1,2:2,3:3}/3', '{1:1,2:2,3:3}/3'), sparsevec_cmp('{1:1,2:2,3:3}/3', '{}/3'),
	sparsevec_cmp('{}/3', '{1:1,2:2,3:3}/3'), sparsevec_cmp('{1:1,2:2}/2', '{1:1,2:2,3:3}/3'),
	sparsevec_cmp('{1:1,2:2,3:3}/3', '{1:1,2:2}/2'), sparsevec_cmp('{1:1,2:2}/2', '{1:2,2:3,3:4}/3'),
	sparsevec_cmp('{1:2,2:3}/2', '{1:1,2:2,3:3}/3'), sparsevec_cmp('{}/1', '{}/2');
SELECT '{1:1,2:2,3:3}/3'::sparsevec < '{1:1,2:2}/2' AS lt, '{1:1,2:2,3:3}/3'::sparsevec <= '{1:1,2:2}/2' AS le,
	'{1:1,2:2,3:3}/3'::sparsevec = '{1:1,2:2}/2' AS eq, '{1:1,2:2,3:3}/3'::sparsevec <> '{1:1,2:2}/2' AS ne,
	'{1:1,2:2,3:3}/3'::sparsevec >= '{1:1,2:2}/2' AS ge, '{1:1,2:2,3:3}/3'::sparsevec > '{1:1,2:2}/2' AS gt;
SELECT '{1:1}/3'::sparsevec < '{1:1}/3' AS lt, '{1:1}/3'::sparsevec <= '{1:1}/3' AS le, '{1:1}/3'::sparsevec = '{1:1}/3' AS eq,
	'{1:1}/3'::sparsevec <> '{1:1}/3' AS ne, '{1:1}/3'::sparsevec >= '{1:1}/3' AS ge, '{1:1}/3'::sparsevec > '{1:1}/3' AS gt;
-- all pairs of vectors of up to three dimensions with elements -1, 0, 1
CREATE TEMP TABLE small AS
	SELECT ARRAY[a]::vector v FROM generate_series(-1, 1) a
	UNION ALL SELECT ARRAY[a, b]::vector FROM generate_series(-1, 1) a, generate_series(-1, 1) b
	UNION ALL SELECT ARRAY[a, b, c]::vector FROM generate_series(-1, 1) a, generate_series(-1, 1) b, generate_series(-1, 1) c;
SELECT count(*) AS pairs,
	count(*) FILTER (WHERE sparsevec_cmp(a.v, b.v) <> vector_cmp(a.v, b.v)) AS wrong
FROM small a, small b;
SELECT count(*) AS wrong FROM small a, small b
WHERE (a.v::sparsevec < b.v::sparsevec) <> (a.v < b.v) OR (a.v::sparsevec <= b.v::sparsevec) <> (a.v <= b.v)
	OR (a.v::sparsevec = b.v::sparsevec) <> (a.v = b.v) OR (a.v::sparsevec <> b.v::sparsevec) <> (a.v <> b.v)
	OR (a.v::sparsevec >= b.v::sparsevec) <> (a.v >= b.v) OR (a.v::sparsevec > b.v::sparsevec) <> (a.v > b.v);

-- Norm
SELECT l2_norm('{1:3,2:4}/2'::sparsevec), l2_norm('{2:1}/2'::sparsevec), l2_norm('{}/2'::sparsevec), l2_norm('{1:2}/1'::sparsevec);
SELECT l2_norm('{1:3e37,2:4e37}/2'::sparsevec)::real, round(l2_norm('{1:1,2:1}/2'::sparsevec)::numeric, 5);

-- Distances
SELECT l2_distance('{}/2'::sparsevec, '{1:3,2:4}/2'), l2_distance('{1:3}/2'::sparsevec, '{2:4}/2'),
	l2_distance('{2:4}/2'::sparsevec, '{1:3}/2'), l2_distance('{1:3,2:4}/2'::sparsevec, '{}/2'),
	l2_distance('{}/2'::sparsevec, '{2:1}/2'), l2_distance('{}/2'::sparsevec, '{}/2');
SELECT l2_distance('{1:1}/2'::sparsevec, '{1:3}/1');
SELECT l2_distance('{1:3e38}/1'::sparsevec, '{1:-3e38}/1'), l2_distance('{1:3e38}/1'::sparsevec, '{}/1');
SELECT '{}/2'::sparsevec <-> '{1:3,2:4}/2' AS l2, sparsevec_l2_squared_distance('{}/2', '{1:3,2:4}/2');
SELECT inner_product('{1:1,2:2}/2'::sparsevec, '{1:2,2:4}/2'), inner_product('{1:1,3:3}/4'::sparsevec, '{2:2,4:4}/4'),
	inner_product('{1:1,3:3,5:5}/5'::sparsevec, '{2:4,3:6,4:8}/5'), inner_product('{1:1}/2'::sparsevec, '{}/2'),
	inner_product('{1:3e38}/1'::sparsevec, '{1:3e38}/1');
SELECT inner_product('{1:1,2:2}/2'::sparsevec, '{1:3}/1');
SELECT '{1:1,2:2}/2'::sparsevec <#> '{1:3,2:4}/2' AS ip, sparsevec_negative_inner_product('{1:1,2:2}/2', '{1:3,2:4}/2');
SELECT cosine_distance('{1:1,2:2}/2'::sparsevec, '{1:2,2:4}/2'), cosine_distance('{1:1,2:2}/2'::sparsevec, '{}/2'),
	cosine_distance('{1:1,2:1}/2'::sparsevec, '{1:1,2:1}/2'), cosine_distance('{1:1}/2'::sparsevec, '{2:2}/2'),
	cosine_distance('{1:1,2:1}/2'::sparsevec, '{1:-1,2:-1}/2');
SELECT cosine_distance('{1:1,2:2}/2'::sparsevec, '{1:3}/1');
SELECT cosine_distance('{1:1,2:1}/2'::sparsevec, '{1:1.1,2:1.1}/2'), cosine_distance('{1:1,2:1}/2'::sparsevec, '{1:-1.1,2:-1.1}/2'),
	cosine_distance('{1:3e38}/1'::sparsevec, '{1:3e38}/1'), cosine_distance('{}/1'::sparsevec, '{}/1');
SELECT '{1:1,2:2}/2'::sparsevec <=> '{1:2,2:4}/2' AS cosine;
SELECT l1_distance('{}/2'::sparsevec, '{1:3,2:4}/2'), l1_distance('{}/2'::sparsevec, '{2:1}/2'),
	l1_distance('{1:1,3:3,5:5,7:7}/8'::sparsevec, '{2:2,4:4,6:6,8:8}/8'),
	l1_distance('{1:1,3:3,5:5,7:7,9:9}/9'::sparsevec, '{2:2,4:4,6:6,8:8}/9'), l1_distance('{1:3e38}/1'::sparsevec, '{1:-3e38}/1');
SELECT l1_distance('{1:1,2:2}/2'::sparsevec, '{1:3}/1');
SELECT '{}/2'::sparsevec <+> '{1:3,2:4}/2' AS l1;
SELECT '{1000000000:2}/1000000000'::sparsevec <-> '{1:2,1000000000:2}/1000000000' AS l2;

-- All distances against those of vector, whole numbers, most of them zero
SELECT count(*) AS wrong
FROM generate_series(1, 140) dim,
	LATERAL (SELECT array_agg(CASE (i + dim) % 3 WHEN 0 THEN (i * 7 + dim) % 11 - 5 ELSE 0 END)::vector a,
		array_agg(CASE (i * dim) % 4 WHEN 0 THEN (i * 5 + dim) % 13 - 6 ELSE 0 END)::vector b FROM generate_series(1, dim) i) v
WHERE a::sparsevec <-> b::sparsevec <> a <-> b
	OR a::sparsevec <#> b::sparsevec <> a <#> b
	OR a::sparsevec <=> b::sparsevec <> a <=> b
	OR a::sparsevec <+> b::sparsevec <> a <+> b
	OR l2_norm(a::sparsevec) <> vector_norm(a)
	OR l2_normalize(a::sparsevec)::vector <> l2_normalize(a)
	OR sparsevec_cmp(a::sparsevec, b::sparsevec) <> vector_cmp(a, b)
	OR a::sparsevec::vector <> a;

-- Normalisation; what rounds to zero is left out
SELECT l2_normalize('{1:3,2:4}/2'::sparsevec), l2_normalize('{1:3}/2'::sparsevec), l2_normalize('{2:0.1}/2'::sparsevec),
	l2_normalize('{}/2'::sparsevec), l2_normalize('{1:3e38}/1'::sparsevec), l2_normalize('{1:3e38,2:1e-37}/2'::sparsevec),
	l2_normalize('{2:3e37,4:3e-37,6:4e37,8:4e-37}/9'::sparsevec), l2_normalize('{1:1e-45}/1'::sparsevec);

-- Functions that the type does not have
SELECT vector_dims('{}/3'::sparsevec);
SELECT binary_quantize('{}/3'::sparsevec);
SELECT '{}/3'::sparsevec + '{}/3';
SELECT avg('{}/3'::sparsevec);

-- NULL in, NULL out
SELECT l2_norm(NULL::sparsevec) IS NULL AS norm, '{}/1'::sparsevec <-> NULL IS NULL AS distance;

-- Stored in every way: short header, flat, and out of line (which compares and measures the same)
CREATE TABLE stored (id int, v sparsevec);
INSERT INTO stored VALUES (1, '{1:1,3:3}/5'), (2, array_fill(1, ARRAY[200])::sparsevec), (3, array_fill(1, ARRAY[16000])::sparsevec);
SELECT id, pg_column_size(v), v = v AS equal, l2_norm(v)::real, v <-> v AS distance FROM stored ORDER BY id;
SELECT id, md5(v::text) = md5(v::text::sparsevec::text) AS round_trip FROM stored ORDER BY id;
DROP TABLE stored;

-- Exact search
CREATE TABLE items (id int, v sparsevec(3));
INSERT INTO items VALUES (1, '{1:1,2:2,3:3}/3'), (2, '{1:4,2:5,3:6}/3'), (3, '{1:1,2:2,3:4}/3'), (4, NULL), (5, '{}/3');
SELECT id FROM items ORDER BY v <-> '{1:1,2:2,3:3}/3' LIMIT 3;
SELECT id FROM items ORDER BY v <#> '{1:1,2:2,3:3}/3' LIMIT 3;
SELECT id FROM items ORDER BY v <=> (SELECT v FROM items WHERE id = 1) LIMIT 3;
SELECT id FROM items ORDER BY v <+> '[1,2,3]'::vector LIMIT 3;
DROP TABLE items;
