#!/usr/bin/env bash
# From nothing to search: builds, installs, starts a private server, loads real embeddings, searches.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

"$root/scripts/setup.sh"
use_postgres
"$root/scripts/build.sh"
cd "$root"
cargo build --release --locked --quiet -p demo
# Installing may ask for a password: only when there is something new.
if ! cmp --silent "$target/release/libproxima.so" "$("$pg_config" --pkglibdir)/proxima.so" ||
	! cmp --silent "$target/sql/proxima--0.1.0.sql" "$("$pg_config" --sharedir)/extension/proxima--0.1.0.sql"; then
	"$root/scripts/install.sh"
fi
"$root/scripts/cluster.sh" with demo "$target/release/demo" "$root/data/wordnet-10k"
