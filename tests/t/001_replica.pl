# A streaming replica under wal_consistency_checking: identical pages, identical answers, also while rows come and go.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "wal_consistency_checking = 'all'\nautovacuum = off");
$primary->start;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub same_answers
{
	my ($what) = @_;
	$primary->wait_for_catchup($standby);
	for my $q (1 .. 5)
	{
		my $query = "embed(" . (2_000_000 + $q) . ", $DIM)";
		is_deeply([ index_ids($standby, $query, '<->', 30) ], [ index_ids($primary, $query, '<->', 30) ],
			"$what: query $q");
	}
	is(check_sound($standby, 'items_v'), 'true', "$what: the standby's index is sound");
	return;
}

create_table($primary, rows => 3000);
$primary->safe_psql('postgres', "CREATE INDEX items_v ON items USING $METHOD (v vector_l2_ops)");
same_answers('after the build');
add_rows($primary, 3001, 3400, $DIM);
same_answers('after inserts');
$primary->safe_psql('postgres', "DELETE FROM items WHERE id % 7 = 0");
$primary->safe_psql('postgres', "VACUUM items");
same_answers('after vacuum');
$primary->safe_psql('postgres', "UPDATE items SET v = embed(id + 9, $DIM) WHERE id % 11 = 0");
same_answers('after updates');
$primary->safe_psql('postgres', "REINDEX INDEX CONCURRENTLY items_v");
same_answers('after REINDEX CONCURRENTLY');

$standby->promote;
$standby->safe_psql('postgres', "INSERT INTO items SELECT i, embed(i, $DIM) FROM generate_series(5001, 5100) i");
is(check_sound($standby, 'items_v'), 'true', 'sound after promotion and inserts');
is(scalar(grep { $_ == 5050 } index_ids($standby, "embed(5050, $DIM)", '<->', 1)), 1, 'a new row is found');
$primary->stop;
$standby->stop;
done_testing();
