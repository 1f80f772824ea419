-- Indexes of collections -----------------------------------------------------------------------------

-- What flush(), merge() and stats() are for: the index of a collection, or an index by its own name.
CREATE FUNCTION proxima.index_of(collection uuid) RETURNS regclass
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $index$
DECLARE
	place record;
	found_index regclass;
BEGIN
	place := proxima.resolve_collection(collection);
	SELECT i.index INTO found_index
		FROM proxima.collection_index(place.relation, place.element, place.metric) i LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'collection % has no index for metric %', place.target, place.metric
			USING ERRCODE = 'undefined_object', HINT = 'CALL proxima.reindex_collection() gives it one.';
	END IF;
	RETURN found_index;
END
$index$;
COMMENT ON FUNCTION proxima.index_of(uuid) IS 'index of a collection';

CREATE FUNCTION proxima.index_of(name text) RETURNS regclass
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $index$
DECLARE
	found_id pg_catalog.uuid;
	place pg_catalog.regclass;
BEGIN
	IF pg_catalog.regexp_match(name, '^\s*[[:xdigit:]]{8}-') IS NOT NULL THEN
		RETURN proxima.index_of(proxima.collection_id(name));
	END IF;
	-- As a constant is read, which may be a number.
	place := pg_catalog.regclassin(pg_catalog.textout(name));
	SELECT c.id INTO found_id FROM proxima.collection_entries c
		WHERE c.relation OPERATOR(pg_catalog.=) place::pg_catalog.oid;
	RETURN CASE WHEN found_id IS NULL THEN place ELSE proxima.index_of(found_id) END;
END
$index$;
COMMENT ON FUNCTION proxima.index_of(text) IS 'index of a collection, or the index of that name';

CREATE FUNCTION proxima.flush(collection uuid) RETURNS jsonb
	LANGUAGE sql STRICT
	RETURN proxima.flush(proxima.index_of(collection));
COMMENT ON FUNCTION proxima.flush(uuid) IS 'moves the pending rows of a collection''s index into a segment';

CREATE FUNCTION proxima.flush(name text) RETURNS jsonb
	LANGUAGE sql STRICT
	RETURN proxima.flush(proxima.index_of(name));
COMMENT ON FUNCTION proxima.flush(text) IS 'moves the pending rows of an index, or a collection''s, into a segment';

CREATE FUNCTION proxima.merge(collection uuid) RETURNS jsonb
	LANGUAGE sql STRICT
	RETURN proxima.merge(proxima.index_of(collection));
COMMENT ON FUNCTION proxima.merge(uuid) IS 'merges the segments of a collection''s index as far as memory allows';

CREATE FUNCTION proxima.merge(name text) RETURNS jsonb
	LANGUAGE sql STRICT
	RETURN proxima.merge(proxima.index_of(name));
COMMENT ON FUNCTION proxima.merge(text)
	IS 'merges the segments of an index, or a collection''s, as far as memory allows';

CREATE FUNCTION proxima.stats(collection uuid) RETURNS jsonb
	LANGUAGE sql STRICT
	RETURN proxima.index_stats(proxima.index_of(collection));
COMMENT ON FUNCTION proxima.stats(uuid) IS 'index_stats() of a collection''s index';

CREATE FUNCTION proxima.stats(name text) RETURNS jsonb
	LANGUAGE sql STRICT
	RETURN proxima.index_stats(proxima.index_of(name));
COMMENT ON FUNCTION proxima.stats(text) IS 'index_stats() of an index, or of a collection''s';

