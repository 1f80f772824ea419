# Damaged index files: whatever reads a bad page says which index and which block and what to do, the server goes on,
# and REINDEX repairs. Each damage is done to all pages of one kind, in an index of its own.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Proxima;

use constant {
	PAGE => 8192,
	HEADER => 24,
	SPECIAL => 8176,
	KIND => 8188,
	VERSION => 8189,
	ID => 8190,
};

# What each damage makes of a page. The header stays PostgreSQL's own, which PostgreSQL itself checks.
my %damages = (
	garbage => sub { substr($_[0], 0, HEADER) . pack('C*', map { $_ * 37 % 251 } 1 .. PAGE - HEADER) },
	foreign => sub { substr($_[0], 0, ID) . pack('S', 0xFF90) },
	newer => sub { substr($_[0], 0, VERSION) . chr(9) . substr($_[0], ID) },
	zero => sub { "\0" x PAGE },
	# The page says that it is the right one, but what it holds is nonsense.
	content => sub { substr($_[0], 0, HEADER) . "\xff" x (SPECIAL - HEADER) . substr($_[0], SPECIAL) },
);
my @kinds = (undef, qw(meta segment centroid nodes tids pending vectors retired routers lists list_routers));
# Those that the indexes here have.
my @damaged = qw(meta segment centroid nodes tids pending);
push @damaged, qw(routers lists list_routers) if $METHOD eq 'ivf';
# Statements that need no page of a kind succeed.
my %insert_reads = map { $_ => 1 } qw(meta segment centroid pending);

my $node = PostgreSQL::Test::Cluster->new('damage');
$node->init(no_data_checksums => 1);
$node->append_conf('postgresql.conf', "autovacuum = off");
$node->start;
create_table($node, rows => 620);

my @cases;
for my $damage (sort keys %damages)
{
	for my $kind (@damaged)
	{
		my $table = "${damage}_$kind";
		$node->safe_psql('postgres', qq(
			CREATE TABLE $table (id int8 PRIMARY KEY, v vector($DIM));
			INSERT INTO $table SELECT * FROM items WHERE id <= 600;
			CREATE INDEX ${table}_v ON $table USING $METHOD (v vector_l2_ops) $WITH_LISTS;
			INSERT INTO $table SELECT * FROM items WHERE id > 600;
			DELETE FROM $table WHERE id % 10 = 0;));
		my $file = $node->safe_psql('postgres', "SELECT pg_relation_filepath('${table}_v')");
		push @cases, { damage => $damage, kind => $kind, table => $table, file => $node->data_dir . "/$file" };
	}
}
$node->stop;
spoil($_) for @cases;
$node->start;

# Damages all pages of the case's kind; remembers their blocks.
sub spoil
{
	my ($case) = @_;
	open(my $file, '+<:raw', $case->{file}) or die "$case->{file}: $!";
	my $bytes = do { local $/; <$file> };
	for my $block (0 .. length($bytes) / PAGE - 1)
	{
		my $page = substr($bytes, $block * PAGE, PAGE);
		next if $kinds[ ord(substr($page, KIND, 1)) ] ne $case->{kind};
		$case->{blocks}{$block} = 1;
		seek($file, $block * PAGE, 0);
		print $file $damages{ $case->{damage} }->($page);
	}
	close($file);
	die "no $case->{kind} page" unless $case->{blocks};
	return;
}

# The SQLSTATE of what $sql raises, "none" without an error; "unclear" if index, block or hint are not named.
sub raised
{
	my ($case, $sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	return 'none' if $code == 0;
	my ($state) = $err =~ /ERROR:  (\w{5}):/;
	my ($index, $block) = $err =~ /ERROR:  \w{5}: index "(\w+)" .*at block (\d+)/;
	return $state if $index && $index eq "$case->{table}_v" && $case->{blocks}{$block} && $err =~ /^HINT:  .*REINDEX it\.$/m;
	return "unclear: $err";
}

for my $case (@cases)
{
	my ($table, $damage, $kind) = @$case{qw(table damage kind)};
	my $expected = $damage eq 'newer' ? '0A000' : 'XX002';
	my $search = raised($case, qq(SET enable_seqscan = off; SET enable_sort = off;
		SELECT count(*) FROM (SELECT id FROM $table ORDER BY v <-> embed(1, $DIM)) s));
	# Nonsense where any bytes are a vector or an id may also give some answer.
	if ($damage eq 'content' && $kind =~ /nodes|tids|pending|centroid|routers|lists/)
	{
		like($search, qr/^(none|$expected)$/, "$table: search");
	}
	else
	{
		is($search, $expected, "$table: search");
	}

	# A session appends to the chain of pending pages that its process id chooses, and only one chain has a page. A
	# varying number of processes between sessions lets their ids meet all chains.
	my $insert = 'none';
	for my $id (1001 .. ($kind eq 'pending' ? 1040 : 1001))
	{
		$insert = raised($case, "INSERT INTO $table VALUES ($id, embed($id, $DIM))");
		last if $insert ne 'none';
		system('true') for 1 .. $id % 4;
	}
	if ($damage eq 'content' && $kind eq 'centroid')
	{
		like($insert, qr/^(none|$expected)$/, "$table: insert");
	}
	else
	{
		is($insert, $insert_reads{$kind} ? $expected : 'none', "$table: insert");
	}
	my $vacuum = raised($case, "VACUUM $table");
	like($vacuum, qr/^(none|$expected)$/, "$table: vacuum");

	my $sound = check_sound($node, "${table}_v");
	if ($damage ne 'content')
	{
		is($sound, 'false', "$table: check_index");
		my $block = $node->safe_psql('postgres', "SELECT proxima.check_index('${table}_v') #>> '{problems,0,block}'");
		ok($case->{blocks}{$block}, "$table: check_index names a damaged block ($block)");
	}

	$node->safe_psql('postgres', "REINDEX INDEX ${table}_v");
	is(check_sound($node, "${table}_v"), 'true', "$table: sound after REINDEX");
	my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM $table");
	is($node->safe_psql('postgres', qq(SET enable_seqscan = off; SET enable_sort = off;
		SELECT count(*) FROM (SELECT id FROM $table ORDER BY v <-> embed(1, $DIM)) s)), $rows, "$table: all rows after REINDEX");
}
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process has crashed');
$node->stop;
done_testing();
