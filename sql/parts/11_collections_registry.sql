-- The registry of collections ------------------------------------------------------------------------
--
-- A collection is an ordinary table of whoever has made it. Its name is the table's, so renaming one renames the
-- other. Its UUID is in two places: here, where an index finds the table, and as the argument of a trigger of the
-- table, which proves that the entry speaks of this table and not of one that has got the OID of a table that was
-- dropped.
--
-- What a dump has. The column "relation" is an OID that is written as the table's name, as regclass is; but where
-- regclass refuses the name of a table that is not there, it is 0. So a dump has the names of the day, entries of
-- dropped tables are left out of it, and restoring one from which tables were excluded skips their entries. A dump
-- of one table or schema has the trigger with the UUID, and proxima.register_collection() makes the entry from it.
--
-- Who may do what. Everybody reads (PostgreSQL's catalogues tell as much) and inserts, because all functions run
-- with the rights of who calls them, and so does a restore; a trigger lets pass what the owner of the table does, and
-- another, which alone has rights to that, takes away what was there of the table before. Row-level security would do
-- for this, but then pg_dump refuses the table to all but superusers. Nobody updates or deletes, so nobody can lock an
-- entry or the table. An entry of a dropped table stays, is seen by nobody, and keeps its UUID from being
-- taken by another table; it goes when a new collection gets the table's OID. Removing it earlier would take an
-- event trigger, which runs for every DROP of everybody.
--
-- PL/pgSQL: the functions depend on the language, so it cannot be dropped under them, and CREATE EXTENSION itself
-- needs it. What runs statements on collections leaves search_path alone, because triggers and policies of the
-- table may need it; so everything there is qualified. Statements are put together by functions that set it.

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
	metric text NOT NULL CHECK (metric OPERATOR(pg_catalog.=) ANY ('{cosine,l2,ip,l1}'::text[])),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE UNIQUE INDEX collection_registry_relation_key ON proxima.collection_registry (relation pg_catalog.oid_ops);
COMMENT ON TABLE proxima.collection_registry IS 'which table is the collection of a UUID';
GRANT SELECT, INSERT ON proxima.collection_registry TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('proxima.collection_registry',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation::pg_catalog.oid)');

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

-- Runs behind the guard, whose question was about who inserts. Triggers of other tables get nowhere.
CREATE FUNCTION proxima.replace_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $replace$
DECLARE
	before record;
BEGIN
	IF TG_RELID <> 'proxima.collection_registry'::regclass THEN
		RAISE EXCEPTION 'replace_entry() is a trigger function of the registry only'
			USING ERRCODE = 'insufficient_privilege';
	END IF;
	DELETE FROM proxima.collection_registry r WHERE r.relation::oid = NEW.relation::oid
		RETURNING r.id, r.created_at INTO before;
	IF FOUND AND before.id = NEW.id THEN
		NEW.created_at := before.created_at;
	END IF;
	RETURN NEW;
END
$replace$;
COMMENT ON FUNCTION proxima.replace_entry() IS 'removes what the registry has of a table that is registered again';
REVOKE EXECUTE ON FUNCTION proxima.replace_entry() FROM PUBLIC;

-- In the order of their names.
CREATE TRIGGER guard BEFORE INSERT ON proxima.collection_registry
	FOR EACH ROW EXECUTE FUNCTION proxima.guard_registry();
CREATE TRIGGER replace BEFORE INSERT ON proxima.collection_registry
	FOR EACH ROW EXECUTE FUNCTION proxima.replace_entry();

CREATE FUNCTION proxima.collection_row() RETURNS trigger
LANGUAGE plpgsql AS $row$
BEGIN
	NEW.updated_at := pg_catalog.now();
	RETURN NEW;
END
$row$;
COMMENT ON FUNCTION proxima.collection_row() IS 'trigger of collections: sets updated_at; its argument is the UUID';

CREATE FUNCTION proxima.collection_mark(id uuid) RETURNS bytea
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN convert_to(id::text, 'UTF8') || decode('00', 'hex');
COMMENT ON FUNCTION proxima.collection_mark(uuid) IS 'pg_trigger.tgargs of a collection';

-- A collection by its UUID, as statements need it: everything is quoted and qualified.
CREATE FUNCTION proxima.resolve_collection(collection uuid,
	OUT relation regclass, OUT target text, OUT type_schema text, OUT element text, OUT dimension integer,
	OUT metric text, OUT operator text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $resolve$
BEGIN
	IF collection IS NULL THEN
		RAISE EXCEPTION 'collection must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT r.relation::oid, r.relation::oid::regclass, quote_ident(n.nspname), y.typname, a.atttypmod, r.metric,
			format('OPERATOR(%I.%s)', n.nspname,
				CASE r.metric WHEN 'cosine' THEN '<=>' WHEN 'l2' THEN '<->' WHEN 'ip' THEN '<#>' ELSE '<+>' END)
		INTO relation, target, type_schema, element, dimension, metric, operator
		FROM proxima.collection_registry r
		JOIN pg_trigger t ON t.tgrelid = r.relation::oid AND t.tgname = 'proxima_collection'
			AND t.tgargs = proxima.collection_mark(r.id)
		JOIN pg_attribute a ON a.attrelid = r.relation::oid AND a.attname = 'embedding'
		JOIN pg_type y ON y.oid = a.atttypid
		JOIN pg_namespace n ON n.oid = y.typnamespace
		JOIN pg_extension e ON e.extname = '@extension@' AND e.extnamespace = n.oid
		WHERE r.id = collection;
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
	SELECT r.id INTO found_id FROM proxima.collection_registry r
		WHERE r.relation::pg_catalog.oid OPERATOR(pg_catalog.=) place::pg_catalog.oid;
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
