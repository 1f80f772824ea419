-- The type halfvec: text form, rounding, type modifiers, operators and functions, with every edge value.
\set VERBOSITY default

-- Text input: what is accepted
SELECT '[1,2,3]'::halfvec;
SELECT '[-1,-2,-3]'::halfvec;
SELECT '[1.,2.,3.]'::halfvec;
SELECT E' \t\n\r\x0B\f[ \t\n\r\x0B\f1 ,  2 \t\n\r\x0B\f, 3 ] \t\n\r\x0B\f'::halfvec;
-- each element prints as the real number that it is
SELECT '[1.23456,0.1,1e-3]'::halfvec;
-- the largest number, the smallest, what rounds to them and to zero
SELECT '[65504,65519,-65519]'::halfvec;
SELECT '[6.1035156e-05,6e-08,3.1e-08,2.98e-08,1e-8,-1e-8,1e-46]'::halfvec;
SELECT '[0x10,-0]'::halfvec;

-- Text input: what is refused
SELECT '[65520,-65520]'::halfvec;
SELECT '[-65520]'::halfvec;
SELECT '[4e38,1]'::halfvec;
SELECT '[NaN,1]'::halfvec;
SELECT '[Infinity,1]'::halfvec;
SELECT '[-Infinity,1]'::halfvec;
SELECT '[hello,1]'::halfvec;
SELECT '[1,2,3'::halfvec;
SELECT '[1,2,3]9'::halfvec;
SELECT '1,2,3'::halfvec;
SELECT ''::halfvec;
SELECT '['::halfvec;
SELECT '[,'::halfvec;
SELECT '[]'::halfvec;
SELECT '[ ]'::halfvec;
SELECT '[1,]'::halfvec;
SELECT '[1a]'::halfvec;
SELECT '[1,,3]'::halfvec;
SELECT '[1, ,3]'::halfvec;
SELECT vector_dims(('[' || repeat('0,', 15999) || '0]')::halfvec);
SELECT ('[' || repeat('0,', 16000) || '0]')::halfvec;

-- The same errors by SQLSTATE
\set VERBOSITY sqlstate
SELECT '[65520]'::halfvec;
SELECT '[NaN]'::halfvec;
SELECT '[Infinity]'::halfvec;
SELECT '[hello]'::halfvec;
SELECT '[1]9'::halfvec;
SELECT '[]'::halfvec;
SELECT ('[' || repeat('0,', 16000) || '0]')::halfvec;
SELECT '[1,2,3]'::halfvec(2);
SELECT '[1]'::halfvec(3, 2);
SELECT '[1]'::halfvec(0);
SELECT '[1]'::halfvec(16001);
SELECT '[1,2]'::halfvec <-> '[3]';
SELECT '[65504]'::halfvec + '[65504]';
SELECT '[1e-7]'::halfvec * '[1e-7]';
SELECT subvector('[1]'::halfvec, 2, 1);
\set VERBOSITY default

-- Every finite number there is, from 0 up: exact both ways, halves between two of them go to the even one, and what is
-- above to the upper one
CREATE TEMP TABLE halves AS
	SELECT i, CASE WHEN i < 1024 THEN i * 2.0::float8 ^ -24 ELSE (1024 + i % 1024) * 2.0::float8 ^ (i / 1024 - 25) END AS x
	FROM generate_series(0, 31743) i;
SELECT count(*), max(x), min(x) FILTER (WHERE x > 0) FROM halves;
SELECT count(*) AS wrong FROM halves
WHERE ARRAY[x, -x]::halfvec::real[]::float8[] <> ARRAY[x, -x]
	OR format('[%s]', x)::halfvec <> ARRAY[x]::halfvec
	OR ARRAY[x]::halfvec::text::halfvec <> ARRAY[x]::halfvec
	OR halfvec_send(ARRAY[x, -x]::halfvec) <> '\x00020000'::bytea || substr(int4send(i), 3) || substr(int4send(i + 32768), 3);
SELECT count(*) AS wrong
FROM (SELECT a.i, a.x, b.x AS next, (a.x + b.x) / 2 AS middle FROM halves a JOIN halves b ON b.i = a.i + 1) h
WHERE ARRAY[middle]::halfvec <> ARRAY[CASE i % 2 WHEN 0 THEN x ELSE next END]::halfvec
	OR ARRAY[middle * (1 + 2.0::float8 ^ -22)]::halfvec <> ARRAY[next]::halfvec
	OR ARRAY[middle * (1 - 2.0::float8 ^ -22)]::halfvec <> ARRAY[x]::halfvec;
-- Numbers of double precision are rounded to real first
SELECT ARRAY[1 + 2.0::float8 ^ -11 + 2.0::float8 ^ -40]::halfvec, ARRAY[1 + 2.0::float8 ^ -11 + 2.0::float8 ^ -23]::halfvec;

