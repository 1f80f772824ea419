#!/usr/bin/env bash
# Installs the extension under the name "vector" too, for clients that run CREATE EXTENSION vector: a second control
# file and scripts for the same library. A pgvector that is installed already keeps its name unless FORCE=1.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

scripts=$target/sql/as-vector
[ -d "$scripts" ] || die "nothing built yet; run make build"
extension_dir=${DESTDIR:-}$("$pg_config" --sharedir)/extension
control=$extension_dir/vector.control

if [ -f "$control" ] && ! grep -q "^module_pathname = '\$libdir/proxima'" "$control" && [ "${FORCE:-}" != 1 ]; then
	die "$control belongs to another extension (pgvector?), and nothing was changed. FORCE=1 replaces it: databases" \
		"that have pgvector go on with its library until ALTER EXTENSION vector UPDATE (README, Moving from pgvector)."
fi

"$root/scripts/install.sh"
say "installing the name vector into $extension_dir"
as_owner_of "$extension_dir" install -m 644 "$scripts"/vector--*.sql "$root/vector.control" "$extension_dir"
