-- Access methods -------------------------------------------------------------------------------------
--
-- Support functions have pgvector's numbers. hnsw: 1 distance, 2 norm, 3 type. ivfflat: 1 distance, 2 norm,
-- 3 distance of k-means, 4 norm of k-means, 5 type. ivf, which pgvector does not have, takes those of hnsw. proxima
-- reads the names of 1, 2 and the type.

CREATE FUNCTION hnswhandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION hnswhandler(internal) IS 'hnsw index access method handler';

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnswhandler;
COMMENT ON ACCESS METHOD hnsw IS 'hnsw index access method';

CREATE FUNCTION ivfflathandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION ivfflathandler(internal) IS 'ivfflat index access method handler';

CREATE ACCESS METHOD ivfflat TYPE INDEX HANDLER ivfflathandler;
COMMENT ON ACCESS METHOD ivfflat IS 'ivfflat index access method';

CREATE FUNCTION ivfhandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION ivfhandler(internal) IS 'ivf index access method handler';

CREATE ACCESS METHOD ivf TYPE INDEX HANDLER ivfhandler;
COMMENT ON ACCESS METHOD ivf IS 'ivf index access method';

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_l2_squared_distance(vector, vector);
COMMENT ON OPERATOR CLASS vector_l2_ops USING hnsw IS 'L2 distance';
COMMENT ON OPERATOR FAMILY vector_l2_ops USING hnsw IS 'L2 distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector);
COMMENT ON OPERATOR CLASS vector_ip_ops USING hnsw IS 'inner product';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING hnsw IS 'inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 vector_norm(vector);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING hnsw IS 'cosine distance';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING hnsw IS 'cosine distance';

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 l1_distance(vector, vector);
COMMENT ON OPERATOR CLASS vector_l1_ops USING hnsw IS 'L1 distance';
COMMENT ON OPERATOR FAMILY vector_l1_ops USING hnsw IS 'L1 distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_l2_squared_distance(halfvec, halfvec),
	FUNCTION 3 hnsw_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING hnsw IS 'L2 distance';
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING hnsw IS 'L2 distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 3 hnsw_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING hnsw IS 'inner product';
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING hnsw IS 'inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 l2_norm(halfvec),
	FUNCTION 3 hnsw_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING hnsw IS 'cosine distance';
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING hnsw IS 'cosine distance';

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 l1_distance(halfvec, halfvec),
	FUNCTION 3 hnsw_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_l1_ops USING hnsw IS 'L1 distance';
COMMENT ON OPERATOR FAMILY halfvec_l1_ops USING hnsw IS 'L1 distance';

CREATE OPERATOR CLASS sparsevec_l2_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <-> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 sparsevec_l2_squared_distance(sparsevec, sparsevec),
	FUNCTION 3 hnsw_sparsevec_support(internal);
COMMENT ON OPERATOR CLASS sparsevec_l2_ops USING hnsw IS 'L2 distance';
COMMENT ON OPERATOR FAMILY sparsevec_l2_ops USING hnsw IS 'L2 distance';

CREATE OPERATOR CLASS sparsevec_ip_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <#> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 3 hnsw_sparsevec_support(internal);
COMMENT ON OPERATOR CLASS sparsevec_ip_ops USING hnsw IS 'inner product';
COMMENT ON OPERATOR FAMILY sparsevec_ip_ops USING hnsw IS 'inner product';

CREATE OPERATOR CLASS sparsevec_cosine_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <=> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 sparsevec_negative_inner_product(sparsevec, sparsevec),
	FUNCTION 2 l2_norm(sparsevec),
	FUNCTION 3 hnsw_sparsevec_support(internal);
COMMENT ON OPERATOR CLASS sparsevec_cosine_ops USING hnsw IS 'cosine distance';
COMMENT ON OPERATOR FAMILY sparsevec_cosine_ops USING hnsw IS 'cosine distance';

CREATE OPERATOR CLASS sparsevec_l1_ops
	FOR TYPE sparsevec USING hnsw AS
	OPERATOR 1 <+> (sparsevec, sparsevec) FOR ORDER BY float_ops,
	FUNCTION 1 l1_distance(sparsevec, sparsevec),
	FUNCTION 3 hnsw_sparsevec_support(internal);
