-- Checks ---------------------------------------------------------------------------------------------
--
-- Clients find these types and access methods by bare name, so there is one of each per database. Stop before
-- anything is created. Operators are qualified because the extension's schema may belong to somebody else.

DO $check$
DECLARE
	here name := pg_catalog.current_schema();
	clash text;
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'vector'::name) THEN
		RAISE EXCEPTION 'proxima and the extension "vector" (pgvector) cannot be in one database'
			USING ERRCODE = 'duplicate_object',
			HINT = 'Both define the type vector. Create proxima in another database, or DROP EXTENSION vector first.';
	END IF;

	-- A table named vector in another schema has a row type of that name; that disturbs nobody.
	SELECT pg_catalog.format('type %I.%I', n.nspname, t.typname) INTO clash
		FROM pg_catalog.pg_type t
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
		WHERE t.typname OPERATOR(pg_catalog.=) ANY ('{vector,halfvec,sparsevec}'::name[])
		AND (t.typtype OPERATOR(pg_catalog.<>) 'c'::"char" OR n.nspname OPERATOR(pg_catalog.=) here)
		LIMIT 1;
	IF clash IS NULL THEN
		SELECT pg_catalog.format('access method %I', amname) INTO clash
			FROM pg_catalog.pg_am
			WHERE amname OPERATOR(pg_catalog.=) ANY ('{hnsw,ivf,ivfflat}'::name[])
			LIMIT 1;
	END IF;
	IF clash IS NULL AND here OPERATOR(pg_catalog.<>) 'proxima'::name THEN
		SELECT pg_catalog.format('schema %I', nspname) INTO clash
			FROM pg_catalog.pg_namespace
			WHERE nspname OPERATOR(pg_catalog.=) 'proxima'::name;
	END IF;
	IF clash IS NOT NULL THEN
		RAISE EXCEPTION 'proxima cannot be created: % already exists in this database', clash
			USING ERRCODE = 'duplicate_object',
			HINT = 'Create proxima in another database, or drop or rename what is in its way.';
	END IF;
END
$check$;
