-- Distances between bit strings.
\set VERBOSITY default

SELECT hamming_distance('111', '111'), hamming_distance('111', '110'), hamming_distance('111', '100'), hamming_distance('111', '000');
SELECT hamming_distance('', '') AS of_nothing, hamming_distance(repeat('10', 500)::bit(1000), repeat('01', 500)::bit(1000)) AS all_differ;
SELECT hamming_distance('111', '00');
SELECT hamming_distance('111', '000'::varbit(4));
SELECT hamming_distance('111', '0000'::varbit(4));
SELECT '1010'::bit(4) <~> '0101' AS hamming, B'1010' <~> B'1011' AS one;

SELECT jaccard_distance('1111', '1111'), jaccard_distance('1111', '1110'), jaccard_distance('1111', '1100'),
	jaccard_distance('1111', '1000'), jaccard_distance('1111', '0000'), jaccard_distance('1100', '1000');
SELECT jaccard_distance('', '') AS of_nothing, jaccard_distance('000', '000') AS of_zeros;
SELECT jaccard_distance('1111', '000');
SELECT jaccard_distance('1111', '0000'::varbit(5));
SELECT jaccard_distance('1111', '00000'::varbit(5));
SELECT '1100'::bit(4) <%> '1000' AS jaccard;

\set VERBOSITY sqlstate
SELECT hamming_distance('111', '00');
SELECT jaccard_distance('111', '00');
\set VERBOSITY default

-- Every length around the widths of words and registers, against core's own operators
SELECT count(*) AS wrong
FROM generate_series(1, 600) len,
	LATERAL (SELECT string_agg(((i * i + len) % 7 / 4)::text, '')::varbit a, string_agg(((i * 3 + len) % 5 / 3)::text, '')::varbit b
		FROM generate_series(1, len) i) v,
	LATERAL (SELECT length(replace((a & b)::text, '0', ''))::float8 AS both_set,
		length(replace((a | b)::text, '0', ''))::float8 AS either, length(replace((a # b)::text, '0', '')) AS differ) e
WHERE a <~> b <> differ
	OR a <%> b <> CASE WHEN both_set = 0 THEN 1 ELSE 1 - both_set / either END
	OR b <~> a <> a <~> b OR b <%> a <> a <%> b;

-- The README's rerank: candidates by bits, then by distance
CREATE TABLE items (id int, embedding vector(3));
INSERT INTO items VALUES (1, '[1,-2,3]'), (2, '[1,-2,-3]'), (3, '[-1,2,-3]'), (4, '[2,-1,3]');
SELECT * FROM (SELECT * FROM items ORDER BY binary_quantize(embedding)::bit(3) <~> binary_quantize('[1,-2,3]'::vector) LIMIT 3) c
ORDER BY embedding <=> '[1,-2,3]';
DROP TABLE items;

-- Stored out of line, and compressed
CREATE TABLE stored (id int, v varbit);
INSERT INTO stored VALUES (1, '101'), (2, repeat('10', 50000)::varbit), (3, repeat('01', 50000)::varbit);
SELECT a.id, b.id, a.v <~> b.v AS hamming, a.v <%> b.v AS jaccard FROM stored a JOIN stored b ON length(a.v) = length(b.v)
ORDER BY 1, 2;
DROP TABLE stored;

-- The catalogue
SELECT oprname, oprcom::regoperator AS commutator, oprnegate::regoperator AS negator, oprcode, oprrest, oprjoin
FROM pg_operator WHERE oprleft = 'bit'::regtype AND oprname IN ('<~>', '<%>') ORDER BY oprname COLLATE "C";
