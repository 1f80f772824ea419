-- Input nobody meant: random text, and messages with bytes changed, added or cut off. Each is an error of the right class
-- or a value that survives a round trip; never a crash, nor an error that users should not see.
\set VERBOSITY default
\set SHOW_CONTEXT never
\getenv abs_builddir PG_ABS_BUILDDIR
\set file :abs_builddir '/results/hostile.bin'
SELECT setseed(0.5), set_config('regress.file', :'file', false) IS NOT NULL AS set;

CREATE FUNCTION odd_text(longest int) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(tokens[1 + floor(random() * array_length(tokens, 1))], '')
	FROM (SELECT ARRAY['[', ']', '{', '}', ',', ',', ':', ':', '/', '/5', ' ', '1', '2', '3', '5', '0', '-', '+', '.', 'e', 'E9', 'x', '0x1',
		'nan', 'inf', '1e38', '1e-46', '65520', E'\t', '%s', '9999999999', '{1:', '[1,', '}/3', ']'] AS tokens) t,
		generate_series(1, 1 + floor(random() * longest)::int)
$$;

CREATE TABLE outcomes (type_name text, outcome text);
CREATE FUNCTION try_texts(type_name text, prefix text, longest int, suffix text, count int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	literal text;
	kept bool;
BEGIN
	FOR i IN 1 .. count LOOP
		literal := prefix || odd_text(longest) || suffix;
		BEGIN
			EXECUTE format('SELECT %1$L::%2$I = %1$L::%2$I::text::%2$I', literal, type_name) INTO STRICT kept;
			INSERT INTO outcomes VALUES (type_name, CASE WHEN kept THEN 'value' ELSE 'lost: ' || literal END);
		EXCEPTION
			WHEN invalid_text_representation OR data_exception OR numeric_value_out_of_range OR program_limit_exceeded THEN
				INSERT INTO outcomes VALUES (type_name, 'error');
			WHEN OTHERS THEN
				INSERT INTO outcomes VALUES (type_name, SQLSTATE || ': ' || literal);
		END;
	END LOOP;
END
$$;
SELECT try_texts(name, '', 9, '', 1500) FROM unnest(ARRAY['vector', 'halfvec', 'sparsevec']) name;
SELECT try_texts('vector', '[', 3, ']', 1000), try_texts('halfvec', '[', 3, ']', 1000), try_texts('sparsevec', '{', 5, '}/5', 500),
	try_texts('sparsevec', '{1:', 3, '}/5', 1000);
SELECT type_name, outcome, count(*) > 10 AS many FROM outcomes GROUP BY 1, 2 ORDER BY 1, 2;
TRUNCATE outcomes;

-- The same for messages: one file per message, as copy.sql makes them
CREATE FUNCTION odd_message(good bytea) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	bytes bytea := good;
BEGIN
	FOR i IN 1 .. 1 + floor(random() * 2)::int LOOP
		bytes := set_byte(bytes, floor(random() * length(bytes))::int,
			(ARRAY[0, 1, 2, 127, 128, 255, floor(random() * 256)::int])[1 + floor(random() * 7)]);
	END LOOP;
	RETURN CASE floor(random() * 8) WHEN 0 THEN substr(bytes, 1, 1 + floor(random() * length(bytes))::int) WHEN 1 THEN bytes || '\x00' ELSE bytes END;
END
$$;
CREATE TABLE vectors (val vector);
CREATE TABLE halfvecs (val halfvec);
CREATE TABLE sparsevecs (val sparsevec);
CREATE FUNCTION try_messages(table_name text, good bytea, count int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('regress.file');
	message bytea;
	lo oid;
	kept bool;
BEGIN
	FOR i IN 1 .. count LOOP
		message := odd_message(good);
		lo := lo_from_bytea(0, '\x5047434f50590aff0d0a00'::bytea || '\x0000000000000000' || '\x0001'
			|| int4send(length(message)) || message || '\xffff');
		PERFORM lo_export(lo, file);
		PERFORM lo_unlink(lo);
		BEGIN
			EXECUTE format('TRUNCATE %I', table_name);
			EXECUTE format('COPY %I FROM %L WITH (FORMAT binary)', table_name, file);
			EXECUTE format('SELECT val = val::text::%I FROM %I', rtrim(table_name, 's'), table_name) INTO STRICT kept;
			INSERT INTO outcomes VALUES (table_name, CASE WHEN kept THEN 'value' ELSE 'lost: ' || message::text END);
		EXCEPTION
			WHEN data_exception OR program_limit_exceeded OR protocol_violation OR invalid_binary_representation THEN
				INSERT INTO outcomes VALUES (table_name, 'error');
			WHEN OTHERS THEN
				INSERT INTO outcomes VALUES (table_name, SQLSTATE || ': ' || message::text);
		END;
	END LOOP;
END
$$;
SELECT try_messages('vectors', vector_send('[1,-2.5,0]'), 150), try_messages('halfvecs', halfvec_send('[1,-2.5,0]'), 150),
	try_messages('sparsevecs', sparsevec_send('{1:1,3:-2.5,4:3}/5'), 250);
SELECT type_name, outcome, count(*) > 10 AS many FROM outcomes GROUP BY 1, 2 ORDER BY 1, 2;

TRUNCATE outcomes;

-- Stored values that somebody damaged: a cast without a function makes any bytes a value
CREATE CAST (bytea AS vector) WITHOUT FUNCTION;
CREATE CAST (bytea AS halfvec) WITHOUT FUNCTION;
CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
-- numbers as a little-endian server stores them
CREATE FUNCTION native(VARIADIC numbers int[]) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg((SELECT string_agg(set_byte('\x00', 0, (n >> 8 * b) & 255), '' ORDER BY b)
		FROM generate_series(0, 3) b), '' ORDER BY i)
	FROM unnest(numbers) WITH ORDINALITY u(n, i)
$$;
-- sound, for the start: dimensions, elements, reserved, indices, values
SELECT native(5, 2, 0, 0, 2, 1065353216, 1073741824)::sparsevec AS sound, l2_norm(native(5, 1, 0, 4, 1073741824)::sparsevec) AS norm;
SELECT ''::bytea::vector;
SELECT ''::bytea::halfvec;
SELECT ''::bytea::sparsevec;
SELECT native(2)::vector;
SELECT native(3, 1065353216)::halfvec;
SELECT native(5, 2, 0)::sparsevec;
SELECT native(5, -1, 0)::sparsevec;
SELECT native(-5, 0, 0)::sparsevec;
SELECT native(1, 2, 0, 0, 1, 1065353216, 1065353216)::sparsevec;
SELECT native(5, 1, 0, 0, 1065353216, 0)::sparsevec;
\echo :LAST_ERROR_SQLSTATE
-- indices out of bounds are found where they would do harm
SELECT native(5, 1, 0, 7, 1065353216)::sparsevec::vector;
SELECT native(5, 1, 0, -2147483648, 1065353216)::sparsevec::halfvec;
SELECT native(5, 1, 0, -2147483648, 1065353216)::sparsevec AS text, native(5, 1, 0, 2147483647, 1065353216)::sparsevec AS text;
-- whatever the bytes are: each function has a value or an error
CREATE FUNCTION try_values(type_name text, good bytea, expressions text[], count int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	expression text;
	bytes bytea;
BEGIN
	FOR i IN 1 .. count LOOP
		bytes := odd_message(good);
		FOREACH expression IN ARRAY expressions LOOP
			BEGIN
				EXECUTE format('SELECT %1$s FROM (SELECT %3$L::bytea::%2$I AS a, %4$L::bytea::%2$I AS b) v',
					expression, type_name, bytes, good);
				INSERT INTO outcomes VALUES (type_name, 'value');
			EXCEPTION
				WHEN data_corrupted OR data_exception OR program_limit_exceeded THEN INSERT INTO outcomes VALUES (type_name, 'error');
				WHEN OTHERS THEN INSERT INTO outcomes VALUES (type_name, format('%s: %s of %s', SQLSTATE, expression, bytes));
			END;
		END LOOP;
	END LOOP;
END
$$;
SELECT try_values('vector', native(3, 1065353216, 1073741824, 0), ARRAY['a::text', 'vector_send(a)', 'a <-> b', 'a <=> b', 'a < b', 'a || b',
	'a + b', 'l2_normalize(a)', 'binary_quantize(a)', 'subvector(a, 2, 9)', 'a::real[]', 'a::halfvec', 'a::sparsevec', 'avg(a)'], 40);
SELECT try_values('halfvec', native(4, 1006648320, 1073758208), ARRAY['a::text', 'halfvec_send(a)', 'a <-> b', 'a <=> b', 'a < b', 'a || b',
	'a + b', 'l2_normalize(a)', 'binary_quantize(a)', 'subvector(a, 2, 9)', 'a::real[]', 'a::vector', 'a::sparsevec', 'avg(a)'], 40);
SELECT try_values('sparsevec', native(5, 2, 0, 0, 2, 1065353216, 1073741824), ARRAY['a::text', 'sparsevec_send(a)', 'a <-> b', 'b <#> a',
	'a <=> b', 'a <+> b', 'a < b', 'sparsevec_cmp(b, a)', 'l2_norm(a)', 'l2_normalize(a)', 'a::vector', 'a::halfvec'], 60);
SELECT type_name, outcome, count(*) > 10 AS many FROM outcomes GROUP BY 1, 2 ORDER BY 1, 2;
-- numbers that no input makes: an index refuses them, as its pages have no place for them
CREATE TABLE t (val vector(2));
CREATE INDEX t_val ON t USING hnsw (val vector_l2_ops);
INSERT INTO t VALUES ('[1,2]');
INSERT INTO t VALUES (native(2, 1065353216, 2143289344)::vector);
\echo :LAST_ERROR_SQLSTATE
SET enable_seqscan = off;
SELECT val FROM t ORDER BY val <-> native(2, 2139095040, 0)::vector;
SELECT val FROM t ORDER BY val <-> '[0,0]';
RESET enable_seqscan;
DROP INDEX t_val;
INSERT INTO t VALUES (native(2, 1065353216, -8388608)::vector);
CREATE INDEX ON t USING hnsw (val vector_l2_ops);
DROP TABLE t;
DROP CAST (bytea AS vector);
DROP CAST (bytea AS halfvec);
DROP CAST (bytea AS sparsevec);

-- numbers that no relation has
SELECT proxima.check_index(0);
\echo :LAST_ERROR_SQLSTATE
SELECT proxima.index_info(4294967295);

DROP TABLE outcomes, vectors, halfvecs, sparsevecs;
DROP FUNCTION odd_text, odd_message, try_texts, try_messages, try_values, native;
