-- The other name --------------------------------------------------------------------------------------
--
-- Clients find these types and access methods by bare name, so there is one of each per database. Stop before
-- anything is created. Operators are qualified because the extension's schema may belong to somebody else.

DO $check$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'proxima'::name) THEN
		RAISE EXCEPTION 'vector and the extension "proxima" cannot be in one database'
			USING ERRCODE = 'duplicate_object',
			HINT = 'The extension "proxima" of this database has all that "vector" would create. For clients that insist'
				' on the name, create vector in another database.';
	END IF;
END
$check$;
