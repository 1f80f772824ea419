#!/usr/bin/env bash
# Writes the script of CREATE EXTENSION into a directory: the parts below sql/parts, in their order.
#
#   sql.sh OUTPUT_DIR
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

output=${1:-}
[ -n "$output" ] || die "usage: sql.sh OUTPUT_DIR"
parts=$root/sql/parts

# The default version of a control file.
version_of() { sed -n "s/^default_version = '\(.*\)'$/\1/p" "$1"; }

# install_script NAME VERSION CHECKS: an extension has a name, a version and the part that checks whether it may be
# created (one of *_checks_*.sql); the rest is the same for all.
install_script() {
	local name=$1 version=$2 checks=$3 part
	[ -n "$version" ] || die "$name has no version"
	{
		printf -- '-- %s %s: everything that CREATE EXTENSION %s creates. Written by scripts/sql.sh.\n' \
			"$name" "$version" "$name"
		printf -- '--\n-- Types, operators and the functions behind them go to the extension'\''s schema, under the names\n'
		printf -- '-- of pgvector. CREATE EXTENSION sets search_path to that schema, so they need no prefix here.\n'
		printf -- '-- Functions of our own go to the schema proxima.\n\n'
		printf '\\echo Use "CREATE EXTENSION %s" to load this file. \\quit\n' "$name"
		for part in "$parts"/*.sql; do
			case $part in
			*_checks_*) [ "$part" = "$parts/$checks" ] || continue ;;
			esac
			printf '\n\n'
			cat "$part"
		done
	} >"$output/$name--$version.sql"
}

[ -d "$parts" ] || die "$parts is missing"
mkdir -p "$output"
install_script proxima "$(version_of "$root/proxima.control")" 01_checks_proxima.sql
