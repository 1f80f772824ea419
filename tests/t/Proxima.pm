# Helpers of the TAP tests: tables of repeatable random vectors, and exact answers to compare with.
package Proxima;
use strict;
use warnings;
use Exporter 'import';
use Time::HiRes qw(usleep);
our @EXPORT = qw(create_table add_rows exact_ids index_ids recall check_sound start_after_kill);

# A table "items" of vectors around cluster centers. Rows are a function of their id and of $seed.
sub create_table
{
	my ($node, %options) = @_;
	my $dim = $options{dim} // 32;
	my $kind = $options{kind} // '';
	$node->safe_psql('postgres', "CREATE EXTENSION IF NOT EXISTS proxima");
	$node->safe_psql('postgres', qq(
		CREATE OR REPLACE FUNCTION embed(id int8, dim int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
		\$\$ SELECT array_agg((hashint8extended((id % 50) * 1000 + d, 1) % 1000000) / 1e6
			+ 0.4 * (hashint8extended(id * 1000 + d, 2) % 1000000) / 1e6 ORDER BY d)::vector
			FROM generate_series(1, dim) d \$\$;
		DROP TABLE IF EXISTS items;
		CREATE $kind TABLE items (id int8 PRIMARY KEY, v vector($dim));));
	add_rows($node, 1, $options{rows} // 1000, $dim);
	return;
}

sub add_rows
{
	my ($node, $from, $to, $dim) = @_;
	$node->safe_psql('postgres',
		"INSERT INTO items SELECT i, embed(i, $dim) FROM generate_series($from, $to) i;");
	return;
}

sub ids
{
	my ($node, $settings, $query, $operator, $limit) = @_;
	my $text = $node->safe_psql('postgres', qq(
		SET client_min_messages = warning; $settings
		SELECT string_agg(id::text, ',') FROM (
			SELECT id FROM items ORDER BY v $operator $query, id LIMIT $limit) s) =~ s/, id LIMIT/ LIMIT/r);
	return split(/,/, $text);
}

sub exact_ids
{
	my ($node, $query, $operator, $limit) = @_;
	return ids($node, 'SET enable_indexscan = off;', $query, $operator, $limit);
}

sub index_ids
{
	my ($node, $query, $operator, $limit) = @_;
	return ids($node, 'SET enable_seqscan = off;', $query, $operator, $limit);
}

# The share of the exact ten nearest that the index finds, over some queries.
sub recall
{
	my ($node, $operator, $dim, $queries) = @_;
	my ($hits, $total) = (0, 0);
	for my $q (1 .. $queries)
	{
		my $query = "embed(" . (1_000_000 + $q * 37) . ", $dim)";
		my %exact = map { $_ => 1 } exact_ids($node, $query, $operator, 10);
		$hits += grep { $exact{$_} } index_ids($node, $query, $operator, 10);
		$total += 10;
	}
	return $hits / $total;
}

# Starts a server that was killed. Its processes may take a moment to vanish, and until then a start is refused.
sub start_after_kill
{
	my ($node) = @_;
	for (1 .. 100)
	{
		return if $node->start(fail_ok => 1);
		usleep(100_000);
		$node->stop('fast', fail_ok => 1);
	}
	$node->start;
	return;
}

sub check_sound
{
	my ($node, $index) = @_;
	return $node->safe_psql('postgres', "SELECT proxima.check_index('$index') ->> 'sound'");
}

1;
