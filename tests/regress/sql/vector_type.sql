-- The type vector: text form, type modifiers, operators and functions, with every edge value.
\set VERBOSITY default

-- Text input: what is accepted
SELECT '[1,2,3]'::vector;
SELECT '[-1,-2,-3]'::vector;
SELECT '[1.,2.,3.]'::vector;
SELECT '[.5,+1,-.25e1,1e1]'::vector;
SELECT ' [ 1,  2 ,    3  ] '::vector;
SELECT E' \t\n\r\x0B\f[ \t\n\r\x0B\f1 \t\n\r\x0B\f, \t\n\r\x0B\f2 \t\n\r\x0B\f] \t\n\r\x0B\f'::vector;
SELECT '[1.23456]'::vector;
SELECT '[1.5e38,-1.5e38]'::vector;
SELECT '[1.5e+38,-1.5e+38]'::vector;
SELECT '[1.5e-38,-1.5e-38]'::vector;
SELECT '[1e-46,1]'::vector;
SELECT '[-1e-46,1]'::vector;
SELECT '[0x10,0x1p-2,0X1P2]'::vector;
-- the shortest text that reads back as the same number; the largest and the smallest number
SELECT '[0.1,16777217,3.4028235e38,1e-45,123456.789]'::vector;

-- Text input: what is refused
SELECT '[hello,1]'::vector;
SELECT '[NaN,1]'::vector;
SELECT '[Infinity,1]'::vector;
SELECT '[-Infinity,1]'::vector;
SELECT '[inf]'::vector;
SELECT '[4e38,1]'::vector;
SELECT '[-4e38,1]'::vector;
SELECT '[0x1p128]'::vector;
SELECT '[1,2,3'::vector;
SELECT '[1,2,3]9'::vector;
SELECT '1,2,3'::vector;
SELECT ''::vector;
SELECT '['::vector;
SELECT '[ '::vector;
SELECT '[,'::vector;
SELECT '[]'::vector;
SELECT '[ ]'::vector;
SELECT '[,]'::vector;
SELECT '[1,]'::vector;
SELECT '[1a]'::vector;
SELECT '[1e]'::vector;
SELECT '[1e5x]'::vector;
SELECT '[0x]'::vector;
SELECT '[1 2]'::vector;
SELECT '[1.2.3]'::vector;
SELECT '[--1]'::vector;
SELECT '[1,,3]'::vector;
SELECT '[1, ,3]'::vector;
SELECT '[[1]]'::vector;
SELECT '[1%s%n]'::vector;
SELECT vector_dims(('[' || repeat('0,', 15999) || '0]')::vector);
SELECT ('[' || repeat('0,', 16000) || '0]')::vector;

-- The same errors by SQLSTATE
\set VERBOSITY sqlstate
SELECT '[hello,1]'::vector;
SELECT '[1,2,3]9'::vector;
SELECT '[NaN,1]'::vector;
SELECT '[Infinity,1]'::vector;
SELECT '[4e38,1]'::vector;
SELECT '[]'::vector;
SELECT ('[' || repeat('0,', 16000) || '0]')::vector;
SELECT '[1,2,3]'::vector(2);
SELECT '[1]'::vector(3, 2);
SELECT '[1]'::vector(0);
SELECT '[1]'::vector(16001);
SELECT '[1,2]'::vector <-> '[3]';
SELECT '[3e38]'::vector + '[3e38]';
SELECT '[1e-37]'::vector * '[1e-37]';
SELECT subvector('[1]'::vector, 2, 1);
\set VERBOSITY default

-- Type modifiers
SELECT '[1,2,3]'::vector(3);
SELECT '[1,2,3]'::vector(2);
SELECT '[1,2,3]'::vector(3, 2);
SELECT '[1,2,3]'::vector('a');
SELECT '[1,2,3]'::vector(0);
SELECT '[1,2,3]'::vector(16001);
SELECT vector_in('[1,2]', 0, 3);
SELECT format_type('vector'::regtype, 3), format_type('vector'::regtype, -1);
CREATE TABLE typmod (a vector, b vector(3), c vector(16000));
SELECT attname, atttypmod FROM pg_attribute WHERE attrelid = 'typmod'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO typmod (b) VALUES ('[1,2]');
INSERT INTO typmod (b) VALUES ('[1,2,3]') RETURNING b;
DROP TABLE typmod;

-- Arrays of vectors
SELECT unnest('{"[1,2,3]", "[4,5,6]"}'::vector[]);
SELECT '{"[1,2,3]"}'::vector(2)[];

