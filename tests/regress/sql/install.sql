-- CREATE EXTENSION: into any schema, with any search_path, by a database owner; and what it refuses.
\set VERBOSITY default
\set SHOW_CONTEXT never

-- Another schema, and no search_path at all
CREATE DATABASE regress_proxima_schema;
\c regress_proxima_schema
CREATE SCHEMA "Odd schema";
SET search_path = '';
CREATE EXTENSION proxima SCHEMA "Odd schema";
SELECT extname, extnamespace::pg_catalog.regnamespace, extrelocatable FROM pg_catalog.pg_extension WHERE extname = 'proxima';
SELECT '[1,2]'::"Odd schema".vector OPERATOR("Odd schema".<->) '[4,6]' AS distance;
CREATE TABLE public.t (v "Odd schema".vector(2) PRIMARY KEY);
INSERT INTO public.t VALUES ('[1,2]'), ('[3,4]');
SELECT "Odd schema".avg(v) FROM public.t;
SELECT v FROM public.t ORDER BY v OPERATOR("Odd schema".<->) '[3,3]' LIMIT 1;
SELECT pg_catalog.length(proxima.simd_tier()) > 0 AS has_tier;
-- Everything is in the extension's schema or in proxima
SELECT DISTINCT n.nspname FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'proxima') ORDER BY 1;
-- Every object has a comment; the types of arrays and rows, which PostgreSQL 18 counts as members, need none
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0) AS object_without_comment FROM pg_catalog.pg_depend d
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'proxima')
AND pg_catalog.obj_description(d.objid, d.classid::pg_catalog.regclass::name) IS NULL
AND NOT (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
	AND d.objid IN (SELECT typarray FROM pg_catalog.pg_type UNION SELECT reltype FROM pg_catalog.pg_class WHERE relkind <> 'c')) ORDER BY 1;
-- Every function runs with the rights of who calls it
SELECT p.oid::pg_catalog.regprocedure AS security_definer FROM pg_catalog.pg_proc p
WHERE p.prosecdef AND (p.pronamespace = 'proxima'::pg_catalog.regnamespace OR EXISTS (SELECT FROM pg_catalog.pg_depend d
	WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
	AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
	AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'proxima'))) ORDER BY 1;
-- As many objects as pgvector has; of handlers and operator classes, only btree's are counted here
SELECT pg_catalog.count(*) FILTER (WHERE p.prokind = 'f') AS functions, pg_catalog.count(*) FILTER (WHERE p.prokind = 'a') AS aggregates
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'proxima')
AND p.pronamespace = '"Odd schema"'::pg_catalog.regnamespace
AND p.prorettype <> 'pg_catalog.index_am_handler'::pg_catalog.regtype;
SELECT d.classid::pg_catalog.regclass, pg_catalog.count(*) FROM pg_catalog.pg_depend d
LEFT JOIN pg_catalog.pg_opclass c ON d.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND d.objid = c.oid
LEFT JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'proxima')
AND (d.classid IN ('pg_catalog.pg_cast'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
	OR t.typcategory = 'U' OR c.opcmethod = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'btree'))
GROUP BY 1 ORDER BY 1;
-- All functions but the support functions are immutable, strict, and safe in parallel plans, with the default cost
SELECT p.oid::pg_catalog.regprocedure AS otherwise, p.provolatile, p.proisstrict, p.proparallel, p.procost
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'proxima')
AND p.pronamespace = '"Odd schema"'::pg_catalog.regnamespace AND p.prokind = 'f'
AND p.prorettype <> 'pg_catalog.index_am_handler'::pg_catalog.regtype
AND (p.provolatile, p.proisstrict, p.proparallel, p.procost) IS DISTINCT FROM ('i', true, 's', 1) ORDER BY p.proname COLLATE "C";
-- C symbols are pgvector's, so that functions declared for its library find them in this one: those not named like the function
SELECT p.oid::pg_catalog.regprocedure AS function, p.prosrc AS symbol
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
AND d.refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'proxima')
AND p.pronamespace = '"Odd schema"'::pg_catalog.regnamespace AND p.prokind = 'f' AND p.prosrc <> p.proname ORDER BY p.prosrc;
-- Support functions are there for classes that name them; the planner, too, would call one of such a signature
CREATE FUNCTION public.supported(int) RETURNS int LANGUAGE plpgsql SUPPORT "Odd schema".hnsw_halfvec_support AS 'BEGIN RETURN $1; END';
SELECT public.supported(1);
\echo :LAST_ERROR_SQLSTATE
DROP FUNCTION public.supported;
-- Dropping it takes everything, or refuses
DROP EXTENSION proxima;
DROP TABLE public.t;
DROP EXTENSION proxima;
SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'proxima';
CREATE EXTENSION proxima SCHEMA public;
DROP EXTENSION proxima;
-- A schema named proxima of one's own serves for everything
CREATE SCHEMA proxima;
CREATE EXTENSION proxima SCHEMA proxima;
SELECT '[1,2]'::proxima.vector OPERATOR(proxima.<->) '[4,6]' AS distance;
DROP EXTENSION proxima;
DROP SCHEMA proxima;

-- What is in the way: one error, and nothing changes
RESET search_path;
CREATE DOMAIN "Odd schema".vector AS real[];
CREATE EXTENSION proxima;
\echo :LAST_ERROR_SQLSTATE
DROP DOMAIN "Odd schema".vector;
CREATE DOMAIN "Odd schema".halfvec AS real[];
CREATE EXTENSION proxima;
DROP DOMAIN "Odd schema".halfvec;
CREATE TYPE public.sparsevec AS ENUM ();
CREATE EXTENSION proxima;
DROP TYPE public.sparsevec;
CREATE TABLE public.vector (id int);
CREATE EXTENSION proxima;
ALTER TABLE public.vector SET SCHEMA "Odd schema";
CREATE EXTENSION proxima;
DROP EXTENSION proxima;
DROP TABLE "Odd schema".vector;
CREATE SCHEMA proxima;
CREATE EXTENSION proxima;
DROP SCHEMA proxima;
CREATE ACCESS METHOD ivf TYPE INDEX HANDLER bthandler;
CREATE EXTENSION proxima;
DROP ACCESS METHOD ivf;
SELECT count(*) FROM pg_extension WHERE extname = 'proxima';
-- pgvector; its catalogue entry is enough
INSERT INTO pg_extension SELECT 99999, 'vector', 10, 'public'::regnamespace, true, '0.8.0', NULL, NULL;
CREATE EXTENSION proxima;
\echo :LAST_ERROR_SQLSTATE
DELETE FROM pg_extension WHERE extname = 'vector';

-- The owner of a database needs no superuser
CREATE ROLE regress_proxima_owner;
GRANT CREATE ON DATABASE regress_proxima_schema TO regress_proxima_owner;
SET ROLE regress_proxima_owner;
CREATE SCHEMA mine;
CREATE EXTENSION proxima SCHEMA mine;
SELECT '[1,2]'::mine.vector, length(proxima.simd_tier()) > 0 AS has_tier;
RESET ROLE;
CREATE ROLE regress_proxima_user;
GRANT USAGE ON SCHEMA mine TO regress_proxima_user;
SET ROLE regress_proxima_user;
SELECT '[1,2]'::mine.vector, length(proxima.simd_tier()) > 0 AS has_tier;
RESET ROLE;

\c contrib_regression
DROP DATABASE regress_proxima_schema;
DROP ROLE regress_proxima_owner;
DROP ROLE regress_proxima_user;
