# Batches that were committed are there after all processes of the server are killed: by id, by search, by the UUID and
# the name of their collection; before and after a flush.
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
	CREATE FUNCTION embed(id int8) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
		$$ SELECT array_agg((hashint8extended((id % 50) * 1000 + d, 1) % 1000000) / 1e6
			+ 0.4 * (hashint8extended(id * 1000 + d, 2) % 1000000) / 1e6 ORDER BY d)::vector FROM generate_series(1, 384) d $$;
	CREATE FUNCTION row_id(id int8) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(id::text, 32, '0')::uuid $$;
	-- What a client has in its hands.
	CREATE TABLE batches AS SELECT (id - 1) / 100 AS batch, array_agg(row_id(id) ORDER BY id) AS ids,
		array_agg(embed(id) ORDER BY id) AS embeddings, array_agg('document ' || id ORDER BY id) AS documents,
		array_agg(jsonb_build_object('n', id) ORDER BY id) AS metadata
		FROM generate_series(1, 5000) id GROUP BY 1;));
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
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; SET jit = off;
		SELECT count(*), count(DISTINCT g.id) FROM proxima.search('$id'::uuid, embed(1), $all) g"),
		"$all|$all", "$about: every row once by a search through the index");
	my $found = $node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; SET jit = off;
		SELECT count(*) FROM generate_series(1, $all, 7) n,
			LATERAL (SELECT s.id FROM proxima.search('memories', embed(n), 1) s) s WHERE s.id = row_id(n)");
	my $asked = int(($all + 6) / 7);
	cmp_ok($found, '>=', 0.98 * $asked, "$about: a row is nearest to itself ($found of $asked)");
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
