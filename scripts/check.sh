#!/usr/bin/env bash
# All that needs no server: format, lints, licences, the repository's rules, tests of the pure crates.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres
cd "$root"

pure=(--workspace --exclude proxima --locked)

say "format"
cargo fmt --all --check
cargo fmt --check --manifest-path tests/clients/rust/Cargo.toml
say "clippy"
# The release profile, so that the dependencies are compiled once for build, check and tests.
cargo clippy --release --locked -p proxima --no-default-features --features "pg$pg_major" -- --deny warnings
cargo clippy --release "${pure[@]}" --all-targets -- --deny warnings
if command -v shellcheck >/dev/null; then
	say "shellcheck"
	shellcheck scripts/*.sh .ci/run
fi
"$root/scripts/deny.sh"
say "tests of the crates"
cargo test --release "${pure[@]}" --quiet
# The kernels' own tests go through every tier of this machine; what stands on them is run once more on each lower one
# (a tier that the machine lacks falls back to the best), but for recall over many segments and crashes, which take
# minutes on each: ALL_TESTS=1 runs these too.
some=(--lib --test elements --test golden --test lists)
[ -z "${ALL_TESTS:-}" ] || some=()
for tier in avx2 sse41 scalar; do
	say "tests of the crates on $tier"
	PROXIMA_ISA=$tier cargo test --release --locked --quiet -p kernels -p quant
	PROXIMA_ISA=$tier cargo test --release --locked --quiet -p pages "${some[@]}"
done
