-- Open indexes -----------------------------------------------------------------------------------------
--
-- A session keeps the callbacks of an index that it has open, this one too, and would go on with those of pgvector; a
-- REINDEX there would build an index of pgvector. Any change of an index's catalogue row makes all sessions open it
-- anew. This one changes nothing else, and neither readers nor writers wait for its lock. Indexes on temporary tables
-- of other sessions are left to these.

DO $open$
DECLARE
	index pg_catalog.text;
BEGIN
	FOR index IN
		SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
			FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
			JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
			WHERE a.amname OPERATOR(pg_catalog.=) ANY ('{hnsw,ivfflat}'::name[])
			AND c.relkind OPERATOR(pg_catalog.=) 'i'::"char"
			AND (c.relpersistence OPERATOR(pg_catalog.<>) 't'::"char"
				OR n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
	LOOP
		EXECUTE 'ALTER INDEX ' OPERATOR(pg_catalog.||) index OPERATOR(pg_catalog.||) ' RESET (fillfactor)';
	END LOOP;
END
$open$;
