#!/usr/bin/env bash
# Copies the built extension into the PostgreSQL that lib.sh finds (below DESTDIR, if set).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

library=$target/release/libproxima.so
{ [ -f "$library" ] && [ -d "$target/sql" ]; } || die "nothing built yet; run make build"
lib_dir=${DESTDIR:-}$("$pg_config" --pkglibdir)
extension_dir=${DESTDIR:-}$("$pg_config" --sharedir)/extension

run() { as_owner_of "$lib_dir" "$@"; }

say "installing into $lib_dir and $extension_dir"
# A new file in place of the old one: a running server keeps the file that it has mapped.
run install -D -m 755 "$library" "$lib_dir/proxima.so.new"
run mv "$lib_dir/proxima.so.new" "$lib_dir/proxima.so"
run install -d "$extension_dir"
run install -m 644 "$root/proxima.control" "$target"/sql/*.sql "$extension_dir"
