-- COPY in both formats, and the exact bytes on the wire.
\set VERBOSITY default
\getenv abs_builddir PG_ABS_BUILDDIR
\set file :abs_builddir '/results/vector.bin'

CREATE TABLE t (val vector(3));
INSERT INTO t (val) VALUES ('[0,0,0]'), ('[1,2,3]'), ('[1,1,1]'), ('[-0,3.4028235e38,1e-45]'), (NULL);

COPY t TO STDOUT;
COPY t TO :'file' WITH (FORMAT binary);
CREATE TABLE t2 (val vector(3));
COPY t2 FROM :'file' WITH (FORMAT binary);
SELECT * FROM t2 ORDER BY val;
SELECT val::text FROM t EXCEPT ALL SELECT val::text FROM t2;

-- A column of other dimensions refuses the file
CREATE TABLE t3 (val vector(2));
COPY t3 FROM :'file' WITH (FORMAT binary);

COPY t2 FROM STDIN;
[4,5,6]
\N
 [ 7 , 8 , 9 ]
\.
COPY t2 FROM STDIN;
[1,2]
\.
SELECT count(*) FROM t2;

-- int16 dimensions, int16 zero, float4 each; big endian
SELECT vector_send('[1,-2.5]');
SELECT vector_send('[-0]');
SELECT octet_length(vector_send(array_fill(1, ARRAY[16000])::vector));

-- Files made by hand: signature, flags, extension length; then one row of one field; then the end
CREATE FUNCTION copy_binary(field text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('regress.file');
	bytes bytea := decode(replace(field, ' ', ''), 'hex');
	lo oid := lo_from_bytea(0, '\x5047434f50590aff0d0a00'::bytea || '\x0000000000000000' || '\x0001'
		|| int4send(length(bytes)) || bytes || '\xffff');
BEGIN
	PERFORM lo_export(lo, file);
	PERFORM lo_unlink(lo);
	EXECUTE format('COPY t4 FROM %L WITH (FORMAT binary)', file);
END
$$;
SELECT set_config('regress.file', :'file', false) IS NOT NULL AS set;
CREATE TABLE t4 (val vector);
\set SHOW_CONTEXT never
SELECT copy_binary('0002 0000 3f800000 c0200000');
SELECT * FROM t4;
-- no dimensions, negative dimensions, too many
SELECT copy_binary('0000 0000');
SELECT copy_binary('ffff 0000');
SELECT copy_binary('3e81 0000');
-- reserved bytes in use
SELECT copy_binary('0001 0001 3f800000');
-- NaN, both infinities
SELECT copy_binary('0001 0000 7fc00000');
SELECT copy_binary('0001 0000 7f800000');
SELECT copy_binary('0001 0000 ff800000');
-- too short, too long, nearly nothing
SELECT copy_binary('0002 0000 3f800000');
SELECT copy_binary('0001 0000 3f800000 3f800000');
SELECT copy_binary('00');
SELECT count(*) FROM t4;

DROP FUNCTION copy_binary;
DROP TABLE t, t2, t3, t4;
