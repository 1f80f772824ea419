-- The registry of collections ------------------------------------------------------------------------
--
-- A collection is an ordinary table of whoever has made it. Its name is the table's, so renaming one renames
-- the other. Its UUID is in two places: here, and as the argument of a trigger of the table. An entry counts
-- only if the trigger of the very table that it names has its UUID (view collection_entries). A UUID is the
-- key of the registry, so it belongs to the table that was the first to have it; a name leads to the table,
-- its trigger to the UUID, and that to the entry.
--
-- Entries are added, and nothing but a superuser's hand, or proxima.register_collection() in it, removes any.
-- One of a dropped table proves nothing, though its OID may be that of another table by now; it is seen by
-- nobody, and keeps its UUID from other tables. Removing it would take an event trigger, which runs for every
-- DROP of everybody. What changes in the life of a collection is its metric, so that has a table of its own:
-- the row with the highest number counts. It has the table besides the UUID in its key, so that only the
-- table's owner can add such a row, and no number is taken by anybody else.
--
-- Who may do what. Everybody reads (PostgreSQL's catalogues tell as much) and inserts, because all functions
-- run with the rights of who calls them, and so does a restore; a trigger lets pass what the owner of the
-- table does. No more is needed, since a table can speak for itself only: an entry without the trigger is
-- void, a trigger without the entry is void, and there is one entry of a UUID. Nobody updates or deletes, so
-- nobody can lock an entry, or the tables, against others. Row-level security could let owners do so, but
-- pg_dump refuses such tables to all but superusers.
--
-- What this does not keep out: a table that has got the OID of a dropped collection, and whose owner makes
-- the trigger of that one, answers to its UUID. Callers by that UUID have missed that the collection is gone.
-- And a UUID without an entry, of a table that was restored alone, is its table's only if nobody is faster in
-- adding an entry of that UUID, void as that is; then the table gets another UUID when it is registered.
--
-- What a dump has. The column "relation" is an OID that is written as the table's name, as regclass is; but
-- where regclass refuses the name of a table that is not there, it is 0. So a dump has the names of the day;
-- entries that prove nothing are left out of it, and restoring one from which tables were excluded skips
-- their entries. The two tables may be restored in any order, before there are triggers. A dump of one table
-- or schema has the trigger with the UUID, and proxima.register_collection() makes the entry from it.
--
-- PL/pgSQL: the functions depend on the language, so it cannot be dropped under them, and CREATE EXTENSION
-- itself needs it. What runs statements on collections leaves search_path alone, because triggers and
-- policies of the table may need it; so everything there is qualified. Statements are put together by
-- functions that set it.

CREATE TYPE proxima.relation;

CREATE FUNCTION proxima.relation_in(cstring) RETURNS proxima.relation
	AS 'MODULE_PATHNAME', 'proxima_relation_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION proxima.relation_in(cstring) IS 'I/O';

CREATE FUNCTION proxima.relation_out(proxima.relation) RETURNS cstring
	AS 'regclassout' LANGUAGE internal STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION proxima.relation_out(proxima.relation) IS 'I/O';

CREATE TYPE proxima.relation (
	INPUT = proxima.relation_in,
	OUTPUT = proxima.relation_out,
	LIKE = pg_catalog.oid
);
COMMENT ON TYPE proxima.relation IS 'a relation by name, 0 if there is none of that name';

CREATE CAST (proxima.relation AS oid) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (proxima.relation AS oid) IS 'the same number';

CREATE CAST (oid AS proxima.relation) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (oid AS proxima.relation) IS 'the same number';

CREATE TABLE proxima.collection_registry (
	id uuid PRIMARY KEY,
	relation proxima.relation NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE proxima.collection_registry IS 'which table is the collection of a UUID';

CREATE TABLE proxima.collection_metrics (
	id uuid,
	relation proxima.relation,
	number integer,
	metric text NOT NULL CHECK (metric OPERATOR(pg_catalog.=) ANY ('{cosine,l2,ip,l1}'::text[])),
	PRIMARY KEY (id, relation, number)
);
COMMENT ON TABLE proxima.collection_metrics IS 'metrics that collections have had; the last one counts';

GRANT SELECT, INSERT ON proxima.collection_registry, proxima.collection_metrics TO PUBLIC;

CREATE FUNCTION proxima.guard_registry() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $guard$
DECLARE
	owner oid;
BEGIN
	SELECT relowner INTO owner FROM pg_class WHERE oid = NEW.relation::oid;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	IF NOT pg_has_role(owner, 'USAGE') THEN
		RAISE EXCEPTION 'must be owner of table %', NEW.relation
			USING ERRCODE = 'insufficient_privilege';
	END IF;
	RETURN NEW;
END
$guard$;
COMMENT ON FUNCTION proxima.guard_registry() IS 'lets only the owner of a table register it';

CREATE TRIGGER guard BEFORE INSERT ON proxima.collection_registry
	FOR EACH ROW EXECUTE FUNCTION proxima.guard_registry();
CREATE TRIGGER guard BEFORE INSERT ON proxima.collection_metrics
	FOR EACH ROW EXECUTE FUNCTION proxima.guard_registry();

CREATE FUNCTION proxima.collection_row() RETURNS trigger
LANGUAGE plpgsql AS $row$
BEGIN
	NEW.updated_at := pg_catalog.now();
	RETURN NEW;
END
$row$;
COMMENT ON FUNCTION proxima.collection_row() IS 'trigger of collections: sets updated_at; its argument is the UUID';

-- One argument and the byte 0 behind it, which encode() writes as a backslash and 000. Whatever else
-- somebody's trigger has for arguments is no UUID, and no error.
CREATE FUNCTION proxima.marked_id(arguments bytea) RETURNS uuid
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN substring(encode(arguments, 'escape')
		FROM '^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}).000$')::uuid;
COMMENT ON FUNCTION proxima.marked_id(bytea) IS 'the UUID that pg_trigger.tgargs of a collection has';

CREATE VIEW proxima.collection_marks AS
	SELECT t.tgrelid AS relation, proxima.marked_id(t.tgargs) AS id
	FROM pg_catalog.pg_trigger t
	WHERE t.tgname OPERATOR(pg_catalog.=) 'proxima_collection'
		AND t.tgfoid OPERATOR(pg_catalog.=) 'proxima.collection_row()'::pg_catalog.regprocedure::pg_catalog.oid;
COMMENT ON VIEW proxima.collection_marks IS 'which UUID is that of a table by its trigger';

CREATE VIEW proxima.collection_entries AS
	SELECT r.id, k.relation, m.metric, r.created_at
	FROM proxima.collection_registry r
	JOIN proxima.collection_marks k ON k.relation OPERATOR(pg_catalog.=) r.relation::pg_catalog.oid
		AND k.id OPERATOR(pg_catalog.=) r.id
	CROSS JOIN LATERAL (SELECT n.metric FROM proxima.collection_metrics n
		WHERE n.id OPERATOR(pg_catalog.=) r.id
			AND n.relation::pg_catalog.oid OPERATOR(pg_catalog.=) r.relation::pg_catalog.oid
		ORDER BY n.number DESC LIMIT 1) m;
COMMENT ON VIEW proxima.collection_entries IS 'collections: entries of the registry that their tables prove';

GRANT SELECT ON proxima.collection_marks, proxima.collection_entries TO PUBLIC;

-- As collection_marks has it: pg_dump reads no views. Nobody but pg_dump uses this, with search_path empty.
SELECT pg_catalog.pg_extension_config_dump('proxima.collection_registry',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = relation::pg_catalog.oid
		AND t.tgname = ''proxima_collection'' AND proxima.marked_id(t.tgargs) = id)');
SELECT pg_catalog.pg_extension_config_dump('proxima.collection_metrics',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = relation::pg_catalog.oid
		AND t.tgname = ''proxima_collection'' AND proxima.marked_id(t.tgargs) = id)');

-- A collection by its UUID, as statements need it: everything is quoted and qualified.
CREATE FUNCTION proxima.resolve_collection(collection uuid,
	OUT relation regclass, OUT target text, OUT type_schema text, OUT element text, OUT dimension integer,
	OUT metric text, OUT operator text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $resolve$
BEGIN
	IF collection IS NULL THEN
		RAISE EXCEPTION 'collection must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT c.relation, c.relation::regclass, quote_ident(n.nspname), y.typname, a.atttypmod, c.metric,
			format('OPERATOR(%I.%s)', n.nspname,
				CASE c.metric WHEN 'cosine' THEN '<=>' WHEN 'l2' THEN '<->' WHEN 'ip' THEN '<#>' ELSE '<+>' END)
		INTO relation, target, type_schema, element, dimension, metric, operator
		FROM proxima.collection_entries c
		JOIN pg_attribute a ON a.attrelid = c.relation AND a.attname = 'embedding'
		JOIN pg_type y ON y.oid = a.atttypid
		JOIN pg_namespace n ON n.oid = y.typnamespace
		JOIN pg_extension e ON e.extname = '@extension@' AND e.extnamespace = n.oid
		WHERE c.id = collection;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'collection "%" does not exist', collection USING ERRCODE = 'undefined_table';
	END IF;
END
$resolve$;
COMMENT ON FUNCTION proxima.resolve_collection(uuid) IS 'table, type and metric of a collection';

-- Names are read as SQL reads them, along the caller's search_path. No name without quotes looks like a UUID.
CREATE FUNCTION proxima.collection_id(name text) RETURNS uuid
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $id$
DECLARE
	found_id pg_catalog.uuid;
	place pg_catalog.regclass;
BEGIN
	IF pg_catalog.regexp_match(name, '^\s*[[:xdigit:]]{8}(-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}\s*$') IS NOT NULL THEN
		RETURN name::pg_catalog.uuid;
	END IF;
	-- Its message names what is wrong.
	PERFORM pg_catalog.parse_ident(name);
	place := pg_catalog.to_regclass(name);
	SELECT c.id INTO found_id FROM proxima.collection_entries c
		WHERE c.relation OPERATOR(pg_catalog.=) place::pg_catalog.oid;
	IF found_id IS NULL THEN
		IF place IS NOT NULL THEN
			RAISE EXCEPTION 'collection "%" does not exist', name
				USING ERRCODE = 'undefined_table',
				DETAIL = pg_catalog.format('Relation %s is not registered as a collection.', place),
				HINT = 'proxima.register_collection() registers a table.';
		END IF;
		RAISE EXCEPTION 'collection "%" does not exist', name USING ERRCODE = 'undefined_table';
	END IF;
	RETURN found_id;
END
$id$;
COMMENT ON FUNCTION proxima.collection_id(text) IS 'UUID of a collection, by its name or from text';
