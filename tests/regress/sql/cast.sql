-- Casts between the types, and from and to arrays: contexts, values, errors.
\set VERBOSITY default

SELECT ARRAY[1,2,3]::vector;
SELECT ARRAY[1.0,2.0,3.0]::vector;
SELECT ARRAY[1,2,3]::float4[]::vector;
SELECT ARRAY[1,2,3]::float8[]::vector;
SELECT ARRAY[1,2,3]::numeric[]::vector;
SELECT '[1,2,3]'::vector::real[];
SELECT '{1,2,3}'::real[]::vector;
SELECT '{1,2,3}'::real[]::vector(3);
SELECT '{1,2,3}'::real[]::vector(2);
SELECT '{NULL}'::real[]::vector;
SELECT '{NaN}'::real[]::vector;
SELECT '{Infinity}'::real[]::vector;
SELECT '{-Infinity}'::real[]::vector;
SELECT '{}'::real[]::vector;
SELECT '{{1}}'::real[]::vector;
SELECT '{1,2,3}'::double precision[]::vector;
SELECT '{1,2,3}'::double precision[]::vector(3);
SELECT '{1,2,3}'::double precision[]::vector(2);
SELECT '{4e38,-4e38}'::double precision[]::vector;
SELECT '{1e-46,-1e-46}'::double precision[]::vector;
SELECT '{NaN}'::numeric[]::vector;
SELECT '{1e40}'::numeric[]::vector;
SELECT '{0.1,2147483647}'::numeric[]::vector, '{16777217,-2147483648}'::int[]::vector;
SELECT array_agg(n)::vector FROM generate_series(1, 16001) n;
SELECT array_to_vector(array_agg(n), 16001, false) FROM generate_series(1, 16001) n;
SELECT vector_dims(array_agg(n)::vector) FROM generate_series(1, 16000) n;

-- A bitmap of nulls without nulls; a lower bound other than 1
SELECT (ARRAY[1, NULL])[1:1]::vector;
SELECT array_remove(ARRAY[1.5, NULL, 2.5]::float8[], NULL)::vector;
SELECT '[5:6]={1,2}'::int[]::vector;

-- halfvec from and to arrays
SELECT ARRAY[1,2,3]::halfvec, ARRAY[1.0,2.0,3.0]::halfvec, ARRAY[1,2,3]::float4[]::halfvec, ARRAY[1,2,3]::float8[]::halfvec,
	ARRAY[1,2,3]::numeric[]::halfvec, '{1,2,3}'::real[]::halfvec(3), '[1,2,3]'::halfvec::real[];
SELECT '{1,2,3}'::real[]::halfvec(2);
SELECT '{65519,-65519,1e-8,-1e-8}'::real[]::halfvec, '{65519}'::int[]::halfvec, '{65519.9}'::numeric[]::halfvec;
SELECT '{65520,-65520}'::real[]::halfvec;
SELECT '{-65520}'::int[]::halfvec;
SELECT '{65520}'::float8[]::halfvec;
SELECT '{65520}'::numeric[]::halfvec;
SELECT '{1e300}'::float8[]::halfvec;
SELECT '{Infinity}'::real[]::halfvec;
SELECT '{NaN}'::real[]::halfvec;
SELECT '{NaN,65520}'::real[]::halfvec;
SELECT '{NULL}'::real[]::halfvec;
SELECT '{}'::real[]::halfvec;
SELECT '{{1}}'::real[]::halfvec;
SELECT array_agg(n)::halfvec FROM generate_series(1, 16001) n;

-- sparsevec from arrays
SELECT ARRAY[1,0,2,0,3,0]::sparsevec, ARRAY[1.0,0.0,2.0,0.0,3.0,0.0]::sparsevec, ARRAY[1,0,2,0,3,0]::float4[]::sparsevec,
	ARRAY[1,0,2,0,3,0]::float8[]::sparsevec, ARRAY[1,0,2,0,3,0]::numeric[]::sparsevec, '{1,0,2,0,3,0}'::real[]::sparsevec(6);
SELECT '{1,0,2,0,3,0}'::real[]::sparsevec(5);
SELECT '{0,-0,1e-46,-1e-46}'::float8[]::sparsevec;
SELECT '{1e300}'::float8[]::sparsevec;
SELECT '{Infinity}'::real[]::sparsevec;
SELECT '{-Infinity}'::real[]::sparsevec;
SELECT '{NaN}'::real[]::sparsevec;
SELECT '{NULL}'::real[]::sparsevec;
SELECT '{}'::real[]::sparsevec;
SELECT '{{1}}'::real[]::sparsevec;
SELECT array_agg(n)::sparsevec FROM generate_series(1, 16001) n;
SELECT array_agg(n % 2)::sparsevec::text LIKE '{1:1,3:1,%,31999:1}/32000' AS half_zero FROM generate_series(1, 32000) n;
SELECT '{}/5'::sparsevec::real[];

