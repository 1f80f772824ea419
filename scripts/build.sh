#!/usr/bin/env bash
# Builds the extension for the PostgreSQL that lib.sh finds.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

cd "$root"
say "building proxima for PostgreSQL $pg_major"
rm -rf "$target/sql"
scripts/sql.sh "$target/sql"
cargo build --release --locked -p proxima --no-default-features --features "pg$pg_major"
