#!/usr/bin/env bash
# Interleaved sessions: pg_isolation_regress against a private server. ISOLATION="a b" runs some of them only.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

tests=${ISOLATION:-$(find "$root/tests/isolation/specs" -name '*.spec' -exec basename -s .spec {} + 2>/dev/null | sort)}
[ -n "$tests" ] || {
	say "no isolation tests"
	exit 0
}
runner=$(dirname "$("$pg_config" --pgxs)")/../test/isolation/pg_isolation_regress
[ -x "$runner" ] || die "pg_isolation_regress is missing: install postgresql-server-dev-$pg_major"

output=$target/isolation
rm -rf "$output"
mkdir -p "$output"
# shellcheck disable=SC2086  # a list of names
"$root/scripts/cluster.sh" with isolation-server "$runner" --bindir="$pg_bin" --inputdir="$root/tests/isolation" \
	--outputdir="$output" --dbname=isolation_regression --load-extension=proxima $tests || {
	[ ! -s "$output/regression.diffs" ] || cat "$output/regression.diffs" >&2
	exit 1
}
