-- Collections by name --------------------------------------------------------------------------------
--
-- Every function of collections again for text: a name as SQL has it, or a UUID. PostgreSQL prefers text for a
-- constant.

CREATE FUNCTION proxima.describe(collection text)
	RETURNS SETOF proxima.collections
	LANGUAGE sql VOLATILE
	BEGIN ATOMIC
		SELECT * FROM proxima.describe(proxima.collection_id(collection));
	END;
COMMENT ON FUNCTION proxima.describe(text) IS 'one collection as list_collections() has it';

CREATE FUNCTION proxima.rename_collection(collection text, new_name text)
	RETURNS void
	LANGUAGE sql VOLATILE
	RETURN proxima.rename_collection(proxima.collection_id(collection), new_name);
COMMENT ON FUNCTION proxima.rename_collection(text, text) IS 'renames a collection, which is its table';

CREATE FUNCTION proxima.drop_collection(collection text)
	RETURNS void
	LANGUAGE sql VOLATILE
	RETURN proxima.drop_collection(proxima.collection_id(collection));
COMMENT ON FUNCTION proxima.drop_collection(text) IS 'drops a collection with its rows';

CREATE FUNCTION proxima.upsert(collection text, ids uuid[], embeddings vector[], documents text[] DEFAULT
	NULL, metadata jsonb[] DEFAULT NULL, OUT inserted bigint, OUT updated bigint)
	LANGUAGE sql VOLATILE
	BEGIN ATOMIC
		SELECT * FROM proxima.upsert(proxima.collection_id(collection), ids, embeddings, documents, metadata);
	END;
COMMENT ON FUNCTION proxima.upsert(text, uuid[], vector[], text[], jsonb[])
	IS 'inserts rows or replaces those that are there; returns how many of each';

CREATE FUNCTION proxima.upsert_one(collection text, id uuid, embedding vector, document text DEFAULT NULL,
	metadata jsonb DEFAULT NULL)
	RETURNS uuid
	LANGUAGE sql VOLATILE
	RETURN proxima.upsert_one(proxima.collection_id(collection), id, embedding, document, metadata);
COMMENT ON FUNCTION proxima.upsert_one(text, uuid, vector, text, jsonb)
	IS 'inserts a row or replaces it; returns its id, which is made if it is null';

CREATE FUNCTION proxima.add(collection text, embeddings vector[], documents text[] DEFAULT NULL, metadata
	jsonb[] DEFAULT NULL)
	RETURNS uuid[]
	LANGUAGE sql VOLATILE
	RETURN proxima.add(proxima.collection_id(collection), embeddings, documents, metadata);
COMMENT ON FUNCTION proxima.add(text, vector[], text[], jsonb[])
	IS 'inserts rows under new ids; returns these in the order of the rows';

CREATE FUNCTION proxima.get(collection text, ids uuid[] DEFAULT NULL, filter jsonb DEFAULT NULL, with_vectors
	boolean DEFAULT false, max_rows bigint DEFAULT NULL)
	RETURNS TABLE (id uuid, document text, metadata jsonb, embedding vector, created_at timestamptz, updated_at
		timestamptz)
	LANGUAGE sql STABLE
	BEGIN ATOMIC
		SELECT * FROM proxima.get(proxima.collection_id(collection), ids, filter, with_vectors, max_rows);
	END;
COMMENT ON FUNCTION proxima.get(text, uuid[], jsonb, boolean, bigint)
	IS 'rows by their ids, in the order of these, or by a filter, in the order of their ids';

CREATE FUNCTION proxima.delete(collection text, ids uuid[] DEFAULT NULL, filter jsonb DEFAULT NULL, everything
	boolean DEFAULT false)
	RETURNS bigint
	LANGUAGE sql VOLATILE
	RETURN proxima.delete(proxima.collection_id(collection), ids, filter, everything);
COMMENT ON FUNCTION proxima.delete(text, uuid[], jsonb, boolean)
	IS 'deletes rows by ids, by a filter, or all; returns how many';

CREATE FUNCTION proxima.count_rows(collection text, filter jsonb DEFAULT NULL)
	RETURNS bigint
	LANGUAGE sql STABLE
	RETURN proxima.count_rows(proxima.collection_id(collection), filter);
COMMENT ON FUNCTION proxima.count_rows(text, jsonb) IS 'how many rows there are, of those that the caller may see';

CREATE FUNCTION proxima.search(collection text, query vector, k integer DEFAULT 10, filter jsonb DEFAULT NULL,
	with_vectors boolean DEFAULT false, ef integer DEFAULT NULL)
	RETURNS TABLE (id uuid, distance double precision, score double precision, document text, metadata jsonb,
		embedding vector)
	LANGUAGE sql STABLE ROWS 10
	BEGIN ATOMIC
		SELECT * FROM proxima.search(proxima.collection_id(collection), query, k, filter, with_vectors, ef);
	END;
COMMENT ON FUNCTION proxima.search(text, vector, integer, jsonb, boolean, integer)
	IS 'the k nearest rows to a vector, nearest first';

CREATE FUNCTION proxima.search_batch(collection text, queries vector[], k integer DEFAULT 10, filter jsonb
	DEFAULT NULL, with_vectors boolean DEFAULT false, ef integer DEFAULT NULL)
	RETURNS TABLE (query bigint, id uuid, distance double precision, score double precision, document text,
		metadata jsonb, embedding vector)
	LANGUAGE sql STABLE
	BEGIN ATOMIC
		SELECT * FROM proxima.search_batch(proxima.collection_id(collection), queries, k, filter, with_vectors, ef);
	END;
COMMENT ON FUNCTION proxima.search_batch(text, vector[], integer, jsonb, boolean, integer)
	IS 'the k nearest rows to each of several vectors; "query" is the place of each';