COMMENT ON OPERATOR CLASS sparsevec_l1_ops USING hnsw IS 'L1 distance';
COMMENT ON OPERATOR FAMILY sparsevec_l1_ops USING hnsw IS 'L1 distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 hamming_distance(bit, bit),
	FUNCTION 3 hnsw_bit_support(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING hnsw IS 'Hamming distance';
COMMENT ON OPERATOR FAMILY bit_hamming_ops USING hnsw IS 'Hamming distance';

CREATE OPERATOR CLASS bit_jaccard_ops
	FOR TYPE bit USING hnsw AS
	OPERATOR 1 <%> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 jaccard_distance(bit, bit),
	FUNCTION 3 hnsw_bit_support(internal);
COMMENT ON OPERATOR CLASS bit_jaccard_ops USING hnsw IS 'Jaccard distance';
COMMENT ON OPERATOR FAMILY bit_jaccard_ops USING hnsw IS 'Jaccard distance';

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_l2_squared_distance(vector, vector),
	FUNCTION 3 l2_distance(vector, vector);
COMMENT ON OPERATOR CLASS vector_l2_ops USING ivfflat IS 'L2 distance';
COMMENT ON OPERATOR FAMILY vector_l2_ops USING ivfflat IS 'L2 distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 3 vector_spherical_distance(vector, vector),
	FUNCTION 4 vector_norm(vector);
COMMENT ON OPERATOR CLASS vector_ip_ops USING ivfflat IS 'inner product';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING ivfflat IS 'inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING ivfflat AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 vector_norm(vector),
	FUNCTION 3 vector_spherical_distance(vector, vector),
	FUNCTION 4 vector_norm(vector);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING ivfflat IS 'cosine distance';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING ivfflat IS 'cosine distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_l2_squared_distance(halfvec, halfvec),
	FUNCTION 3 l2_distance(halfvec, halfvec),
	FUNCTION 5 ivfflat_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING ivfflat IS 'L2 distance';
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING ivfflat IS 'L2 distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 3 halfvec_spherical_distance(halfvec, halfvec),
	FUNCTION 4 l2_norm(halfvec),
	FUNCTION 5 ivfflat_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING ivfflat IS 'inner product';
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING ivfflat IS 'inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING ivfflat AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 l2_norm(halfvec),
	FUNCTION 3 halfvec_spherical_distance(halfvec, halfvec),
	FUNCTION 4 l2_norm(halfvec),
	FUNCTION 5 ivfflat_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING ivfflat IS 'cosine distance';
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING ivfflat IS 'cosine distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING ivfflat AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 hamming_distance(bit, bit),
	FUNCTION 3 hamming_distance(bit, bit),
	FUNCTION 5 ivfflat_bit_support(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING ivfflat IS 'Hamming distance';
COMMENT ON OPERATOR FAMILY bit_hamming_ops USING ivfflat IS 'Hamming distance';

CREATE OPERATOR CLASS vector_l2_ops
	DEFAULT FOR TYPE vector USING ivf AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_l2_squared_distance(vector, vector);
COMMENT ON OPERATOR CLASS vector_l2_ops USING ivf IS 'L2 distance';
COMMENT ON OPERATOR FAMILY vector_l2_ops USING ivf IS 'L2 distance';

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING ivf AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector);
COMMENT ON OPERATOR CLASS vector_ip_ops USING ivf IS 'inner product';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING ivf IS 'inner product';

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING ivf AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_negative_inner_product(vector, vector),
	FUNCTION 2 vector_norm(vector);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING ivf IS 'cosine distance';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING ivf IS 'cosine distance';

CREATE OPERATOR CLASS halfvec_l2_ops
	FOR TYPE halfvec USING ivf AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_l2_squared_distance(halfvec, halfvec),
	FUNCTION 3 ivfflat_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING ivf IS 'L2 distance';
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING ivf IS 'L2 distance';

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING ivf AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 3 ivfflat_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING ivf IS 'inner product';
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING ivf IS 'inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING ivf AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 halfvec_negative_inner_product(halfvec, halfvec),
	FUNCTION 2 l2_norm(halfvec),
	FUNCTION 3 ivfflat_halfvec_support(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING ivf IS 'cosine distance';
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING ivf IS 'cosine distance';

CREATE OPERATOR CLASS bit_hamming_ops
	FOR TYPE bit USING ivf AS
	OPERATOR 1 <~> (bit, bit) FOR ORDER BY float_ops,
	FUNCTION 1 hamming_distance(bit, bit),
	FUNCTION 3 ivfflat_bit_support(internal);
COMMENT ON OPERATOR CLASS bit_hamming_ops USING ivf IS 'Hamming distance';
COMMENT ON OPERATOR FAMILY bit_hamming_ops USING ivf IS 'Hamming distance';