-- Between the types
SELECT '[1,2,3]'::vector::halfvec, '[1,2,3]'::vector::halfvec(3), '[65519,1e-8,-1e-8]'::vector::halfvec, '[0.1]'::vector::halfvec;
SELECT '[1,2,3]'::vector::halfvec(2);
SELECT '[65520]'::vector::halfvec;
SELECT '[-1e38]'::vector::halfvec;
SELECT '[1,2,3]'::halfvec::vector, '[1,2,3]'::halfvec::vector(3), '[0.1]'::halfvec::vector;
SELECT '[1,2,3]'::halfvec::vector(2);
SELECT '[0,1.5,0,3.5,-0]'::vector::sparsevec, '[0,1.5,0,3.5,0]'::vector::sparsevec(5);
SELECT '[0,1.5,0,3.5,0]'::vector::sparsevec(4);
SELECT '{2:1.5,4:3.5}/5'::sparsevec::vector, '{2:1.5,4:3.5}/5'::sparsevec::vector(5);
SELECT '{2:1.5,4:3.5}/5'::sparsevec::vector(4);
SELECT '{}/16001'::sparsevec::vector;
SELECT vector_norm('{16000:2}/16000'::sparsevec::vector);
SELECT '[0,1.5,0,3.5,-0]'::halfvec::sparsevec, '[0,1.5,0,3.5,0]'::halfvec::sparsevec(5);
SELECT '[0,1.5,0,3.5,0]'::halfvec::sparsevec(4);
SELECT '{2:1.5,4:3.5}/5'::sparsevec::halfvec, '{2:1.5,4:3.5}/5'::sparsevec::halfvec(5), '{1:1e-8}/1'::sparsevec::halfvec;
SELECT '{2:1.5,4:3.5}/5'::sparsevec::halfvec(4);
SELECT '{}/16001'::sparsevec::halfvec;
SELECT '{1:65520}/1'::sparsevec::halfvec;

-- SQLSTATE of each
\set VERBOSITY sqlstate
SELECT '{{1}}'::real[]::vector;
SELECT '{NULL}'::real[]::vector;
SELECT '{}'::real[]::vector;
SELECT '{NaN}'::real[]::vector;
SELECT '{4e38}'::double precision[]::vector;
SELECT array_agg(n)::vector FROM generate_series(1, 16001) n;
SELECT '{65520}'::real[]::halfvec;
SELECT '{1e300}'::float8[]::halfvec;
SELECT '[65520]'::vector::halfvec;
SELECT '{1:65520}/1'::sparsevec::halfvec;
SELECT '{}/16001'::sparsevec::vector;
SELECT array_agg(n)::sparsevec FROM generate_series(1, 16001) n;
\set VERBOSITY default

-- Out of line and in assignment
CREATE TABLE casts (v vector(3), r real[]);
INSERT INTO casts (v) VALUES (ARRAY[1,2,3]), (ARRAY[1.5,2,3]), ('{4,5,6}'::float8[]);
INSERT INTO casts (v) VALUES (ARRAY[1,2]);
UPDATE casts SET r = v;
SELECT * FROM casts ORDER BY v;
DROP TABLE casts;

-- Which cast applies where: i implicit, a assignment
SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod FROM pg_cast
WHERE ARRAY[castsource, casttarget] && ARRAY['vector', 'halfvec', 'sparsevec']::regtype[]::oid[] ORDER BY castsource::regtype::text, casttarget::regtype::text;

-- No ambiguity where no vector is meant
SELECT ARRAY[1,2,3] = ARRAY[1,2,3];
SELECT ARRAY[1.5,2] < ARRAY[2.5,1];

-- Untyped literals and parameters take the type of the other side
PREPARE nearest AS SELECT '[1,2,3]'::vector <-> $1 AS distance;
EXECUTE nearest('[4,6,3]');
DEALLOCATE nearest;
SELECT '[1,2]' <-> '[1,3]'::vector AS distance;
-- Of two types the one with an implicit cast gives way: vector to the others, halfvec to sparsevec
SELECT '[1,2]'::halfvec <-> '[1,3]'::vector AS distance, '{1:1}/2'::sparsevec <-> '[1,3]'::vector AS sparse,
	'[1,3]'::halfvec <-> '{1:1}/2'::sparsevec AS from_half;
