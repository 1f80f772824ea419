-- Support functions that operator classes of pgvector name -------------------------------------------
--
-- pgvector's access methods ask them for what differs by type. Ours know from the class and never call them; they
-- exist so that classes and dumps that name them can be restored.

CREATE FUNCTION hnsw_halfvec_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION hnsw_halfvec_support(internal) IS 'hnsw support function for halfvec';

CREATE FUNCTION hnsw_bit_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION hnsw_bit_support(internal) IS 'hnsw support function for bit';

CREATE FUNCTION hnsw_sparsevec_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION hnsw_sparsevec_support(internal) IS 'hnsw support function for sparsevec';

CREATE FUNCTION ivfflat_halfvec_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION ivfflat_halfvec_support(internal) IS 'ivfflat support function for halfvec';

CREATE FUNCTION ivfflat_bit_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION ivfflat_bit_support(internal) IS 'ivfflat support function for bit';
