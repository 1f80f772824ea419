-- Looking into an index ------------------------------------------------------------------------------

CREATE FUNCTION proxima.index_info(index regclass) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'proxima_index_info' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION proxima.index_info(regclass) IS 'what an index of proxima is made of';

-- It asks itself who calls it: who may maintain the index, or has pg_stat_scan_tables.
CREATE FUNCTION proxima.index_stats(index regclass) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'proxima_index_stats' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION proxima.index_stats(regclass) IS 'how many rows of an index are in segments, pending and dead';

CREATE FUNCTION proxima.check_index(index regclass) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'proxima_check_index' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION proxima.check_index(regclass) IS 'reads every page of an index and reports what is wrong with it';
REVOKE EXECUTE ON FUNCTION proxima.check_index(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION proxima.check_index(regclass) TO pg_stat_scan_tables;
