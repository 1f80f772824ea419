#!/usr/bin/env bash
# Interleaved sessions: pg_isolation_regress against a private server. ISOLATION="a b" runs some of them only.
# Each runs with hnsw, as it is written, and with ivf in that word's place: sessions see the same with both.
# PROXIMA_METHOD=ivf runs them with that access method only.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

source=$root/tests/isolation
names=${ISOLATION:-$(find "$source/specs" -name '*.spec' -exec basename -s .spec {} + 2>/dev/null | sort)}
[ -n "$names" ] || {
	say "no isolation tests"
	exit 0
}
runner=$(dirname "$("$pg_config" --pgxs)")/../test/isolation/pg_isolation_regress
[ -x "$runner" ] || die "pg_isolation_regress is missing: install postgresql-server-dev-$pg_major"

output=$target/isolation
rm -rf "$output"
mkdir -p "$output/specs" "$output/expected"
tests=()
for method in ${PROXIMA_METHOD:-hnsw ivf}; do
	# Without the option, so few rows would be one list.
	using=(-e "s/\bhnsw\b/$method/g" -e 's/USING ivf (v vector_l2_ops)/& WITH (lists = 10)/')
	for name in $names; do
		tests+=("${method}_$name")
		sed "${using[@]}" "$source/specs/$name.spec" >"$output/specs/${method}_$name.spec"
		sed "${using[@]}" "$source/expected/$name.out" >"$output/expected/${method}_$name.out"
	done
done
"$root/scripts/cluster.sh" with isolation-server "$runner" --bindir="$pg_bin" --inputdir="$output" \
	--outputdir="$output" --dbname=isolation_regression --load-extension=proxima "${tests[@]}" || {
	[ ! -s "$output/regression.diffs" ] || cat "$output/regression.diffs" >&2
	exit 1
}
