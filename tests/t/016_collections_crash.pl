# Batches of real embeddings that were committed are there after all processes of the server are killed: by id, by search,
# by the UUID and the name of their collection; before and after a flush.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Proxima;

my ($batches, $rows) = (50, 100);
my $node = PostgreSQL::Test::Cluster->new('collections_crash');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = on");
$node->start;
$node->safe_psql('postgres', q(
	CREATE EXTENSION proxima;
	CREATE FUNCTION row_id(number int4) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(number::text, 32, '0')::uuid $$;));
load_wordnet($node, 'base', 'texts', $batches * $rows);
load_wordnet($node, 'queries', 'queries', 200);
$node->safe_psql('postgres', q(
	-- What a client has in its hands.
	CREATE TABLE batches AS SELECT number / 100 AS batch, array_agg(row_id(number) ORDER BY number) AS ids,
		array_agg(embedding ORDER BY number) AS embeddings, array_agg(document ORDER BY number) AS documents,
		array_agg(jsonb_build_object('n', number) ORDER BY number) AS metadata
		FROM base GROUP BY 1;
	-- How far the truly nearest ten are from what is none of the rows.
	CREATE TABLE truth AS SELECT q.number, q.embedding, (SELECT max(distance) FROM (
			SELECT b.embedding <=> q.embedding AS distance FROM base b ORDER BY 1 LIMIT 10) nearest) AS farthest
		FROM queries q;));
my $id = $node->safe_psql('postgres', "SELECT proxima.create_collection('memories', 384)");

# All batches from here on in transactions of their own.
sub upsert_all
{
	my $sql = join('', map {
		"SELECT u.* FROM batches b, proxima.upsert('$id'::uuid, ids, embeddings, documents, metadata) u WHERE batch = $_;\n"
	} 0 .. $batches - 1);
	my $start = time;
	my $counts = $node->safe_psql('postgres', $sql);
	note(sprintf('%d batches of %d: %.0f rows/s, fsync on', $batches, $rows, $batches * $rows / (time - $start)));
	return $counts;
}

sub is_all_there
{
	my ($about) = @_;
	my $all = $batches * $rows;
	is($node->safe_psql('postgres', "SELECT proxima.count_rows('$id'::uuid), proxima.count_rows('memories'), proxima.collection_id('memories')"),
		"$all|$all|$id", "$about: by UUID and by name");
	is($node->safe_psql('postgres', "SELECT count(*) FROM batches b,
		LATERAL unnest(ids, embeddings, documents) r (id, embedding, document)
		JOIN proxima.get('$id'::uuid, with_vectors => true) g USING (id, document) WHERE g.embedding = r.embedding"),
		$all, "$about: every row by its id");
	my $by_index = 'SET enable_seqscan = off; SET enable_sort = off; SET jit = off;';
	is($node->safe_psql('postgres', "$by_index
		SELECT count(*), count(DISTINCT s.id) FROM proxima.search('$id'::uuid, (SELECT embedding FROM base WHERE number = 1), $all) s"),
		"$all|$all", "$about: every row once by a search through the index");
	# Some texts have equal vectors.
	is($node->safe_psql('postgres', "$by_index
		SELECT count(*) FROM batches b, LATERAL unnest(b.embeddings) r (embedding),
			LATERAL (SELECT * FROM proxima.search('$id'::uuid, r.embedding, 1, with_vectors => true)) s
		WHERE s.embedding = r.embedding"), $all, "$about: every vector finds itself");
	my $found = $node->safe_psql('postgres', "$by_index
		SELECT count(*) FROM truth t, LATERAL proxima.search('memories', t.embedding, 10) s WHERE s.distance <= t.farthest");
	cmp_ok($found, '>=', 0.95 * 2000, "$about: searches find the truly nearest ($found of 2000)");
	is($node->safe_psql('postgres', "SELECT proxima.check_index('memories_embedding_idx') ->> 'sound'"), 'true', "$about: sound");
	return;
}

is(upsert_all(), join("\n", ("$rows|0") x $batches), 'all batches are inserted');
crash_and_start($node);
is_all_there('after a crash');
$node->safe_psql('postgres', "SELECT proxima.flush('memories')");
crash_and_start($node);
is_all_there('after a flush and a crash');
is(upsert_all(), join("\n", ("0|$rows") x $batches), 'all batches are updated');
crash_and_start($node);
is_all_there('after updates and a crash');

$node->stop;
done_testing();
