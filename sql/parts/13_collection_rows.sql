-- Rows of collections --------------------------------------------------------------------------------

CREATE FUNCTION proxima.wrong_embedding(embeddings vector[], dimension integer, OUT place bigint, OUT found integer)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT e.place, vector_dims(e.embedding)
			FROM unnest(embeddings) WITH ORDINALITY e (embedding, place)
			WHERE vector_dims(e.embedding) IS DISTINCT FROM dimension
			LIMIT 1;
	END;
COMMENT ON FUNCTION proxima.wrong_embedding(vector[], integer) IS 'the first vector of another dimension';

-- What rounds to less than 65,520 is the largest halfvec. No element is larger than the norm.
CREATE FUNCTION proxima.unfit_embedding(embeddings vector[], element text, OUT place bigint, OUT value real)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT e.place, x.value
			FROM unnest(embeddings) WITH ORDINALITY e (embedding, place), unnest(e.embedding::real[]) x (value)
			WHERE element = 'halfvec' AND vector_norm(e.embedding) >= 65520 AND abs(x.value) >= 65520
			LIMIT 1;
	END;
COMMENT ON FUNCTION proxima.unfit_embedding(vector[], text) IS 'the first vector with a value too large for halfvec';

-- Raises an error that names the culprit if a batch cannot be written. ids may be left out.
CREATE FUNCTION proxima.check_batch(collection text, element text, dimension integer, ids uuid[],
	embeddings vector[], documents text[], metadata jsonb[])
RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $check$
DECLARE
	expected integer := cardinality(embeddings);
	bad record;
BEGIN
	IF embeddings IS NULL THEN
		RAISE EXCEPTION 'embeddings must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT a.name, a.rows INTO bad
		FROM (VALUES ('ids', cardinality(ids)), ('documents', cardinality(documents)),
			('metadata', cardinality(metadata))) a (name, rows)
		WHERE a.rows <> expected LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'array "%" has length %, "embeddings" has %', bad.name, bad.rows, expected
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT w.place, w.found INTO bad FROM proxima.wrong_embedding(embeddings, dimension) w;
	IF bad.place IS NOT NULL AND bad.found IS NULL THEN
		RAISE EXCEPTION 'embeddings[%] is null', bad.place USING ERRCODE = 'null_value_not_allowed';
	ELSIF bad.place IS NOT NULL THEN
		RAISE EXCEPTION 'embeddings[%] has % dimensions, collection % has %', bad.place, bad.found, collection, dimension
			USING ERRCODE = 'data_exception';
	END IF;
	SELECT u.place, u.value INTO bad FROM proxima.unfit_embedding(embeddings, element) u;
	IF bad.place IS NOT NULL THEN
		RAISE EXCEPTION 'embeddings[%] has the value %, which is out of range for type halfvec', bad.place, bad.value
			USING ERRCODE = 'numeric_value_out_of_range';
	END IF;
	SELECT m.place, jsonb_typeof(m.value) AS kind INTO bad
		FROM unnest(metadata) WITH ORDINALITY m (value, place) WHERE jsonb_typeof(m.value) <> 'object' LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'metadata[%] must be a JSON object, not %', bad.place, bad.kind
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF ids IS NULL THEN
		RETURN;
	END IF;
	SELECT u.id, count(*) INTO bad FROM unnest(ids) u (id) GROUP BY u.id HAVING u.id IS NULL OR count(*) > 1 LIMIT 1;
	IF FOUND AND bad.id IS NULL THEN
		RAISE EXCEPTION 'ids[%] is null', array_position(ids, NULL) USING ERRCODE = 'null_value_not_allowed',
			HINT = 'proxima.add() makes ids and returns them.';
	ELSIF FOUND THEN
		RAISE EXCEPTION 'id % is in the batch % times', bad.id, bad.count USING ERRCODE = 'cardinality_violation';
	END IF;
END
$check$;
COMMENT ON FUNCTION proxima.check_batch(text, text, integer, uuid[], vector[], text[], jsonb[])
	IS 'raises an error if a batch cannot be written';

