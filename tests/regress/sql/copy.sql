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
CREATE FUNCTION copy_binary(field text, table_name name DEFAULT 't4') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('regress.file');
	bytes bytea := decode(replace(field, ' ', ''), 'hex');
	lo oid := lo_from_bytea(0, '\x5047434f50590aff0d0a00'::bytea || '\x0000000000000000' || '\x0001'
		|| int4send(length(bytes)) || bytes || '\xffff');
BEGIN
	PERFORM lo_export(lo, file);
	PERFORM lo_unlink(lo);
	EXECUTE format('COPY %I FROM %L WITH (FORMAT binary)', table_name, file);
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

-- halfvec: int16 dimensions, int16 zero, float2 each
CREATE TABLE t5 (val halfvec);
INSERT INTO t5 VALUES ('[1,2,3]'), ('[-0,65504,6e-8]'), (NULL), (array_fill(1.5, ARRAY[16000])::halfvec);
COPY t5 TO :'file' WITH (FORMAT binary);
CREATE TABLE t6 (val halfvec);
COPY t6 FROM :'file' WITH (FORMAT binary);
SELECT count(*) FROM t6;
SELECT md5(val::text) FROM t5 EXCEPT ALL SELECT md5(val::text) FROM t6;
TRUNCATE t5;
SELECT halfvec_send('[1,-2.5]'), halfvec_send('[-0]'), octet_length(halfvec_send(array_fill(1, ARRAY[16000])::halfvec));
SELECT copy_binary('0002 0000 3c00 c100', 't5');
SELECT * FROM t5;
SELECT copy_binary('0000 0000', 't5');
SELECT copy_binary('ffff 0000', 't5');
SELECT copy_binary('3e81 0000', 't5');
SELECT copy_binary('0001 8000 3c00', 't5');
SELECT copy_binary('0001 0000 7e00', 't5');
SELECT copy_binary('0001 0000 7c01', 't5');
SELECT copy_binary('0001 0000 7c00', 't5');
SELECT copy_binary('0001 0000 fc00', 't5');
SELECT copy_binary('0002 0000 3c00', 't5');
SELECT copy_binary('0001 0000 3c00 3c00', 't5');
SELECT copy_binary('00', 't5');
CREATE TABLE t7 (val halfvec(3));
SELECT copy_binary('0002 0000 3c00 c100', 't7');

-- sparsevec: int32 dimensions, int32 elements, int32 zero, int32 indices from 0, float4 each
CREATE TABLE t8 (val sparsevec);
INSERT INTO t8 VALUES ('{}/3'), ('{1:1,2:2,3:3}/3'), ('{1000000000:-1e-45}/1000000000'), (NULL), (array_fill(1.5, ARRAY[16000])::sparsevec);
COPY t8 TO :'file' WITH (FORMAT binary);
CREATE TABLE t9 (val sparsevec);
COPY t9 FROM :'file' WITH (FORMAT binary);
SELECT count(*) FROM t9;
SELECT md5(val::text) FROM t8 EXCEPT ALL SELECT md5(val::text) FROM t9;
TRUNCATE t8;
SELECT sparsevec_send('{1:1,3:-2.5}/5');
SELECT sparsevec_send('{}/1'), octet_length(sparsevec_send(array_fill(1, ARRAY[16000])::sparsevec));
SELECT copy_binary('00000005 00000002 00000000 00000000 00000002 3f800000 c0200000', 't8');
SELECT * FROM t8;
-- dimensions: none, negative, too many
SELECT copy_binary('00000000 00000000 00000000', 't8');
SELECT copy_binary('ffffffff 00000000 00000000', 't8');
SELECT copy_binary('3b9aca01 00000000 00000000', 't8');
-- elements: negative, too many, more than dimensions
SELECT copy_binary('00000005 ffffffff 00000000', 't8');
SELECT copy_binary('00000005 80000000 00000000', 't8');
SELECT copy_binary('7fffffff 7fffffff 00000000', 't8');
SELECT copy_binary('3b9aca00 00003e81 00000000', 't8');
SELECT copy_binary('00000001 00000002 00000000 00000000 00000001 3f800000 3f800000', 't8');
-- reserved bytes in use
SELECT copy_binary('00000005 00000001 00000001 00000000 3f800000', 't8');
SELECT copy_binary('00000005 00000001 80000000 00000000 3f800000', 't8');
-- indices: out of bounds at both ends, descending, twice the same
SELECT copy_binary('00000005 00000001 00000000 00000005 3f800000', 't8');
SELECT copy_binary('00000005 00000001 00000000 ffffffff 3f800000', 't8');
SELECT copy_binary('00000005 00000002 00000000 00000001 00000000 3f800000 3f800000', 't8');
SELECT copy_binary('00000005 00000002 00000000 00000001 00000001 3f800000 3f800000', 't8');
-- values: zeros, NaN, infinities
SELECT copy_binary('00000005 00000001 00000000 00000000 00000000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000000 80000000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000000 7fc00000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000000 7f800000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000000 ff800000', 't8');
-- too short everywhere, too long
SELECT copy_binary('00000005 00000002', 't8');
SELECT copy_binary('00000005 00000002 00000000', 't8');
SELECT copy_binary('00000005 00000002 00000000 00000000 00000001', 't8');
SELECT copy_binary('00000005 00000002 00000000 00000000 00000001 3f800000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000000 3f800000 3f800000', 't8');
SELECT copy_binary('00000005 00000000 00000000 00', 't8');
CREATE TABLE t10 (val sparsevec(3));
SELECT copy_binary('00000005 00000000 00000000', 't10');
SELECT count(*) FROM t8;

-- SQLSTATE of each kind
\set VERBOSITY sqlstate
SELECT copy_binary('00000000 00000000 00000000', 't8');
SELECT copy_binary('3b9aca01 00000000 00000000', 't8');
SELECT copy_binary('00000005 ffffffff 00000000', 't8');
SELECT copy_binary('3b9aca00 00003e81 00000000', 't8');
SELECT copy_binary('00000001 00000002 00000000 00000000 00000001 3f800000 3f800000', 't8');
SELECT copy_binary('00000005 00000001 00000001 00000000 3f800000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000005 3f800000', 't8');
SELECT copy_binary('00000005 00000002 00000000 00000001 00000000 3f800000 3f800000', 't8');
SELECT copy_binary('00000005 00000002 00000000 00000001 00000001 3f800000 3f800000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000000 00000000', 't8');
SELECT copy_binary('00000005 00000001 00000000 00000000 7fc00000', 't8');
SELECT copy_binary('00000005 00000002 00000000', 't8');
SELECT copy_binary('00000005 00000000 00000000 00', 't8');
\set VERBOSITY default

DROP FUNCTION copy_binary;
DROP TABLE t, t2, t3, t4, t5, t6, t7, t8, t9, t10;
