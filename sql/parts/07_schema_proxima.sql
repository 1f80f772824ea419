-- Schema proxima -------------------------------------------------------------------------------------

DO $schema$
BEGIN
	-- The extension itself may be created in a schema of this name, which is then there already.
	IF pg_catalog.current_schema() OPERATOR(pg_catalog.<>) 'proxima'::name THEN
		CREATE SCHEMA proxima;
		COMMENT ON SCHEMA proxima IS 'functions of the extension proxima';
		GRANT USAGE ON SCHEMA proxima TO PUBLIC;
	END IF;
END
$schema$;

CREATE FUNCTION proxima.simd_tier() RETURNS text
	AS 'MODULE_PATHNAME', 'proxima_simd_tier' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION proxima.simd_tier() IS 'instruction set that distances use on this machine';
