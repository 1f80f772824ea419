-- The other name --------------------------------------------------------------------------------------
--
-- Clients find these types and access methods by bare name, so there is one of each per database. Stop before
-- anything is created. Operators are qualified because the extension's schema may belong to somebody else.

DO $check$
DECLARE
	version text;
BEGIN
	SELECT extversion INTO version FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'vector'::name;
	IF version OPERATOR(pg_catalog.=) '@vector_version@'::text THEN
		RAISE EXCEPTION 'proxima and the extension "vector" cannot be in one database'
			USING ERRCODE = 'duplicate_object',
			HINT = 'The extension "vector" of this database is proxima under another name: all is there already.';
	ELSIF version IS NOT NULL THEN
		RAISE EXCEPTION 'proxima and the extension "vector" (pgvector) cannot be in one database'
			USING ERRCODE = 'duplicate_object',
			HINT = 'Both define the type vector. Create proxima in another database, or DROP EXTENSION vector first.';
	END IF;
END
$check$;
