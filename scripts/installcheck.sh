#!/usr/bin/env bash
# SQL behaviour: pg_regress against a private server. REGRESS="cast copy" runs some of the tests only.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

pg_regress=$(dirname "$("$pg_config" --pgxs)")/../test/regress/pg_regress
[ -x "$pg_regress" ] || die "pg_regress is missing: install postgresql-server-dev-$pg_major"

output=$target/regress
rm -rf "$output"
mkdir -p "$output/results"
# COPY to a file is done by the server.
chmod 777 "$output/results"

tests=${REGRESS:-$(basename -s .sql -a "$root"/tests/regress/sql/*.sql)}
export PG_ABS_BUILDDIR=$output
# shellcheck disable=SC2086  # a list of names
"$root/scripts/cluster.sh" with regress "$pg_regress" --bindir="$pg_bin" --inputdir="$root/tests/regress" \
	--outputdir="$output" --dbname=contrib_regression --load-extension=proxima $tests || {
	[ ! -s "$output/regression.diffs" ] || cat "$output/regression.diffs" >&2
	exit 1
}
