#!/usr/bin/env bash
# pgvector's own tests, as Debian publishes its source, against this extension under the name vector.
#
#   SUITES="sql tap"   both by default; TAP="003 013" runs some of its TAP tests only
#
# tests/pgvector/differences.txt names the tests that may fail, each with its reason. Any other failure is a defect.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# In a copy of the installation, which has the extension under both names.
[ -n "${PROXIMA_TREE:-}" ] || exec "$root/scripts/with-tree.sh" "$0" "$@"
use_postgres

version=${PGVECTOR_VERSION:-0.8.6}
differences=$root/tests/pgvector/differences.txt
home=$target/pgvector
archive=$home/pgvector_$version.orig.tar.gz
modules=$(dirname "$("$pg_config" --pgxs)")/../test/perl
[ -d "$modules/PostgreSQL" ] || modules=$("$pg_config" --libdir)/pgxs/src/test/perl
pg_regress=$(dirname "$("$pg_config" --pgxs)")/../test/regress/pg_regress

mkdir -p "$home"
if [ ! -s "$archive" ]; then
	mirror=$(debian_mirror)
	say "downloading pgvector $version from $mirror"
	# apt's own: there on every Debian.
	/usr/lib/apt/apt-helper download-file "${mirror%/}/pool/main/p/pgvector/$(basename "$archive")" "$archive.part" ||
		die "$mirror has no source of pgvector $version; set PGVECTOR_VERSION to one that it has"
	mv "$archive.part" "$archive"
fi
work=$(as_server_user mktemp -d /tmp/proxima-pgvector.XXXXXX)
trap 'rm -rf "$work"' EXIT
tar -xzf "$archive" -C "$work" --strip-components=1
[ "$(id -u)" != 0 ] || chown -R postgres: "$work"

# is_expected TEST: whether the list has it.
is_expected() { grep -q "^$1[[:space:]]" "$differences"; }

failures=0
# judge TEST ok|failed
judge() {
	if [ "$2" = ok ]; then
		echo "$1: ok"
	elif is_expected "$1"; then
		echo "$1: differs as listed"
	else
		echo "$1: FAILED"
		failures=$((failures + 1))
	fi
}

run_sql() {
	local test names
	names=$(cd "$work/test/sql" && basename -s .sql -a ./*.sql)
	mkdir -p "$work/out"
	[ "$(id -u)" != 0 ] || chown postgres: "$work/out"
	# Its copy test writes to results/ of the directory that it runs in.
	# shellcheck disable=SC2086  # a list of names
	(cd "$work/out" && as_server_user env PGHOST="$PGHOST" PGPORT="$PGPORT" PGUSER="$PGUSER" "$pg_regress" \
		--bindir="$pg_bin" --inputdir="$work/test" --outputdir="$work/out" --dbname=contrib_regression \
		--load-extension=vector $names) >"$home/sql.log" 2>&1 || true
	cp "$work/out/regression.diffs" "$home/" 2>/dev/null || true
	for test in $names; do
		if grep -Eq "(test|- ) *$test +(\.\.\. )?ok|^ok .* $test " "$home/sql.log"; then judge "$test" ok; else judge "$test" failed; fi
	done
}

run_tap() {
	local test name
	for test in "$work"/test/t/*.pl; do
		name=$(basename "$test" .pl)
		[[ -z ${TAP:-} || " $TAP " == *" ${name%%_*} "* ]] || continue
		say "$name"
		if (cd "$work" && as_server_user env -u RUST_BACKTRACE PATH="$pg_bin:$PATH" PG_REGRESS="$pg_regress" \
			TESTDIR="$work" TESTDATADIR="$work/tmp_check" TESTLOGDIR="$work/tmp_check/log" \
			prove -I "$modules" -I "$work/test/perl" "test/t/$name.pl") >"$home/$name.log" 2>&1; then
			judge "$name" ok
		else
			judge "$name" failed
		fi
	done
}

if [ "${1:-}" = --sql ]; then
	run_sql
	[ "$failures" = 0 ] || exit 1
	exit 0
fi
for suite in ${SUITES:-sql tap}; do
	case $suite in
	sql) "$root/scripts/cluster.sh" with pgvector-sql "$root/scripts/test-pgvector.sh" --sql || failures=$((failures + 1)) ;;
	tap) run_tap ;;
	*) die "unknown suite: $suite" ;;
	esac
done
[ "$failures" = 0 ] || die "$failures of pgvector's tests fail; logs are in $home"
say "pgvector $version: its tests pass, but for the listed differences"
