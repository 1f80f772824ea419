#!/usr/bin/env bash
# TAP tests: each starts, kills and compares clusters of its own. TAP="tests/t/001_replica.pl" runs some only,
# PROXIMA_METHOD=ivf runs them with that access method. Without either, those of what the methods share run with both.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# In a copy of the installation, which has the extension under both names.
[ -n "${PROXIMA_TREE:-}" ] || exec "$root/scripts/with-tree.sh" "$0"
use_postgres

modules=$(dirname "$("$pg_config" --pgxs)")/../test/perl
[ -d "$modules/PostgreSQL" ] || modules=$("$pg_config" --libdir)/pgxs/src/test/perl
[ -d "$modules/PostgreSQL" ] || die "PostgreSQL's Perl modules are missing: install postgresql-server-dev-$pg_major"

# The server's user may not be able to read the repository, so the tests run from a copy.
work=$(as_server_user mktemp -d /tmp/proxima-tap.XXXXXX)
trap 'rm -rf "$work"' EXIT
cp -r "$root/tests/t" "$work/t"
# Its examples are tested.
cp "$root/README.md" "$work"
cp -r "$root/data" "$work/data"
mkdir "$work/output"
chmod -R a+rX "$work/t" "$work/data"
[ "$(id -u)" != 0 ] || chown postgres: "$work/output"

tests=()
for test in ${TAP:-"$root"/tests/t/*.pl}; do
	[ ! -f "$test" ] || tests+=("t/$(basename "$test")")
done
[ ${#tests[@]} -gt 0 ] || {
	say "no TAP tests"
	exit 0
}

# run METHOD TEST ...: with logs of its own, which tests look into.
run() {
	local output=$work/output/$1
	as_server_user mkdir -p "$output/tmp_check"
	as_server_user env -u RUST_BACKTRACE PATH="$pg_bin:$PATH" PG_REGRESS="$modules/../regress/pg_regress" \
		TESTDIR="$output" TESTDATADIR="$output/tmp_check" TESTLOGDIR="$output/tmp_check/log" \
		PROXIMA_METHOD="$1" prove --timer -I "$modules" "${@:2}"
}

cd "$work"
status=0
run "${PROXIMA_METHOD:-hnsw}" "${tests[@]}" || status=$?
if [ $status = 0 ] && [ -z "${TAP:-}${PROXIMA_METHOD:-}" ]; then
	say "the same with ivf"
	run ivf t/001_replica.pl t/002_crash.pl t/003_concurrent.pl t/004_build.pl t/005_damage.pl t/006_cursor_standby.pl \
		t/011_worker.pl t/012_maintenance.pl t/013_logical.pl t/014_promotion.pl || status=$?
fi
# The logs stay, in target/tap; the clusters (which the modules stop) do not.
rm -rf "$target/tap"
mkdir -p "$target/tap"
for output in "$work"/output/*; do
	[ ! -d "$output/tmp_check/log" ] || cp -r "$output/tmp_check/log" "$target/tap/$(basename "$output")"
done
exit $status
