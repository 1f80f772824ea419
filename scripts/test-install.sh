#!/usr/bin/env bash
# What make install and make install-as-vector write, below a DESTDIR of this test.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

DESTDIR=$(mktemp -d /tmp/proxima-install.XXXXXX)
export DESTDIR
trap 'rm -rf "$DESTDIR"' EXIT
extension_dir=$DESTDIR$("$pg_config" --sharedir)/extension
library=$DESTDIR$("$pg_config" --pkglibdir)/proxima.so
passed=0

# expect WHAT command ...
expect() {
	local what=$1
	shift
	"$@" || die "test-install: $what"
	passed=$((passed + 1))
}
as_vector() { "$root/scripts/install-as-vector.sh" >"$DESTDIR/said" 2>&1; }
fails() { ! "$@"; }
said() { grep -q "$1" "$DESTDIR/said"; }
nothing_of_vector() { [ -z "$(find "$DESTDIR" -name 'vector*')" ]; }

"$root/scripts/install.sh" >/dev/null
expect "make install has the library" test -f "$library"
expect "make install has its script" compgen -G "$extension_dir/proxima--*.sql" >/dev/null
expect "make install does not take the name vector" nothing_of_vector

mkdir -p "$extension_dir"
printf "default_version = '0.8.5'\nmodule_pathname = '\$libdir/vector'\n" >"$extension_dir/vector.control"
cp "$extension_dir/vector.control" "$DESTDIR/before"
expect "a pgvector is not replaced" fails as_vector
expect "and the message says how" said FORCE=1
expect "its control file is untouched" cmp "$extension_dir/vector.control" "$DESTDIR/before"
expect "and no script is written" fails compgen -G "$extension_dir/vector--*.sql"
expect "FORCE=1 replaces it" env FORCE=1 "$root/scripts/install-as-vector.sh" >/dev/null
expect "by our control file" cmp "$extension_dir/vector.control" "$root/vector.control"

rm -rf "$extension_dir" "$library"
expect "it installs where there is none" as_vector
expect "with the library" test -f "$library"
expect "and proxima's name" test -f "$extension_dir/proxima.control"
version=$(sed -n "s/^default_version = '\(.*\)'$/\1/p" "$root/vector.control")
expect "with the script of its version" test -f "$extension_dir/vector--$version.sql"
for patch in 0 7; do
	expect "with the update from 0.8.$patch" test -f "$extension_dir/vector--0.8.$patch--$version.sql"
done
expect "and once more over itself" as_vector
echo "$passed passed, 0 failed"
