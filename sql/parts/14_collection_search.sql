-- Searching collections ------------------------------------------------------------------------------

CREATE FUNCTION proxima.filter_sql(filter jsonb, alias text DEFAULT '') RETURNS text
	AS 'MODULE_PATHNAME', 'proxima_filter_sql' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION proxima.filter_sql(jsonb, text) IS 'a filter as a condition on the column metadata (of alias)';

-- The nearest rows to "query", an expression of the collection's type.
CREATE FUNCTION proxima.nearest_statement(place record, query text, k text, filter jsonb, with_vectors boolean)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $nearest$
DECLARE
	distance text := format('c.embedding %s %s', place.operator, query);
BEGIN
	RETURN format('SELECT c.id, %s AS distance, c.document, c.metadata, %s AS embedding FROM %s c WHERE %s
			ORDER BY %s LIMIT %s',
		distance, CASE WHEN with_vectors THEN 'c.embedding::' ELSE 'NULL::' END || place.type_schema || '.vector',
		place.target, coalesce(proxima.filter_sql(filter, 'c'), 'true'), distance, k);
END
$nearest$;
COMMENT ON FUNCTION proxima.nearest_statement(record, text, text, jsonb, boolean) IS 'the nearest rows of a collection';

-- Larger is better, and 1 is equal, but for inner products.
CREATE FUNCTION proxima.score_expression(metric text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $score$
BEGIN
	RETURN CASE metric
		WHEN 'cosine' THEN '1 OPERATOR(pg_catalog.-) n.distance'
		WHEN 'ip' THEN 'OPERATOR(pg_catalog.-) n.distance'
		ELSE '1 OPERATOR(pg_catalog./) (1 OPERATOR(pg_catalog.+) n.distance)' END;
END
$score$;
COMMENT ON FUNCTION proxima.score_expression(text) IS 'score by distance';

CREATE FUNCTION proxima.check_queries(place record, queries vector[], k integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $check$
DECLARE
	bad record;
BEGIN
	IF k IS NULL OR k < 1 THEN
		RAISE EXCEPTION 'k must be at least 1, not %', coalesce(k::text, 'null') USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF queries IS NULL THEN
		RAISE EXCEPTION 'queries must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT w.place, w.found INTO bad FROM proxima.wrong_embedding(queries, place.dimension) w;
	IF bad.place IS NOT NULL AND bad.found IS NULL THEN
		RAISE EXCEPTION 'query % is null', bad.place USING ERRCODE = 'null_value_not_allowed';
	ELSIF bad.place IS NOT NULL THEN
		RAISE EXCEPTION 'query % has % dimensions, collection % has %', bad.place, bad.found, place.target, place.dimension
			USING ERRCODE = 'data_exception';
	END IF;
	SELECT u.place, u.value INTO bad FROM proxima.unfit_embedding(queries, place.element) u;
	IF bad.place IS NOT NULL THEN
		RAISE EXCEPTION 'query % has the value %, which is out of range for type halfvec', bad.place, bad.value
			USING ERRCODE = 'numeric_value_out_of_range';
	END IF;
END
$check$;
COMMENT ON FUNCTION proxima.check_queries(record, vector[], integer) IS 'raises an error if queries cannot be answered';

CREATE FUNCTION proxima.search_statement(collection uuid, query vector, k integer, filter jsonb, with_vectors boolean)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statement$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	PERFORM proxima.check_queries(place, ARRAY[query], k);
	RETURN format('SELECT n.id, n.distance, %s, n.document, n.metadata, n.embedding FROM (%s) n',
		proxima.score_expression(place.metric),
		proxima.nearest_statement(place, format('$1::%s.%I', place.type_schema, place.element), '$2', filter, with_vectors));
END
$statement$;
COMMENT ON FUNCTION proxima.search_statement(uuid, vector, integer, jsonb, boolean) IS 'what search() runs';

CREATE FUNCTION proxima.search_batch_statement(collection uuid, queries vector[], k integer, filter jsonb,
	with_vectors boolean)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statement$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	PERFORM proxima.check_queries(place, queries, k);
	RETURN format('SELECT q.number, n.id, n.distance, %s, n.document, n.metadata, n.embedding
		FROM pg_catalog.unnest($1) WITH ORDINALITY q (query, number) CROSS JOIN LATERAL (%s) n
		ORDER BY q.number, n.distance',
		proxima.score_expression(place.metric),
		proxima.nearest_statement(place, format('q.query::%s.%I', place.type_schema, place.element), '$2', filter,
			with_vectors));
END
$statement$;
COMMENT ON FUNCTION proxima.search_batch_statement(uuid, vector[], integer, jsonb, boolean)
	IS 'what search_batch() runs';

-- The setting that says how far searches of a collection's index go. Without an index there is none to set.
CREATE FUNCTION proxima.effort_setting(collection uuid) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $effort$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	RETURN (SELECT CASE i.index_method WHEN 'hnsw' THEN 'hnsw.ef_search' ELSE i.index_method || '.probes' END
		FROM proxima.collection_index(place.relation, place.element, place.metric) i LIMIT 1);
END
$effort$;
COMMENT ON FUNCTION proxima.effort_setting(uuid) IS 'the setting that the argument ef of search() is for';

-- A function that sets something ends what set_config(..., true) did in it, so ef is as before afterwards, even
-- if not set. What jit would compile is run for a few rows.
CREATE FUNCTION proxima.search(collection uuid, query vector, k integer DEFAULT 10, filter jsonb DEFAULT NULL,
	with_vectors boolean DEFAULT false, ef integer DEFAULT NULL)
RETURNS TABLE (id uuid, distance double precision, score double precision, document text, metadata jsonb,
	embedding vector)
LANGUAGE plpgsql STABLE ROWS 10 SET jit = off AS $search$
DECLARE
	setting pg_catalog.text;
BEGIN
	IF ef IS NOT NULL THEN
		setting := proxima.effort_setting(collection);
		PERFORM pg_catalog.set_config(setting, ef::pg_catalog.text, true) WHERE setting IS NOT NULL;
	END IF;
	RETURN QUERY EXECUTE proxima.search_statement(collection, query, k, filter, with_vectors) USING query, k;
END
$search$;
COMMENT ON FUNCTION proxima.search(uuid, vector, integer, jsonb, boolean, integer)
	IS 'the k nearest rows to a vector, nearest first';

CREATE FUNCTION proxima.search_batch(collection uuid, queries vector[], k integer DEFAULT 10, filter jsonb DEFAULT NULL,
	with_vectors boolean DEFAULT false, ef integer DEFAULT NULL)
RETURNS TABLE (query bigint, id uuid, distance double precision, score double precision, document text, metadata jsonb,
	embedding vector)
LANGUAGE plpgsql STABLE SET jit = off AS $batch$
DECLARE
	setting pg_catalog.text;
BEGIN
	IF ef IS NOT NULL THEN
		setting := proxima.effort_setting(collection);
		PERFORM pg_catalog.set_config(setting, ef::pg_catalog.text, true) WHERE setting IS NOT NULL;
	END IF;
	RETURN QUERY EXECUTE proxima.search_batch_statement(collection, queries, k, filter, with_vectors) USING queries, k;
END
$batch$;
COMMENT ON FUNCTION proxima.search_batch(uuid, vector[], integer, jsonb, boolean, integer)
	IS 'the k nearest rows to each of several vectors; "query" is the place of each';