CREATE FUNCTION proxima.upsert_statement(collection uuid, ids uuid[], embeddings vector[], documents text[],
	metadata jsonb[])
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statement$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	IF ids IS NULL THEN
		RAISE EXCEPTION 'ids must not be null' USING ERRCODE = 'null_value_not_allowed',
			HINT = 'proxima.add() makes ids and returns them.';
	END IF;
	PERFORM proxima.check_batch(place.target, place.element, place.dimension, ids, embeddings, documents, metadata);
	RETURN format('WITH written AS (
			INSERT INTO %s AS c (id, embedding, document, metadata)
			SELECT u.id, u.embedding, u.document, coalesce(u.metadata, ''{}'')
				FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))
					u (id, embedding, document, metadata)
			ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding, document = excluded.document,
				metadata = excluded.metadata
			RETURNING (c.xmax OPERATOR(pg_catalog.=) 0) AS is_new)
		SELECT pg_catalog.count(*) FILTER (WHERE is_new), pg_catalog.count(*) FILTER (WHERE NOT is_new) FROM written',
		place.target);
END
$statement$;
COMMENT ON FUNCTION proxima.upsert_statement(uuid, uuid[], vector[], text[], jsonb[]) IS 'what upsert() runs';

-- Rows are replaced: what is not given is NULL, or {} for metadata.
CREATE FUNCTION proxima.upsert(collection uuid, ids uuid[], embeddings vector[], documents text[] DEFAULT NULL,
	metadata jsonb[] DEFAULT NULL, OUT inserted bigint, OUT updated bigint)
LANGUAGE plpgsql AS $upsert$
BEGIN
	EXECUTE proxima.upsert_statement(collection, ids, embeddings, documents, metadata)
		INTO inserted, updated USING ids, embeddings, documents, metadata;
END
$upsert$;
COMMENT ON FUNCTION proxima.upsert(uuid, uuid[], vector[], text[], jsonb[])
	IS 'inserts rows or replaces those that are there; returns how many of each';

CREATE FUNCTION proxima.upsert_one(collection uuid, id uuid, embedding vector, document text DEFAULT NULL,
	metadata jsonb DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql AS $one$
BEGIN
	id := coalesce(id, pg_catalog.gen_random_uuid());
	PERFORM proxima.upsert(collection, ARRAY[id], ARRAY[embedding], ARRAY[document], ARRAY[metadata]);
	RETURN id;
END
$one$;
COMMENT ON FUNCTION proxima.upsert_one(uuid, uuid, vector, text, jsonb)
	IS 'inserts a row or replaces it; returns its id, which is made if it is null';

CREATE FUNCTION proxima.add_statement(collection uuid, embeddings vector[], documents text[], metadata jsonb[])
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statement$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	PERFORM proxima.check_batch(place.target, place.element, place.dimension, NULL, embeddings, documents, metadata);
	RETURN format('INSERT INTO %s (id, embedding, document, metadata)
		SELECT u.id, u.embedding, u.document, coalesce(u.metadata, ''{}'')
			FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))
				u (id, embedding, document, metadata)', place.target);
END
$statement$;
COMMENT ON FUNCTION proxima.add_statement(uuid, vector[], text[], jsonb[]) IS 'what add() runs';

-- RETURNING would give the ids in an order that PostgreSQL does not promise.
CREATE FUNCTION proxima.add(collection uuid, embeddings vector[], documents text[] DEFAULT NULL,
	metadata jsonb[] DEFAULT NULL)
RETURNS uuid[]
LANGUAGE plpgsql AS $add$
DECLARE
	ids pg_catalog.uuid[];
BEGIN
	ids := ARRAY(SELECT pg_catalog.gen_random_uuid() FROM pg_catalog.unnest(embeddings));
	EXECUTE proxima.add_statement(collection, embeddings, documents, metadata)
		USING ids, embeddings, documents, metadata;
	RETURN ids;
END
$add$;
COMMENT ON FUNCTION proxima.add(uuid, vector[], text[], jsonb[])
	IS 'inserts rows under new ids; returns these in the order of the rows';