-- Type modifiers
SELECT '[1,2,3]'::halfvec(3);
SELECT '[1,2,3]'::halfvec(2);
SELECT '[1,2,3]'::halfvec(3, 2);
SELECT '[1,2,3]'::halfvec('a');
SELECT '[1,2,3]'::halfvec(0);
SELECT '[1,2,3]'::halfvec(16001);
SELECT format_type('halfvec'::regtype, 3), format_type('halfvec'::regtype, -1);
CREATE TABLE typmod (a halfvec, b halfvec(3));
SELECT attname, atttypmod FROM pg_attribute WHERE attrelid = 'typmod'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO typmod (b) VALUES ('[1,2]');
INSERT INTO typmod (b) VALUES ('[1,2,3]') RETURNING b;
DROP TABLE typmod;

-- Arrays of vectors
SELECT unnest('{"[1,2,3]", "[4,5,6]"}'::halfvec[]);
SELECT '{"[1,2,3]"}'::halfvec(2)[];

-- The type in the catalogue
SELECT typlen, typbyval, typalign, typstorage, typcategory, typispreferred, typdelim, typcollation, typsubscript,
	typanalyze, typmodout, typarray::regtype
FROM pg_type WHERE oid = 'halfvec'::regtype;

-- Arithmetic
SELECT '[1,2,3]'::halfvec + '[4,5,6]';
SELECT '[65519]'::halfvec + '[65519]';
SELECT '[65504]'::halfvec + '[15]' AS rounded;
SELECT '[65504]'::halfvec + '[16]' AS rounded;
SELECT '[1,2]'::halfvec + '[3]';
SELECT '[1,2,3]'::halfvec - '[4,5,6]';
SELECT '[-65519]'::halfvec - '[65519]';
SELECT '[1,2]'::halfvec - '[3]';
SELECT '[1,2,3]'::halfvec * '[4,5,6]';
SELECT '[65519]'::halfvec * '[65519]';
SELECT '[1e-7]'::halfvec * '[1e-7]';
SELECT '[1e-7,0]'::halfvec * '[0,1e-7]';
SELECT '[1,2]'::halfvec * '[3]';
SELECT '[1,2,3]'::halfvec || '[4,5]';
SELECT array_fill(0, ARRAY[16000])::halfvec || '[1]';

-- Order
SELECT '[1,2,3]'::halfvec < '[1,2,3]' AS lt, '[1,2,3]'::halfvec <= '[1,2,3]' AS le, '[1,2,3]'::halfvec = '[1,2,3]' AS eq,
	'[1,2,3]'::halfvec <> '[1,2,3]' AS ne, '[1,2,3]'::halfvec >= '[1,2,3]' AS ge, '[1,2,3]'::halfvec > '[1,2,3]' AS gt;
SELECT '[1,2,3]'::halfvec < '[1,2]' AS lt, '[1,2,3]'::halfvec <= '[1,2]' AS le, '[1,2,3]'::halfvec = '[1,2]' AS eq,
	'[1,2,3]'::halfvec <> '[1,2]' AS ne, '[1,2,3]'::halfvec >= '[1,2]' AS ge, '[1,2,3]'::halfvec > '[1,2]' AS gt;
SELECT halfvec_cmp('[1,2,3]', '[1,2,3]'), halfvec_cmp('[1,2,3]', '[0,0,0]'), halfvec_cmp('[0,0,0]', '[1,2,3]'),
	halfvec_cmp('[1,2]', '[1,2,3]'), halfvec_cmp('[1,2,3]', '[1,2]'), halfvec_cmp('[1,2]', '[2,3,4]'),
	halfvec_cmp('[2,3]', '[1,2,3]'), halfvec_cmp('[-0]', '[0]'), halfvec_cmp('[-2]', '[-1]');

-- Dimensions and norm
SELECT vector_dims('[1,2,3]'::halfvec);
SELECT l2_norm('[3,4]'::halfvec), l2_norm('[0,1]'::halfvec), l2_norm('[0,0]'::halfvec), l2_norm('[2]'::halfvec);
SELECT round(l2_norm('[1,1]'::halfvec)::numeric, 5);
SELECT l2_norm('[65504,0]'::halfvec);
-- These belong to the other types
SELECT vector_norm('[3,4]'::halfvec);
SELECT l2_norm('[3,4]'::vector);

-- Distances
SELECT l2_distance('[0,0]'::halfvec, '[3,4]'), l2_distance('[0,0]'::halfvec, '[0,1]');
SELECT l2_distance('[1,2]'::halfvec, '[3]');
SELECT '[0,0]'::halfvec <-> '[3,4]' AS l2, halfvec_l2_squared_distance('[0,0]', '[3,4]');
SELECT inner_product('[1,2]'::halfvec, '[3,4]'), inner_product('[65504]'::halfvec, '[65504]');
SELECT inner_product('[1,2]'::halfvec, '[3]');
SELECT '[1,2]'::halfvec <#> '[3,4]' AS ip, halfvec_negative_inner_product('[1,2]', '[3,4]');
SELECT cosine_distance('[1,2]'::halfvec, '[2,4]'), cosine_distance('[1,2]'::halfvec, '[0,0]'),
	cosine_distance('[1,1]'::halfvec, '[1,1]'), cosine_distance('[1,0]'::halfvec, '[0,2]'),
	cosine_distance('[1,1]'::halfvec, '[-1,-1]');