-- Three statements: queries $1; how far the k-th of the truly nearest rows to each is, and how many rows these are; how
-- many of the rows found by the index, $2 being the second's distances, are no farther. Of rows that are equally near,
-- any will do.
CREATE FUNCTION proxima.recall_statements(collection uuid, sample integer, k integer, OUT queries text, OUT exact text,
	OUT by_index text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $statements$
DECLARE
	place record;
	nearest text;
BEGIN
	place := proxima.resolve_collection(collection);
	IF sample IS NULL OR sample < 1 OR k IS NULL OR k < 1 THEN
		RAISE EXCEPTION 'sample and k must be at least 1' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM proxima.index_of(collection);
	queries := format('SELECT ARRAY(SELECT c.embedding::%s.vector FROM %s c ORDER BY pg_catalog.random() LIMIT %s)
			AS vectors',
		place.type_schema, place.target, sample);
	nearest := format('pg_catalog.unnest($1) WITH ORDINALITY q (query, number) CROSS JOIN LATERAL (%s) n',
		proxima.nearest_statement(place, format('q.query::%s.%I', place.type_schema, place.element), k::text, NULL, false));
	exact := format('SELECT pg_catalog.array_agg(s.farthest ORDER BY s.number) AS farthest, pg_catalog.sum(s.rows) AS rows
		FROM (SELECT q.number, pg_catalog.max(n.distance) AS farthest, pg_catalog.count(*) AS rows
			FROM %s GROUP BY q.number) s', nearest);
	by_index := format('SELECT pg_catalog.count(*) FROM %s
		WHERE n.distance OPERATOR(pg_catalog.<=) $2[q.number]', nearest);
END
$statements$;
COMMENT ON FUNCTION proxima.recall_statements(uuid, integer, integer) IS 'what recall() runs';

-- Settings are set for the function alone: see search().
CREATE FUNCTION proxima.recall(collection uuid, sample integer DEFAULT 100, k integer DEFAULT 10)
RETURNS double precision
LANGUAGE plpgsql SET jit = off AS $recall$
DECLARE
	statements pg_catalog.record;
	queries pg_catalog.record;
	truth pg_catalog.record;
	found_rows pg_catalog.int8;
BEGIN
	statements := proxima.recall_statements(collection, sample, k);
	EXECUTE statements.queries INTO queries;
	PERFORM pg_catalog.set_config('enable_indexscan', 'off', true);
	EXECUTE statements.exact INTO truth USING queries.vectors;
	PERFORM pg_catalog.set_config('enable_indexscan', 'on', true), pg_catalog.set_config('enable_seqscan', 'off', true),
		pg_catalog.set_config('enable_sort', 'off', true);
	EXECUTE statements.by_index INTO found_rows USING queries.vectors, truth.farthest;
	RETURN found_rows::pg_catalog.float8 OPERATOR(pg_catalog./) truth.rows::pg_catalog.float8;
END
$recall$;
COMMENT ON FUNCTION proxima.recall(uuid, integer, integer)
	IS 'share of the k nearest rows that searches by index find, over a sample of rows';

CREATE FUNCTION proxima.recall(collection text, sample integer DEFAULT 100, k integer DEFAULT 10)
	RETURNS double precision
	LANGUAGE sql
	RETURN proxima.recall(proxima.collection_id(collection), sample, k);
COMMENT ON FUNCTION proxima.recall(text, integer, integer)
	IS 'share of the k nearest rows that searches by index find, over a sample of rows';

-- What reindex_collection() runs, and a client may run: each statement for itself, outside of a transaction block.
-- Reads and writes go on. Searches use the new metric from the statement that registers it, when its index is there;
-- all older indexes on the vectors go last. After a failure, the statements of a new call begin with dropping what
-- was left invalid.
CREATE FUNCTION proxima.reindex_statements(collection uuid, index_method text DEFAULT NULL, metric text DEFAULT NULL,
	options jsonb DEFAULT '{}')
RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $reindex$
DECLARE
	place record;
	new_metric text;
	new_method text;
BEGIN
	place := proxima.resolve_collection(collection);
	new_metric := coalesce(metric, place.metric);
	new_method := coalesce(index_method,
		(SELECT i.index_method FROM proxima.collection_index(place.relation, place.element, place.metric) i LIMIT 1), 'hnsw');
	RETURN QUERY SELECT format('DROP INDEX CONCURRENTLY %s', i.indexrelid::regclass)
		FROM proxima.embedding_indexes(place.relation) i WHERE NOT i.indisvalid;
	RETURN NEXT 'CREATE INDEX CONCURRENTLY ' || proxima.index_statement(place.target, place.type_schema, place.element,
		new_metric, new_method, coalesce(options, '{}'));
	IF new_metric <> place.metric THEN
		RETURN NEXT format('SELECT proxima.register_collection(%L, %L)', place.target, new_metric);
		-- A comment of somebody's own stays.
		IF obj_description(place.relation, 'pg_class') IN (SELECT proxima.collection_comment(place.element,
			place.dimension, m) FROM unnest('{cosine,l2,ip,l1}'::text[]) m)
		THEN
			RETURN NEXT format('COMMENT ON TABLE %s IS %L', place.target,
				proxima.collection_comment(place.element, place.dimension, new_metric));
		END IF;
	END IF;
	RETURN QUERY SELECT format('DROP INDEX CONCURRENTLY %s', i.indexrelid::regclass)
		FROM proxima.embedding_indexes(place.relation) i WHERE i.indisvalid;
END
$reindex$;
COMMENT ON FUNCTION proxima.reindex_statements(uuid, text, text, jsonb)
	IS 'statements that give a collection another index, or another metric, while reads and writes go on';

CREATE FUNCTION proxima.reindex_statements(collection text, index_method text DEFAULT NULL, metric text DEFAULT NULL,
	options jsonb DEFAULT '{}')
	RETURNS SETOF text
	LANGUAGE sql STABLE
	BEGIN ATOMIC
		SELECT * FROM proxima.reindex_statements(proxima.collection_id(collection), index_method, metric, options);
	END;
COMMENT ON FUNCTION proxima.reindex_statements(text, text, text, jsonb)
	IS 'statements that give a collection another index, or another metric, while reads and writes go on';

-- The table of a collection that the caller may reindex so.
CREATE FUNCTION proxima.reindex_target(collection uuid, index_method text, metric text, options jsonb,
	OUT id uuid, OUT relation oid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $target$
DECLARE
	place record;
BEGIN
	place := proxima.resolve_collection(collection);
	IF NOT pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = place.relation), 'USAGE') THEN
		RAISE EXCEPTION 'must be owner of table %', place.relation USING ERRCODE = 'insufficient_privilege';
	END IF;
	PERFORM proxima.reindex_statements(collection, index_method, metric, options);
	id := collection;
	relation := place.relation;
END
$target$;
COMMENT ON FUNCTION proxima.reindex_target(uuid, text, text, jsonb)
	IS 'table of a collection that the caller may reindex';

CREATE PROCEDURE proxima.reindex_collection(collection uuid, index_method text DEFAULT NULL, metric text DEFAULT NULL,
	options jsonb DEFAULT '{}')
	AS 'MODULE_PATHNAME', 'proxima_reindex_collection' LANGUAGE C;
COMMENT ON PROCEDURE proxima.reindex_collection(uuid, text, text, jsonb)
	IS 'gives a collection another index, or another metric, while reads and writes go on';

CREATE PROCEDURE proxima.reindex_collection(collection text, index_method text DEFAULT NULL, metric text DEFAULT NULL,
	options jsonb DEFAULT '{}')
	AS 'MODULE_PATHNAME', 'proxima_reindex_collection_by_name' LANGUAGE C;
COMMENT ON PROCEDURE proxima.reindex_collection(text, text, text, jsonb)
	IS 'gives a collection another index, or another metric, while reads and writes go on';
