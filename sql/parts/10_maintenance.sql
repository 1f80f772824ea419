-- Maintaining an index -------------------------------------------------------------------------------
--
-- Both ask themselves who calls them: the owner of the index, or who has MAINTAIN on its table.

CREATE FUNCTION proxima.flush(index regclass) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'proxima_flush' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION proxima.flush(regclass) IS 'moves the pending rows of an index into a segment';

CREATE FUNCTION proxima.merge(index regclass) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'proxima_merge' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION proxima.merge(regclass) IS 'merges the segments of an index as far as memory allows';
