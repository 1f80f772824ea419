-- Collections: making, naming, listing ---------------------------------------------------------------

-- The parts of a name as SQL reads it; schema "first" if it is not qualified.
CREATE FUNCTION proxima.split_name(name text, schema text, first text, OUT schema_name text, OUT table_name text)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $split$
DECLARE
	parts text[] := parse_ident(name);
	given text;
	part text;
BEGIN
	IF parts IS NULL OR cardinality(parts) > 2 THEN
		RAISE EXCEPTION 'invalid name of a collection: %', coalesce(quote_literal(name), 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A name is a table''s, with or without its schema.';
	END IF;
	IF schema IS NOT NULL THEN
		parts := parse_ident(schema) || parts;
		IF cardinality(parts) <> 2 THEN
			RAISE EXCEPTION 'schema % given for collection %', schema, name
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Qualify the name or give the schema, not both.';
		END IF;
	ELSIF cardinality(parts) = 1 THEN
		parts := first || parts;
	END IF;
	FOREACH part IN ARRAY parts LOOP
		IF octet_length(part) NOT BETWEEN 1 AND 63 THEN
			RAISE EXCEPTION 'name "%" is empty or too long', part USING ERRCODE = 'name_too_long';
		END IF;
	END LOOP;
	schema_name := parts[1];
	table_name := parts[2];
END
$split$;
COMMENT ON FUNCTION proxima.split_name(text, text, text) IS 'schema and table of a collection''s name';

-- An index of a collection. The server checks names and values of options, and its errors name them.
CREATE FUNCTION proxima.index_statement(target text, type_schema text, element text, metric text, index_method text,
	options jsonb)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $index$
DECLARE
	with_options text := '';
	option record;
BEGIN
	IF metric IS NULL OR metric NOT IN ('cosine', 'l2', 'ip', 'l1') THEN
		RAISE EXCEPTION 'unknown metric: %', coalesce(quote_literal(metric), 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Metrics are cosine, l2, ip, l1.';
	END IF;
	IF index_method IS NULL OR index_method NOT IN ('hnsw', 'ivf', 'ivfflat') THEN
		RAISE EXCEPTION 'unknown index method: %', coalesce(quote_literal(index_method), 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Methods are hnsw, ivf, ivfflat.';
	END IF;
	IF metric = 'l1' AND index_method <> 'hnsw' THEN
		RAISE EXCEPTION 'index method % does not support metric l1', index_method
			USING ERRCODE = 'feature_not_supported', HINT = 'Use hnsw.';
	END IF;
	IF jsonb_typeof(options) <> 'object' THEN
		RAISE EXCEPTION 'options must be a JSON object, not %', jsonb_typeof(options)
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR option IN SELECT key, jsonb_typeof(value) AS kind, value #>> '{}' AS value FROM jsonb_each(options) LOOP
		IF option.kind NOT IN ('number', 'string', 'boolean') THEN
			RAISE EXCEPTION 'invalid value for index option "%": %', option.key, option.kind
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		with_options := with_options || CASE WHEN with_options = '' THEN '' ELSE ', ' END
			|| format('%I = %L', option.key, option.value);
	END LOOP;
	RETURN format('ON %s USING %I (embedding %s.%I)', target, index_method, type_schema,
			element || '_' || metric || '_ops')
		|| CASE WHEN with_options = '' THEN '' ELSE ' WITH (' || with_options || ')' END;
END
$index$;
COMMENT ON FUNCTION proxima.index_statement(text, text, text, text, text, jsonb)
	IS 'CREATE INDEX of a collection, from ON';

CREATE FUNCTION proxima.collection_comment(element text, dimension integer, metric text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN format('collection of documents, %s(%s), metric %s', element, dimension, metric);
COMMENT ON FUNCTION proxima.collection_comment(text, integer, text) IS 'comment on the table of a collection';

-- Makes the entry of a table, and its trigger. The UUID that a trigger of a restored table has is kept if it
-- is free. CREATE TRIGGER's lock, taken first, makes first registrations of one table wait for each other, each
-- to see what the one before has done; writes of others to the table wait for these. Another metric takes no
-- lock of the table, because a build of an index in another session would wait for who waits for it: the key
-- of the metrics tells that two took the same number. A transaction with a snapshot that is too old to see what
-- was done meanwhile fails, and may be tried again.
CREATE FUNCTION proxima.enter_collection(relation regclass, metric text) RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $enter$
DECLARE
	entry_id uuid := (SELECT c.id FROM proxima.collection_entries c
		WHERE c.relation = enter_collection.relation AND c.metric = enter_collection.metric);
BEGIN
	IF entry_id IS NOT NULL THEN
		RETURN entry_id;
	END IF;
	entry_id := (SELECT c.id FROM proxima.collection_entries c WHERE c.relation = enter_collection.relation);
	IF entry_id IS NULL THEN
		EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', relation);
		entry_id := (SELECT k.id FROM proxima.collection_marks k WHERE k.relation = enter_collection.relation);
		-- A table that was dropped and restored: whoever may do everything gets it back under its UUID. From others
		-- the UUID is kept, because callers that know it would write to their table.
		IF pg_has_role((SELECT c.relowner FROM pg_class c WHERE c.oid = 'proxima.collection_registry'::regclass),
			'USAGE')
		THEN
			DELETE FROM proxima.collection_registry r WHERE r.id = entry_id AND NOT EXISTS
				(SELECT FROM proxima.collection_marks k WHERE k.relation = r.relation::oid AND k.id = r.id);
		END IF;
		INSERT INTO proxima.collection_registry (id, relation) SELECT entry_id, enter_collection.relation::oid
			WHERE entry_id IS NOT NULL ON CONFLICT DO NOTHING;
		IF NOT EXISTS (SELECT FROM proxima.collection_registry r
			WHERE r.id = entry_id AND r.relation::oid = enter_collection.relation)
		THEN
			entry_id := gen_random_uuid();
			-- A trigger that is not seen here is not replaced.
			EXECUTE format('CREATE %s TRIGGER proxima_collection BEFORE UPDATE ON %s FOR EACH ROW
				EXECUTE FUNCTION proxima.collection_row(%L)',
				CASE WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = enter_collection.relation
					AND t.tgname = 'proxima_collection') THEN 'OR REPLACE' END, relation, entry_id);
			INSERT INTO proxima.collection_registry (id, relation) VALUES (entry_id, relation::oid);
		END IF;
	END IF;
	-- Who took the number that is next has committed when that is known; the next look sees it, unless the snapshot
	-- is that of the whole transaction.
	FOR attempt IN 1 .. 10 LOOP
		INSERT INTO proxima.collection_metrics (id, relation, number, metric)
			SELECT entry_id, enter_collection.relation::oid, coalesce(max(m.number), 0) + 1, enter_collection.metric
				FROM proxima.collection_metrics m
				WHERE m.id = entry_id AND m.relation::oid = enter_collection.relation
			ON CONFLICT DO NOTHING;
		IF FOUND THEN
			RETURN entry_id;
		END IF;
	END LOOP;
	RAISE EXCEPTION 'could not change the metric of collection % because of concurrent changes', relation
		USING ERRCODE = 'serialization_failure';
EXCEPTION
	WHEN duplicate_object THEN
		RAISE EXCEPTION 'could not register table % because of a concurrent registration', relation
			USING ERRCODE = 'serialization_failure';
END
$enter$;
COMMENT ON FUNCTION proxima.enter_collection(regclass, text) IS 'registers a table as a collection';

CREATE FUNCTION proxima.make_collection(schema_name text, table_name text, dimension integer, metric text,
	index_method text, element text, options jsonb)
RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $make$
DECLARE
	target text := format('%I.%I', schema_name, table_name);
	type_schema text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
		WHERE e.extname = '@extension@');
	index text;
BEGIN
	IF element IS NULL OR element NOT IN ('vector', 'halfvec') THEN
		RAISE EXCEPTION 'unknown element: %', coalesce(quote_literal(element), 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Elements are vector, halfvec.';
	END IF;
	IF dimension IS NULL OR dimension NOT BETWEEN 1 AND 16000 THEN
		RAISE EXCEPTION 'invalid dimension: %', coalesce(dimension::text, 'null')
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Valid values are between 1 and 16000.';
	END IF;
	index := proxima.index_statement(target, type_schema, element, metric, index_method, coalesce(options, '{}'));
	EXECUTE format('CREATE TABLE %s (
			id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
			embedding %s.%I(%s) NOT NULL,
			document text,
			metadata jsonb NOT NULL DEFAULT ''{}'' CHECK (jsonb_typeof(metadata) = ''object''),
			created_at timestamptz NOT NULL DEFAULT now(),
			updated_at timestamptz NOT NULL DEFAULT now()
		)', target, type_schema, element, dimension);
	IF (SELECT relpersistence FROM pg_class WHERE oid = target::regclass) = 't' THEN
		RAISE EXCEPTION 'collection "%" cannot be a temporary table', table_name USING ERRCODE = 'feature_not_supported';
	END IF;
	EXECUTE format('COMMENT ON TABLE %s IS %L', target, proxima.collection_comment(element, dimension, metric));
	EXECUTE 'CREATE INDEX ' || index;
	RETURN proxima.enter_collection(target, metric);
END
$make$;
COMMENT ON FUNCTION proxima.make_collection(text, text, integer, text, text, text, jsonb)
	IS 'create_collection() with all that depends on search_path settled';

CREATE FUNCTION proxima.create_collection(name text, dimension integer, metric text DEFAULT 'cosine',
	index_method text DEFAULT 'hnsw', element text DEFAULT 'vector', schema text DEFAULT NULL,
	options jsonb DEFAULT '{}')
RETURNS uuid
LANGUAGE plpgsql AS $create$
DECLARE
	place pg_catalog.record;
BEGIN
	place := proxima.split_name(name, schema, pg_catalog.current_schema());
	IF place.schema_name IS NULL THEN
		RAISE EXCEPTION 'no schema has been selected to create in' USING ERRCODE = 'invalid_schema_name';
	END IF;
	RETURN proxima.make_collection(place.schema_name, place.table_name, dimension, metric, index_method, element, options);
END
$create$;
COMMENT ON FUNCTION proxima.create_collection(text, integer, text, text, text, text, jsonb)
	IS 'creates a collection: its table, indexes and entry; returns its UUID';

-- Indexes of ours on all vectors of a collection.
CREATE FUNCTION proxima.embedding_indexes(relation oid)
RETURNS TABLE (indexrelid oid, index_method text, opclass text, indisvalid boolean, options text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $indexes$
BEGIN
	RETURN QUERY SELECT i.indexrelid, m.amname::text, o.opcname::text, i.indisvalid, c.reloptions
		FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid
		JOIN pg_am m ON m.oid = c.relam AND m.amname IN ('hnsw', 'ivf', 'ivfflat')
		JOIN pg_opclass o ON o.oid = i.indclass[0]
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = 'embedding'
		WHERE i.indrelid = relation AND i.indpred IS NULL;
END
$indexes$;
COMMENT ON FUNCTION proxima.embedding_indexes(oid) IS 'indexes on all vectors of a collection';

-- Those that search can use, the newest first. More than one is there while the collection gets another.
CREATE FUNCTION proxima.collection_index(relation oid, element text, metric text)
RETURNS TABLE (index regclass, index_method text, options text[])
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $indexes$
BEGIN
	RETURN QUERY SELECT i.indexrelid::regclass, i.index_method, i.options
		FROM proxima.embedding_indexes(relation) i
		WHERE i.opclass = element || '_' || metric || '_ops' AND i.indisvalid
		ORDER BY i.indexrelid DESC;
END
$indexes$;
COMMENT ON FUNCTION proxima.collection_index(oid, text, text) IS 'indexes for the searches of a collection';

-- A table that is like a collection becomes one, such as one that was restored alone.
CREATE FUNCTION proxima.register_collection(relation regclass, metric text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $register$
DECLARE
	column_name text;
	given text := metric;
	element text;
BEGIN
	IF relation IS NULL THEN
		RAISE EXCEPTION 'relation must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF (SELECT relkind <> 'r' OR relpersistence = 't' FROM pg_class WHERE oid = relation) IS NOT FALSE THEN
		RAISE EXCEPTION '% is not an ordinary table', relation USING ERRCODE = 'wrong_object_type';
	END IF;
	IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = relation), 'USAGE') THEN
		RAISE EXCEPTION 'must be owner of table %', relation USING ERRCODE = 'insufficient_privilege';
	END IF;
	SELECT w.name INTO column_name
		FROM (VALUES ('id', ARRAY['uuid'], true), ('embedding', ARRAY['vector', 'halfvec'], true),
			('document', ARRAY['text'], false), ('metadata', ARRAY['jsonb'], true),
			('updated_at', ARRAY['timestamptz'], true)) w (name, types, not_null)
		WHERE NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
			WHERE a.attrelid = relation AND a.attname = w.name AND t.typname = ANY (w.types)
			AND (a.attnotnull OR NOT w.not_null) AND (w.name <> 'embedding' OR a.atttypmod > 0)
			AND t.typnamespace IN ('pg_catalog'::regnamespace,
				(SELECT extnamespace FROM pg_extension WHERE extname = '@extension@')))
		LIMIT 1;
	IF FOUND OR NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'id'
		WHERE i.indrelid = relation AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indisvalid
		AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum)
	THEN
		RAISE EXCEPTION 'table % cannot be a collection', relation
			USING ERRCODE = 'invalid_table_definition',
			DETAIL = CASE WHEN column_name IS NULL THEN 'Column "id" is not unique.'
				ELSE format('Column "%s" is missing, of another type, or may be null.', column_name) END,
			HINT = 'It needs id uuid PRIMARY KEY, embedding vector(n) or halfvec(n), document text, metadata jsonb,'
				' updated_at timestamptz, all but document NOT NULL.';
	END IF;
	SELECT t.typname INTO element FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = relation AND a.attname = 'embedding';
	IF metric IS NULL THEN
		SELECT m INTO given FROM unnest('{cosine,l2,ip,l1}'::text[]) m, proxima.collection_index(relation, element, m) i
			ORDER BY i.index DESC LIMIT 1;
	END IF;
	IF given IS NULL OR given NOT IN ('cosine', 'l2', 'ip', 'l1') THEN
		RAISE EXCEPTION 'unknown metric: %', coalesce(quote_literal(given), 'null')
			USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Metrics are cosine, l2, ip, l1. It may be left out if "embedding" has an index.';
	END IF;
	RETURN proxima.enter_collection(relation, given);
END
$register$;
COMMENT ON FUNCTION proxima.register_collection(regclass, text) IS 'makes a collection of a table that is like one';

-- What an index says of itself; not everybody may know all of it. Nothing that is wrong with one hides the others from
-- a list.
CREATE FUNCTION proxima.index_figures(index regclass, OUT pending_rows bigint, OUT segments integer,
	OUT last_flush timestamptz)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $figures$
DECLARE
	stats jsonb;
BEGIN
	stats := proxima.index_stats(index);
	pending_rows := (stats -> 'pending' ->> 'rows')::bigint - (stats -> 'pending' ->> 'dead')::bigint;
	last_flush := (stats -> 'last_flush' ->> 'at')::timestamptz;
	segments := jsonb_array_length(stats -> 'segments');
EXCEPTION
	WHEN insufficient_privilege OR undefined_table OR undefined_object OR wrong_object_type OR index_corrupted
		OR feature_not_supported OR object_not_in_prerequisite_state
	THEN
		NULL;
END
$figures$;
COMMENT ON FUNCTION proxima.index_figures(regclass) IS 'figures of an index for the list of collections';

-- Rows are PostgreSQL's estimate of the whole table; proxima.count_rows() counts what the caller may see.
CREATE VIEW proxima.collections AS
	SELECT e.id, n.nspname AS schema, c.relname AS name, pg_catalog.pg_get_userbyid(c.relowner) AS owner,
		y.typname AS element, a.atttypmod AS dimension, e.metric, i.index_method, i.index::pg_catalog.text AS index,
		i.options,
		CASE WHEN s.n_live_tup OPERATOR(pg_catalog.>) 0 THEN s.n_live_tup
			ELSE greatest(c.reltuples, 0)::pg_catalog.int8 END AS rows,
		pg_catalog.pg_total_relation_size(c.oid) AS bytes, pg_catalog.pg_relation_size(i.index) AS index_bytes,
		f.pending_rows, f.segments, f.last_flush, e.created_at
	FROM proxima.collection_entries e
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) e.relation
	JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
		AND a.attname OPERATOR(pg_catalog.=) 'embedding'
	JOIN pg_catalog.pg_type y ON y.oid OPERATOR(pg_catalog.=) a.atttypid
	LEFT JOIN LATERAL (SELECT pg_catalog.pg_stat_get_live_tuples(c.oid) AS n_live_tup) s ON true
	LEFT JOIN LATERAL (SELECT * FROM proxima.collection_index(c.oid, y.typname, e.metric) LIMIT 1) i ON true
	LEFT JOIN LATERAL proxima.index_figures(i.index) f ON i.index IS NOT NULL
	WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE')
		AND (pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')
			OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'));
COMMENT ON VIEW proxima.collections IS 'collections that the user may use, with live figures';
GRANT SELECT ON proxima.collections TO PUBLIC;

CREATE FUNCTION proxima.list_collections() RETURNS SETOF proxima.collections
	LANGUAGE sql
	BEGIN ATOMIC
		SELECT * FROM proxima.collections ORDER BY schema, name;
	END;
COMMENT ON FUNCTION proxima.list_collections() IS 'collections that the user may use, with live figures';

CREATE FUNCTION proxima.describe(collection uuid) RETURNS SETOF proxima.collections
LANGUAGE plpgsql AS $describe$
BEGIN
	PERFORM proxima.resolve_collection(collection);
	RETURN QUERY SELECT * FROM proxima.collections c WHERE c.id OPERATOR(pg_catalog.=) collection;
END
$describe$;
COMMENT ON FUNCTION proxima.describe(uuid) IS 'one collection as list_collections() has it';

CREATE FUNCTION proxima.rename_collection(collection uuid, new_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $rename$
DECLARE
	target text := (SELECT r.target FROM proxima.resolve_collection(collection) r);
	parts text[] := parse_ident(new_name);
BEGIN
	IF parts IS NULL OR cardinality(parts) <> 1 THEN
		RAISE EXCEPTION 'invalid new name of a collection: %', coalesce(quote_literal(new_name), 'null')
			USING ERRCODE = 'invalid_parameter_value', HINT = 'ALTER TABLE ... SET SCHEMA moves it to another schema.';
	END IF;
	EXECUTE format('ALTER TABLE %s RENAME TO %I', target,
		(SELECT s.table_name FROM proxima.split_name(new_name, NULL, 'x') s));
END
$rename$;
COMMENT ON FUNCTION proxima.rename_collection(uuid, text) IS 'renames a collection, which is its table';

CREATE FUNCTION proxima.drop_collection(collection uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $drop$
DECLARE
	target text := (SELECT r.target FROM proxima.resolve_collection(collection) r);
BEGIN
	EXECUTE format('DROP TABLE %s', target);
END
$drop$;
COMMENT ON FUNCTION proxima.drop_collection(uuid) IS 'drops a collection with its rows';
