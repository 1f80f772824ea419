-- Casts between vector and arrays: contexts, values, errors.
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

-- SQLSTATE of each
\set VERBOSITY sqlstate
SELECT '{{1}}'::real[]::vector;
SELECT '{NULL}'::real[]::vector;
SELECT '{}'::real[]::vector;
SELECT '{NaN}'::real[]::vector;
SELECT '{4e38}'::double precision[]::vector;
SELECT array_agg(n)::vector FROM generate_series(1, 16001) n;
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
WHERE 'vector'::regtype IN (castsource, casttarget) ORDER BY castsource::regtype::text, casttarget::regtype::text;

-- No ambiguity where no vector is meant
SELECT ARRAY[1,2,3] = ARRAY[1,2,3];
SELECT ARRAY[1.5,2] < ARRAY[2.5,1];

-- Untyped literals and parameters take the type of the other side
PREPARE nearest AS SELECT '[1,2,3]'::vector <-> $1 AS distance;
EXECUTE nearest('[4,6,3]');
DEALLOCATE nearest;
SELECT '[1,2]' <-> '[1,3]'::vector AS distance;