-- The type in the catalogue
SELECT typlen, typbyval, typalign, typstorage, typcategory, typispreferred, typdelim, typcollation, typsubscript,
	typanalyze, typmodout, typarray::regtype
FROM pg_type WHERE oid = 'vector'::regtype;

-- Arithmetic
SELECT '[1,2,3]'::vector + '[4,5,6]';
SELECT '[3e38]'::vector + '[3e38]';
SELECT '[1,2]'::vector + '[3]';
SELECT '[1,2,3]'::vector - '[4,5,6]';
SELECT '[-3e38]'::vector - '[3e38]';
SELECT '[1,2]'::vector - '[3]';
SELECT '[1,2,3]'::vector * '[4,5,6]';
SELECT '[1e37]'::vector * '[1e37]';
SELECT '[1e-37]'::vector * '[1e-37]';
SELECT '[1e-37,0]'::vector * '[0,1e-37]';
SELECT '[1,2]'::vector * '[3]';
SELECT '[1,2,3]'::vector || '[4,5]';
SELECT array_fill(0, ARRAY[16000])::vector || '[1]';

-- Order
SELECT '[1,2,3]'::vector < '[1,2,3]' AS lt, '[1,2,3]'::vector <= '[1,2,3]' AS le, '[1,2,3]'::vector = '[1,2,3]' AS eq,
	'[1,2,3]'::vector <> '[1,2,3]' AS ne, '[1,2,3]'::vector >= '[1,2,3]' AS ge, '[1,2,3]'::vector > '[1,2,3]' AS gt;
SELECT '[1,2,3]'::vector < '[1,2]' AS lt, '[1,2,3]'::vector <= '[1,2]' AS le, '[1,2,3]'::vector = '[1,2]' AS eq,
	'[1,2,3]'::vector <> '[1,2]' AS ne, '[1,2,3]'::vector >= '[1,2]' AS ge, '[1,2,3]'::vector > '[1,2]' AS gt;
SELECT vector_cmp('[1,2,3]', '[1,2,3]'), vector_cmp('[1,2,3]', '[0,0,0]'), vector_cmp('[0,0,0]', '[1,2,3]'),
	vector_cmp('[1,2]', '[1,2,3]'), vector_cmp('[1,2,3]', '[1,2]'), vector_cmp('[1,2]', '[2,3,4]'),
	vector_cmp('[2,3]', '[1,2,3]'), vector_cmp('[-0]', '[0]');
SELECT '[-0]'::vector = '[0]' AS zeros_equal;

-- Dimensions and norm
SELECT vector_dims('[1,2,3]'::vector);
SELECT round(vector_norm('[1,1]')::numeric, 5);
SELECT vector_norm('[3,4]'), vector_norm('[0,1]'), vector_norm('[0,0]'), vector_norm('[2]');
SELECT vector_norm('[3e37,4e37]')::real;

-- Distances
SELECT l2_distance('[0,0]'::vector, '[3,4]'), l2_distance('[0,0]'::vector, '[0,1]');
SELECT l2_distance('[1,2]'::vector, '[3]');
SELECT l2_distance('[3e38]'::vector, '[-3e38]');
SELECT l2_distance('[1,1,1,1,1,1,1,1,1]'::vector, '[1,1,1,1,1,1,1,4,5]');
SELECT '[0,0]'::vector <-> '[3,4]' AS l2, vector_l2_squared_distance('[0,0]', '[3,4]');

SELECT inner_product('[1,2]'::vector, '[3,4]');
SELECT inner_product('[1,2]'::vector, '[3]');
SELECT inner_product('[3e38]'::vector, '[3e38]');
SELECT inner_product('[1,1,1,1,1,1,1,1,1]'::vector, '[1,2,3,4,5,6,7,8,9]');
SELECT '[1,2]'::vector <#> '[3,4]' AS ip, vector_negative_inner_product('[1,2]', '[3,4]');

SELECT cosine_distance('[1,2]'::vector, '[2,4]'), cosine_distance('[1,2]'::vector, '[0,0]'),
	cosine_distance('[1,1]'::vector, '[1,1]'), cosine_distance('[1,0]'::vector, '[0,2]'),
	cosine_distance('[1,1]'::vector, '[-1,-1]');
SELECT cosine_distance('[1,2]'::vector, '[3]');
SELECT cosine_distance('[1,1]'::vector, '[1.1,1.1]'), cosine_distance('[1,1]'::vector, '[-1.1,-1.1]'),
	cosine_distance('[3e38]'::vector, '[3e38]');
SELECT cosine_distance('[1,2,3,4,5,6,7,8,9]'::vector, '[1,2,3,4,5,6,7,8,9]') AS same,
	cosine_distance('[1,2,3,4,5,6,7,8,9]'::vector, '[-1,-2,-3,-4,-5,-6,-7,-8,-9]') AS opposite;
