#!/usr/bin/env bash
# Odd values for every input, against a private server: one line per target; a finding fails the script.
#
#   TARGETS="vector_in rows"   some targets only (target/release/fuzz --list); all by default
#   SECONDS_EACH=600           how long each runs; or CASES=1000, how many cases
#   SEED=1 JOBS=2              repeats a run; runs several targets at a time
#   PROXIMA_ISA=scalar         the server computes distances so
#
# fuzz.sh --quick is for every change: a few seconds in all. The extension is the built one, not the installed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -n "${PROXIMA_TREE:-}" ] || exec "$root/scripts/with-tree.sh" "$0" "$@"
use_postgres

if [ "${1:-}" = --with-server ]; then
	shift
	# Errors are the rule here; crashes stay in the log.
	"$pg_bin/psql" -qXc "ALTER SYSTEM SET log_min_messages = log" -c "SELECT pg_reload_conf()" >/dev/null
	tr ' ' '\n' <<<"$targets" | xargs -P "${JOBS:-2}" -I TARGET "$target/release/fuzz" "$@" TARGET
	exit
fi

limit=(--seconds "${SECONDS_EACH:-600}")
[ -z "${CASES:-}" ] || limit=(--cases "$CASES")
[ -z "${SEED:-}" ] || limit+=(--seed "$SEED")
[ "${1:-}" != --quick ] || limit=(--quick)
cd "$root"
cargo build --release --locked --quiet -p fuzz
targets=${TARGETS:-$("$target/release/fuzz" --list | xargs)}
export targets
"$root/scripts/cluster.sh" with fuzz "$root/scripts/fuzz.sh" --with-server "${limit[@]}"
