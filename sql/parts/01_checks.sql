-- Checks ---------------------------------------------------------------------------------------------
--
-- Anything else of these names. @extension@ is the extension's name; scripts/sql.sh puts it in.

DO $check$
DECLARE
	here name := pg_catalog.current_schema();
	clash text;
BEGIN
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
		RAISE EXCEPTION '@extension@ cannot be created: % already exists in this database', clash
			USING ERRCODE = 'duplicate_object',
			HINT = 'Create @extension@ in another database, or drop or rename what is in its way.';
	END IF;
END
$check$;