SELECT '[1,2]'::vector <=> '[2,4]' AS cosine;

SELECT l1_distance('[0,0]'::vector, '[3,4]'), l1_distance('[0,0]'::vector, '[0,1]');
SELECT l1_distance('[1,2]'::vector, '[3]');
SELECT l1_distance('[3e38]'::vector, '[-3e38]');
SELECT l1_distance('[1,2,3,4,5,6,7,8,9]'::vector, '[1,2,3,4,5,6,7,8,9]') AS same,
	l1_distance('[1,2,3,4,5,6,7,8,9]'::vector, '[0,3,2,5,4,7,6,9,8]');
SELECT '[0,0]'::vector <+> '[3,4]' AS l1;

SELECT vector_spherical_distance('[1,0]', '[1,0]') AS same, vector_spherical_distance('[1,0]', '[0,1]') AS right_angle,
	vector_spherical_distance('[1,0]', '[-1,0]') AS opposite, vector_spherical_distance('[2]', '[1]') AS beyond;
SELECT vector_spherical_distance('[1,2]', '[3]');

-- All distances, with lengths around the widths of vector registers, against the definition in SQL.
-- Whole numbers, so that every way of adding gives the same sum.
SELECT count(*) AS wrong
FROM generate_series(1, 140) dim,
	LATERAL (SELECT array_agg((i * 7 + dim) % 11 - 5) a, array_agg((i * 5 + dim) % 13 - 6) b FROM generate_series(1, dim) i) v,
	LATERAL (SELECT sum((x - y) ^ 2) l2, sum(x * y) ip, sum(abs(x - y)) l1, sqrt(sum(x * x) * sum(y * y)) norms
		FROM unnest(a, b) u(x, y)) e
WHERE vector_l2_squared_distance(a::vector, b::vector) <> l2
	OR inner_product(a::vector, b::vector) <> ip
	OR l1_distance(a::vector, b::vector) <> l1
	OR abs(cosine_distance(a::vector, b::vector) - (1 - ip / nullif(norms, 0))) > 1e-6;

-- Normalisation
SELECT l2_normalize('[3,4]'::vector), l2_normalize('[3,0]'::vector), l2_normalize('[0,0.1]'::vector),
	l2_normalize('[0,0]'::vector), l2_normalize('[3e38]'::vector);

-- Bits
SELECT binary_quantize('[1,0,-1]'::vector);
SELECT binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::vector);
SELECT binary_quantize('[1,2,3,-4,5,6,-7,8,1,-2,-3,4,5,-6,7,8,-1,2,3]'::vector);
SELECT binary_quantize('[1,-1,1]'::vector)::bit(3), length(binary_quantize('[1,-1,1]'::vector));

-- Parts
SELECT subvector('[1,2,3,4,5]'::vector, 1, 3);
SELECT subvector('[1,2,3,4,5]'::vector, 3, 2);
SELECT subvector('[1,2,3,4,5]'::vector, -1, 3);
SELECT subvector('[1,2,3,4,5]'::vector, 3, 9);
SELECT subvector('[1,2,3,4,5]'::vector, 1, 0);
SELECT subvector('[1,2,3,4,5]'::vector, 3, -1);
SELECT subvector('[1,2,3,4,5]'::vector, -1, 2);
SELECT subvector('[1,2,3,4,5]'::vector, 6, 1);
SELECT subvector('[1,2,3,4,5]'::vector, 2147483647, 10);
SELECT subvector('[1,2,3,4,5]'::vector, 3, 2147483647);
SELECT subvector('[1,2,3,4,5]'::vector, -2147483644, 2147483647);
SELECT subvector('[1,2,3,4,5]'::vector, -2147483648, -2147483648);

-- NULL in, NULL out
SELECT vector_dims(NULL::vector) IS NULL AS dims, '[1]'::vector <-> NULL IS NULL AS distance, '[1]'::vector + NULL IS NULL AS sum;

-- Stored in every way: short header, flat, and out of line (which compares and measures the same)
CREATE TABLE stored (id int, v vector);
INSERT INTO stored VALUES (1, '[1,2,3]'), (2, array_fill(1, ARRAY[400])::vector), (3, array_fill(1, ARRAY[16000])::vector);
SELECT id, vector_dims(v), pg_column_size(v), v = v AS equal, vector_norm(v)::real, v <-> v AS distance FROM stored ORDER BY id;
SELECT id, md5(v::text) = md5(v::text::vector::text) AS round_trip FROM stored ORDER BY id;
DROP TABLE stored;
