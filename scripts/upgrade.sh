#!/usr/bin/env bash
# From pgvector to proxima, where pgvector is installed (test-upgrade.sh provides that): a copy of PostgreSQL that has
# both, and a server. The test itself replaces the one by the other.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

[ -f "$("$pg_config" --pkglibdir)/vector.so" ] || die "pgvector is not installed; run make test-upgrade"
# shellcheck disable=SC2016  # the copy's programs, which only the inner shell knows
KEEP_PGVECTOR=1 "$root/scripts/with-tree.sh" "$root/scripts/cluster.sh" with upgrade bash -c '
	PATH=$("$PG_CONFIG" --bindir):$PATH EXTENSIONS=$("$PG_CONFIG" --sharedir)/extension
	export PATH EXTENSIONS REPOSITORY=$1
	cp "$EXTENSIONS/vector.control" "$EXTENSIONS/pgvector.control.saved"
	prove --timer --failures "$1"/tests/upgrade/*.pl' - "$root"
