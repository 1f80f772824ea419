-- In place of pgvector -------------------------------------------------------------------------------
--
-- Functions are replaced under their names, so that types, tables, operators and operator classes keep their OIDs and
-- their contents. What pgvector does not have is created. Stop before anything is changed where that cannot be.
-- hnsw's operator classes stay as pgvector made them: none of them is the default.

DO $check$
DECLARE
	clash text;
BEGIN
	SELECT pg_catalog.format('schema %I', nspname) INTO clash
		FROM pg_catalog.pg_namespace
		WHERE nspname OPERATOR(pg_catalog.=) 'proxima'::name
		AND nspname OPERATOR(pg_catalog.<>) pg_catalog.current_schema();
	IF clash IS NULL THEN
		SELECT pg_catalog.format('access method %I', amname) INTO clash
			FROM pg_catalog.pg_am
			WHERE amname OPERATOR(pg_catalog.=) 'ivf'::name;
	END IF;
	IF clash IS NOT NULL THEN
		RAISE EXCEPTION 'vector cannot be updated: % already exists in this database', clash
			USING ERRCODE = 'duplicate_object',
			HINT = 'Drop or rename what is in its way.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
		WHERE a.amname OPERATOR(pg_catalog.=) ANY ('{hnsw,ivfflat}'::name[]))
	THEN
		RAISE WARNING 'indexes that pgvector has built cannot be read by proxima'
			USING HINT = 'REINDEX each index whose access method is hnsw or ivfflat.';
	END IF;
END
$check$;
