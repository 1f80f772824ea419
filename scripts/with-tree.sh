#!/usr/bin/env bash
# Runs a command with a copy of the PostgreSQL installation in which the built extension is installed under both of
# its names; the copy vanishes when the command ends.
#
#   with-tree.sh command ...      the command finds the copy through PG_CONFIG, as do the other scripts
#
# KEEP_PGVECTOR=1 keeps the system's pgvector in the copy, and leaves the name vector to it.
#
# So tests of the name "vector" neither write to the system's installation nor meet a pgvector there, and tests of
# several work trees don't meet each other. PostgreSQL's programs look for their files relative to where they lie:
# programs and directories are copied, files are links. Servers are started by PostgreSQL's user, who may not be able
# to enter target, so it lies in /tmp.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

[ $# -gt 0 ] || die "usage: with-tree.sh command ..."
tree=$(mktemp -d /tmp/proxima-tree.XXXXXX)
trap 'rm -rf "$tree"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$tree"

mirror() {
	mkdir -p "$tree$1"
	cp -r --symbolic-link "$1/." "$tree$1"
}

library_dir=$("$pg_config" --pkglibdir)
share_dir=$("$pg_config" --sharedir)
mirror "$library_dir"
mirror "$share_dir"
# Headers are only looked for: setup.sh asks whether they are there.
include_dir=$("$pg_config" --includedir-server)
mkdir -p "$tree$pg_bin" "$tree$(dirname "$include_dir")"
ln -s "$include_dir" "$tree$include_dir"
cp -L "$pg_bin"/* "$tree$pg_bin"
# Whatever has these names in the system is not what is tested.
rm -f "$tree$share_dir"/extension/proxima{.control,--*.sql} "$tree$library_dir/proxima.so"

export PG_CONFIG=$tree$pg_bin/pg_config PROXIMA_TREE=$tree
if [ "${KEEP_PGVECTOR:-}" = 1 ]; then
	"$root/scripts/install.sh" >/dev/null
else
	rm -f "$tree$share_dir"/extension/vector{.control,--*.sql} "$tree$library_dir/vector.so"
	"$root/scripts/install-as-vector.sh" >/dev/null
fi
"$@"
