-- Errors quote what was typed byte by byte, whatever the database's encoding is.
\set VERBOSITY terse
\set test_db :DBNAME
CREATE DATABASE regress_latin1 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c regress_latin1
CREATE EXTENSION proxima;
CREATE FUNCTION said(literal text, type_name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE format('SELECT %L::%s', literal, type_name);
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, encode(convert_to(SQLERRM, 'LATIN1'), 'escape'), detail);
END
$$;
SELECT said('[' || chr(233) || ']', 'vector');
SELECT said(chr(233), 'vector');
SELECT said('[1,2' || chr(255), 'halfvec');
SELECT said('{1:1}/1' || chr(160), 'sparsevec');
SELECT said('[1' || chr(160) || ']', 'vector');
SELECT said('[1e39]', 'vector'), said('[65520]', 'halfvec'), said('{1:1e-46}/1', 'sparsevec');
SELECT said('[1,2]' || chr(233) || '%s%n', 'vector');
SELECT said('[1,2]', 'vector(3)'), said('[1,2]', 'vector(2)');
\c :test_db
DROP DATABASE regress_latin1;
