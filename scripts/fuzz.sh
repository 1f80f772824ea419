#!/usr/bin/env bash
# Odd values for every input, against a private server: one line per target, a finding fails the script.
#
#   TARGETS="vector_in rows"   some targets only (target/release/fuzz --list); all by default
#   SECONDS_EACH=600           how long each runs; or CASES=1000, how many cases
#   SEED=1                     repeats a run; JOBS=2 runs several targets at a time
#
# scripts/fuzz.sh --quick is the few seconds of it that make test has: every target, always the same cases.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

if [ "${1:-}" = --with-server ]; then
	shift
	tr ' ' '\n' <<<"$targets" | xargs -P "$jobs" -I TARGET "$target/release/fuzz" "$@" TARGET
	exit
fi

limit=(--seconds "${SECONDS_EACH:-600}")
[ -z "${CASES:-}" ] || limit=(--cases "$CASES")
[ -z "${SEED:-}" ] || limit+=(--seed "$SEED")
[ "${1:-}" != --quick ] || limit=(--quick)
cd "$root"
cargo build --release --locked --quiet -p fuzz
targets=${TARGETS:-$("$target/release/fuzz" --list | xargs)} jobs=${JOBS:-2}
export targets jobs
"$root/scripts/cluster.sh" with "${CLUSTER:-fuzz}" "$root/scripts/fuzz.sh" --with-server "${limit[@]}"
