# Settings of pgvector from wherever they come: before the library is loaded in the session, by role, database, server,
# connection. A scan with iterative_scan = off returns as many rows as ef_search says, and those of all lists if there are
# as many probes, so the settings can be seen at work.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $node = PostgreSQL::Test::Cluster->new('settings');
$node->init;
$node->start;
create_table($node, rows => 2000);
$node->safe_psql('postgres', q(
	CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
	CREATE TABLE lists AS SELECT * FROM items;
	CREATE INDEX lists_v ON lists USING ivfflat (v vector_l2_ops) WITH (lists = 20);));

# A literal as query: nothing but the scan itself loads the library.
my $query = $node->safe_psql('postgres', "SELECT embed(7, 32)");
my $count = sub {
	my ($table) = @_;
	return "SET enable_seqscan = off; SET enable_sort = off; SELECT count(*) FROM (SELECT id FROM $table ORDER BY v <-> '$query') s;";
};

sub counts
{
	my ($before, $items, $lists, $what, %options) = @_;
	is($node->safe_psql('postgres', "$before " . $count->('items'), %options), $items, "$what: hnsw");
	my $found = $node->safe_psql('postgres', "$before " . $count->('lists'), %options);
	# How many rows a few of the lists have depends on the data.
	$lists eq 'some' ? cmp_ok($found, '<', 2000, "$what: ivfflat") : is($found, $lists, "$what: ivfflat");
	return;
}

counts('', 2000, 2000, 'defaults');
counts("SET hnsw.iterative_scan = off; SET ivfflat.iterative_scan = off;", 40, 'some', 'off, defaults of effort');
my $off = "SET hnsw.iterative_scan = off; SET ivfflat.iterative_scan = off;";
my $set = "$off SET hnsw.ef_search = 5; SET ivfflat.probes = 20;";
counts($set, 5, 2000, 'SET before the library is loaded');
counts("LOAD 'proxima'; $set", 5, 2000, 'SET after it');
counts("BEGIN; " . ($set =~ s/SET /SET LOCAL /gr), 5, 2000, 'SET LOCAL before it');
counts("BEGIN; " . ($set =~ s/SET /SET LOCAL /gr) . " COMMIT;", 2000, 2000, 'SET LOCAL that has ended');
counts("$set RESET ALL;", 2000, 2000, 'RESET before it');
counts("SET hnsw.max_scan_tuples = 70;", 70, 2000, 'limit of iterative scans');

for my $whose ('ROLE postgres', 'DATABASE postgres', 'SYSTEM')
{
	for my $setting (grep { /\S/ } split(/;/, $set))
	{
		$node->safe_psql('postgres', "LOAD 'proxima'; ALTER $whose $setting");
	}
	$node->reload if $whose eq 'SYSTEM';
	counts('', 5, 2000, "ALTER $whose");
	counts("SET hnsw.ef_search = 9; SET ivfflat.probes = 4;", 9, 'some', "SET over ALTER $whose");
	for my $setting (grep { /\S/ } split(/;/, $set))
	{
		my ($name) = $setting =~ /SET (\S+)/;
		$node->safe_psql('postgres', "LOAD 'proxima'; ALTER $whose RESET $name");
	}
	$node->reload if $whose eq 'SYSTEM';
}
counts('', 2000, 2000, 'all reset');

{
	local $ENV{PGOPTIONS} = '-c hnsw.iterative_scan=off -c hnsw.ef_search=6 -c ivfflat.iterative_scan=off -c ivfflat.probes=20';
	counts('', 6, 2000, 'options of the connection');
}

# What nobody can mean is refused where the library is known, and warned of when it comes to know.
my ($code, $out, $err) = $node->psql('postgres', "SET hnsw.ef_search = 0; LOAD 'proxima'; SHOW hnsw.ef_search");
like($err, qr/WARNING:.*0 is outside the valid range for parameter "hnsw.ef_search" \(1 .. 1000\)/, 'a value out of range');
is($out, '40', 'and the default is in force');
($code, $out, $err) = $node->psql('postgres', "SET hnsw.iterative_scan = sometimes; LOAD 'proxima'; SHOW hnsw.iterative_scan");
like($err, qr/WARNING:.*invalid value for parameter "hnsw.iterative_scan": "sometimes"/, 'a value that is none');
is($out, 'strict_order', 'and the default is in force');
($code, $out, $err) = $node->psql('postgres', "SET ivfflat.prob = 1; LOAD 'proxima'");
like($err, qr/WARNING:.*invalid configuration parameter name "ivfflat.prob"/, 'a name that is none');
$node->stop;
done_testing();