-- Conditions on rows: $1 is ids.
CREATE FUNCTION proxima.rows_condition(ids uuid[], filter jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $condition$
BEGIN
	RETURN CASE WHEN ids IS NULL THEN 'true' ELSE 'c.id OPERATOR(pg_catalog.=) ANY ($1)' END
		|| coalesce(' AND ' || proxima.filter_sql(filter, 'c'), '');
END
$condition$;
COMMENT ON FUNCTION proxima.rows_condition(uuid[], jsonb) IS 'condition of get() and delete()';

-- Where each id is in ids is looked up once for all: array_position() would go through them for every row.
CREATE FUNCTION proxima.get_statement(collection uuid, ids uuid[], filter jsonb, with_vectors boolean) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statement$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	RETURN format('SELECT c.id, c.document, c.metadata, %s, c.created_at, c.updated_at FROM %s c %s WHERE %s
		ORDER BY %s LIMIT $2',
		CASE WHEN with_vectors THEN 'c.embedding::' ELSE 'NULL::' END || place.type_schema || '.vector', place.target,
		CASE WHEN ids IS NOT NULL THEN 'JOIN (SELECT u.id, pg_catalog.min(u.place) AS place
			FROM pg_catalog.unnest($1) WITH ORDINALITY u (id, place) GROUP BY u.id) o ON o.id OPERATOR(pg_catalog.=) c.id' END,
		proxima.rows_condition(ids, filter), CASE WHEN ids IS NULL THEN 'c.id' ELSE 'o.place' END);
END
$statement$;
COMMENT ON FUNCTION proxima.get_statement(uuid, uuid[], jsonb, boolean) IS 'what get() runs';

CREATE FUNCTION proxima.get(collection uuid, ids uuid[] DEFAULT NULL, filter jsonb DEFAULT NULL,
	with_vectors boolean DEFAULT false, max_rows bigint DEFAULT NULL)
RETURNS TABLE (id uuid, document text, metadata jsonb, embedding vector, created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql STABLE AS $get$
BEGIN
	RETURN QUERY EXECUTE proxima.get_statement(collection, ids, filter, with_vectors) USING ids, max_rows;
END
$get$;
COMMENT ON FUNCTION proxima.get(uuid, uuid[], jsonb, boolean, bigint)
	IS 'rows by their ids, in the order of these, or by a filter, in the order of their ids';

CREATE FUNCTION proxima.delete_statement(collection uuid, ids uuid[], filter jsonb, everything boolean) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statement$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	IF everything THEN
		IF ids IS NOT NULL OR filter IS NOT NULL THEN
			RAISE EXCEPTION 'delete of everything takes neither ids nor a filter'
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
	ELSIF ids IS NULL AND (filter IS NULL OR filter = '{}') THEN
		RAISE EXCEPTION 'delete needs ids or a filter that is not empty'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'To delete all rows, say everything => true.';
	END IF;
	RETURN format('DELETE FROM %s c WHERE %s', place.target, proxima.rows_condition(ids, filter));
END
$statement$;
COMMENT ON FUNCTION proxima.delete_statement(uuid, uuid[], jsonb, boolean) IS 'what delete() runs';

CREATE FUNCTION proxima.delete(collection uuid, ids uuid[] DEFAULT NULL, filter jsonb DEFAULT NULL,
	everything boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql AS $delete$
DECLARE
	deleted pg_catalog.int8;
BEGIN
	EXECUTE proxima.delete_statement(collection, ids, filter, everything) USING ids;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$delete$;
COMMENT ON FUNCTION proxima.delete(uuid, uuid[], jsonb, boolean)
	IS 'deletes rows by ids, by a filter, or all; returns how many';

CREATE FUNCTION proxima.count_statement(collection uuid, filter jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statement$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	RETURN format('SELECT pg_catalog.count(*) FROM %s c WHERE %s', place.target, proxima.rows_condition(NULL, filter));
END
$statement$;
COMMENT ON FUNCTION proxima.count_statement(uuid, jsonb) IS 'what count_rows() runs';

-- Not count(): where this schema is in search_path, count(id) would be this and not the aggregate.
CREATE FUNCTION proxima.count_rows(collection uuid, filter jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE AS $count$
DECLARE
	counted pg_catalog.int8;
BEGIN
	EXECUTE proxima.count_statement(collection, filter) INTO counted;
	RETURN counted;
END
$count$;
COMMENT ON FUNCTION proxima.count_rows(uuid, jsonb) IS 'how many rows there are, of those that the caller may see';
