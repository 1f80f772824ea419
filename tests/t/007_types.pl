# Every operator class of every type: built, scanned, inserted into, vacuumed, crashed, replicated; recall of defaults.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $rows = 6000;
my $node = PostgreSQL::Test::Cluster->new('types');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "wal_consistency_checking = 'all'\nautovacuum = off\nmax_wal_size = 4GB");
$node->start;
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('types_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

# Rows in 50 groups. A sparse vector takes terms of its group and a few of any.
$node->safe_psql('postgres', q(
	CREATE EXTENSION proxima;
	CREATE FUNCTION random_of(a int8, b int8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT ((hashint8extended(a, b) % 1000003) + 1000003) % 1000003 / 1000003.0 $$;
	CREATE FUNCTION dense(id int8) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT array_agg(random_of(id % 50 * 1000 + d, 1) - 0.5 + 0.6 * (random_of(id * 1000 + d, 2) - 0.5) ORDER BY d)::vector
		FROM generate_series(1, 96) d $$;
	CREATE FUNCTION sparse(id int8) RETURNS sparsevec LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT ('{' || string_agg(term || ':' || weight, ',') || '}/20000')::sparsevec FROM (
		SELECT term, max(weight) AS weight FROM (
			SELECT 1 + (20000 * CASE WHEN n <= 24 THEN random_of(id % 50 * 1000 + floor(random_of(id * 1000 + n, 3) * 40)::int8, 4)
				ELSE random_of(id * 1000 + n, 5) END)::int AS term,
				(0.1 + random_of(id * 1000 + n, 6))::float4 AS weight
			FROM generate_series(1, 40) n) pairs WHERE term <= 20000 GROUP BY term) terms $$;
	CREATE TABLE items (id int8 PRIMARY KEY, v vector(96), h halfvec(96), b bit(96), s sparsevec(20000));
	CREATE FUNCTION add_items(first int8, last int8) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO items SELECT id, dense(id), dense(id)::halfvec, binary_quantize(dense(id))::bit(96), sparse(id)
		FROM generate_series(first, last) id $$;
	-- Rows as near as the tenth count: bits have many of those.
	CREATE FUNCTION recall(col text, operator text, queries int) RETURNS float8 LANGUAGE plpgsql AS $$
	DECLARE
		hits int8 := 0;
		n int8;
		exact float8;
	BEGIN
		FOR q IN 1 .. queries LOOP
			PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true);
			EXECUTE format('WITH q AS MATERIALIZED (SELECT %1$s AS q FROM one_item(%3$s)) SELECT max(d) FROM
				(SELECT %1$s %2$s (SELECT q FROM q) AS d FROM items ORDER BY 1 LIMIT 10) s', col, operator, 900000 + q)
				INTO exact;
			PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
			EXECUTE format('WITH q AS MATERIALIZED (SELECT %1$s AS q FROM one_item(%3$s)) SELECT count(*) FROM
				(SELECT %1$s %2$s (SELECT q FROM q) AS d FROM items ORDER BY %1$s %2$s (SELECT q FROM q) LIMIT 10) s
				WHERE d <= $1', col, operator, 900000 + q) INTO n USING exact;
			hits := hits + n;
		END LOOP;
		RETURN hits / (10.0 * queries);
	END $$;
	CREATE FUNCTION one_item(id int8) RETURNS TABLE (v vector, h halfvec, b bit, s sparsevec) LANGUAGE sql IMMUTABLE AS
	$$ SELECT dense(id), dense(id)::halfvec, binary_quantize(dense(id)), sparse(id) $$;));
$node->safe_psql('postgres', "SELECT add_items(1, $rows)");

my %operators = (l2 => '<->', ip => '<#>', cosine => '<=>', l1 => '<+>', hamming => '<~>', jaccard => '<%>');
my %columns = (vector => 'v', halfvec => 'h', bit => 'b', sparsevec => 's');
my %classes = (
	hnsw => {
		halfvec => [qw(l2 ip cosine l1)], sparsevec => [qw(l2 ip cosine l1)], bit => [qw(hamming jaccard)] },
	ivf => { vector => [qw(l2 ip cosine)], halfvec => [qw(l2 ip cosine)], bit => [qw(hamming)] },
	ivfflat => { vector => [qw(l2 ip cosine)], halfvec => [qw(l2 ip cosine)], bit => [qw(hamming)] });

sub each_class
{
	my ($body) = @_;
	for my $method (sort keys %classes)
	{
		for my $type (sort keys %{ $classes{$method} })
		{
			$body->($method, $type, $_, "${method}_${type}_$_") for @{ $classes{$method}{$type} };
		}
	}
	return;
}

# One index of a column at a time, so that no other can answer.
sub only
{
	my ($index) = @_;
	return "UPDATE pg_index SET indisvalid = (indexrelid = '$index'::regclass) WHERE indrelid = 'items'::regclass AND NOT indisprimary";
}

each_class(sub {
	my ($method, $type, $metric, $index) = @_;
	$node->safe_psql('postgres',
		"CREATE INDEX $index ON items USING $method ($columns{$type} ${type}_${metric}_ops)");
	$node->safe_psql('postgres', only($index));
	is(check_sound($node, $index), 'true', "$index: sound");
	cmp_ok($node->safe_psql('postgres', "SELECT recall('$columns{$type}', '$operators{$metric}', 60)"),
		'>=', 0.95, "$index: recall with defaults");
});

$node->safe_psql('postgres', "UPDATE pg_index SET indisvalid = true");
$node->safe_psql('postgres', "SELECT add_items($rows + 1, $rows + 600)");
$node->safe_psql('postgres', "DELETE FROM items WHERE id % 5 = 0");
$node->safe_psql('postgres', "VACUUM items");
$node->safe_psql('postgres', "UPDATE items SET v = dense(id + 7), h = dense(id + 7)::halfvec,
	b = binary_quantize(dense(id + 7))::bit(96), s = sparse(id + 7) WHERE id % 31 = 0");
$node->wait_for_catchup($standby);
my $live = $node->safe_psql('postgres', "SELECT count(*) FROM items");
crash_and_start($node);

each_class(sub {
	my ($method, $type, $metric, $index) = @_;
	my ($column, $operator) = ($columns{$type}, $operators{$metric});
	$node->safe_psql('postgres', only($index));
	is(check_sound($node, $index), 'true', "$index: sound after the crash");
	cmp_ok($node->safe_psql('postgres', "SELECT recall('$column', '$operator', 60)"),
		'>=', 0.95, "$index: recall after inserts, vacuum, updates and a crash");
	is($node->safe_psql('postgres', qq(
		SET enable_seqscan = off; SET enable_sort = off;
		SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY $column $operator
			(SELECT $column FROM items WHERE id = 7)) s)), "$live|$live", "$index: every row once");
	is(check_sound($standby, $index), 'true', "$index: sound on the standby");
});
$node->stop;
$standby->stop;
done_testing();