SELECT cosine_distance('[1,2]'::halfvec, '[3]');
SELECT cosine_distance('[1,1]'::halfvec, '[1.1,1.1]'), cosine_distance('[1,1]'::halfvec, '[-1.1,-1.1]');
SELECT '[1,2]'::halfvec <=> '[2,4]' AS cosine;
SELECT l1_distance('[0,0]'::halfvec, '[3,4]'), l1_distance('[0,0]'::halfvec, '[0,1]');
SELECT l1_distance('[1,2]'::halfvec, '[3]');
SELECT '[0,0]'::halfvec <+> '[3,4]' AS l1;
SELECT halfvec_spherical_distance('[1,0]', '[1,0]') AS same, halfvec_spherical_distance('[1,0]', '[0,1]') AS right_angle,
	halfvec_spherical_distance('[1,0]', '[-1,0]') AS opposite, halfvec_spherical_distance('[2]', '[1]') AS beyond;
SELECT halfvec_spherical_distance('[1,2]', '[3]');

-- All distances, with lengths around the widths of vector registers, against those of vector.
-- Whole numbers, so that every way of adding gives the same sum.
SELECT count(*) AS wrong
FROM generate_series(1, 140) dim,
	LATERAL (SELECT array_agg((i * 7 + dim) % 11 - 5) a, array_agg((i * 5 + dim) % 13 - 6) b FROM generate_series(1, dim) i) v
WHERE a::halfvec <-> b::halfvec <> a::vector <-> b::vector
	OR a::halfvec <#> b::halfvec <> a::vector <#> b::vector
	OR a::halfvec <=> b::halfvec <> a::vector <=> b::vector
	OR a::halfvec <+> b::halfvec <> a::vector <+> b::vector
	OR l2_norm(a::halfvec) <> vector_norm(a::vector)
	OR binary_quantize(a::halfvec) <> binary_quantize(a::vector)
	OR halfvec_cmp(a::halfvec, b::halfvec) <> vector_cmp(a::vector, b::vector);

-- Normalisation
SELECT l2_normalize('[3,4]'::halfvec), l2_normalize('[3,0]'::halfvec), l2_normalize('[0,0.1]'::halfvec),
	l2_normalize('[0,0]'::halfvec), l2_normalize('[65504]'::halfvec), l2_normalize('[6e-8]'::halfvec);

-- Bits
SELECT binary_quantize('[1,0,-1]'::halfvec), binary_quantize('[-0,6e-8,-6e-8]'::halfvec);
SELECT binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::halfvec);

-- Parts
SELECT subvector('[1,2,3,4,5]'::halfvec, 1, 3), subvector('[1,2,3,4,5]'::halfvec, 3, 2),
	subvector('[1,2,3,4,5]'::halfvec, -1, 3), subvector('[1,2,3,4,5]'::halfvec, 3, 9),
	subvector('[1,2,3,4,5]'::halfvec, 3, 2147483647), subvector('[1,2,3,4,5]'::halfvec, -2147483644, 2147483647);
SELECT subvector('[1,2,3,4,5]'::halfvec, 1, 0);
SELECT subvector('[1,2,3,4,5]'::halfvec, 3, -1);
SELECT subvector('[1,2,3,4,5]'::halfvec, -1, 2);
SELECT subvector('[1,2,3,4,5]'::halfvec, 2147483647, 10);

-- NULL in, NULL out
SELECT vector_dims(NULL::halfvec) IS NULL AS dims, '[1]'::halfvec <-> NULL IS NULL AS distance;

-- Stored in every way: short header, flat, and out of line (which compares and measures the same)
CREATE TABLE stored (id int, v halfvec);
INSERT INTO stored VALUES (1, '[1,2,3]'), (2, array_fill(1, ARRAY[400])::halfvec), (3, array_fill(1, ARRAY[16000])::halfvec);
SELECT id, vector_dims(v), pg_column_size(v), v = v AS equal, l2_norm(v)::real, v <-> v AS distance FROM stored ORDER BY id;
SELECT id, md5(v::text) = md5(v::text::halfvec::text) AS round_trip FROM stored ORDER BY id;
DROP TABLE stored;

-- Exact search
CREATE TABLE items (id int, v halfvec(3));
INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[4,5,6]'), (3, '[1,2,4]'), (4, NULL);
SELECT id FROM items ORDER BY v <-> '[1,2,3]' LIMIT 3;
SELECT id FROM items ORDER BY v <#> '[1,2,3]' LIMIT 3;
SELECT id FROM items ORDER BY v <=> (SELECT v FROM items WHERE id = 1) LIMIT 3;
SELECT id FROM items ORDER BY v <+> '[1,2,3]'::vector LIMIT 3;
DROP TABLE items;
