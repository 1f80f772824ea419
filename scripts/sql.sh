#!/usr/bin/env bash
# Writes the scripts of CREATE EXTENSION and ALTER EXTENSION UPDATE into a directory, from the parts below sql/parts:
#
#   proxima--VERSION.sql                 the extension under its own name
#   as-vector/vector--VERSION.sql        the same under the name that clients of pgvector create
#   as-vector/vector--0.8.N--VERSION.sql in place of pgvector 0.8.N
#
#   sql.sh OUTPUT_DIR
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

output=${1:-}
[ -n "$output" ] || die "usage: sql.sh OUTPUT_DIR"
parts=$root/sql/parts

# The default version of a control file.
version_of() { sed -n "s/^default_version = '\(.*\)'$/\1/p" "$1"; }

proxima_version=$(version_of "$root/proxima.control")
vector_version=$(version_of "$root/vector.control")
{ [ -n "$proxima_version" ] && [ -n "$vector_version" ]; } || die "a control file has no version"

# concatenate NAME CHECKS: all parts in their order; of the parts *_checks_*.sql, which say whether the script may run,
# only *_checks_CHECKS.sql; likewise of *_only_*.sql, which no other script needs. An update finds the names of
# 01_checks.sql taken, as it should.
concatenate() {
	local name=$1 checks=$2 part
	for part in "$parts"/*.sql; do
		case $part in
		*_checks_*) [[ $part == *_checks_$checks.sql ]] || continue ;;
		*_only_*) [[ $part == *_only_$checks.sql ]] || continue ;;
		*/01_checks.sql) [ "$checks" != upgrade ] || continue ;;
		esac
		printf '\n\n'
		sed -e "s/@extension@/$name/g" -e "s/@vector_version@/$vector_version/g" "$part"
	done
}

# install_script NAME VERSION: what CREATE EXTENSION runs; all but the checks is the same under every name.
install_script() {
	local name=$1 version=$2
	cat <<-END
		-- $name $version: everything that CREATE EXTENSION $name creates. Written by scripts/sql.sh.
		--
		-- Types, operators and the functions behind them go to the extension's schema, under the names of pgvector.
		-- CREATE EXTENSION sets search_path to that schema, so they need no prefix here. Functions of our own go to
		-- the schema proxima.

		\\echo Use "CREATE EXTENSION $name" to load this file. \\quit
	END
	concatenate "$name" "$name"
}

# What the parts become where pgvector's objects are there already: functions are replaced; types, operators, casts,
# aggregates, operator classes and access methods stay as they are. The access method ivf is not pgvector's, nor are the
# types of the schema proxima. A statement ends with a semicolon at the end of a line, outside of \$tag\$ quotes.
in_place() {
	awk '
		{
			statement = statement $0 "\n"
			if (start == "" && $0 !~ /^(--.*)?$/)
				start = $0
			if ($0 ~ /\$[a-z]+\$/)
				quoted = !quoted
			# A comment between statements belongs to what follows.
			if (start == "" || quoted || $0 !~ /;$/)
				next
			if (start ~ /^CREATE (TYPE|CAST|OPERATOR|AGGREGATE|ACCESS METHOD) / &&
				statement !~ /\n?CREATE ACCESS METHOD ivf / && statement !~ / USING ivf / &&
				statement !~ /\n?CREATE (TYPE |CAST \(|CAST \(oid AS )proxima\./)
				statement = ""
			else if (start ~ /^CREATE FUNCTION /)
				sub(/CREATE FUNCTION /, "CREATE OR REPLACE FUNCTION ", statement)
			printf "%s", statement
			statement = start = ""
		}
		END { printf "%s", statement }' | cat -s
}

update_script() {
	cat <<-END
		-- vector $1 to $vector_version: pgvector becomes proxima, in place. Written by scripts/sql.sh.

		\\echo Use "ALTER EXTENSION vector UPDATE TO '$vector_version'" to load this file. \\quit
	END
	concatenate vector upgrade | in_place
}

[ -d "$parts" ] || die "$parts is missing"
# No script of another version may be installed along.
rm -rf "$output"
mkdir -p "$output/as-vector"
install_script proxima "$proxima_version" >"$output/proxima--$proxima_version.sql"
install_script vector "$vector_version" >"$output/as-vector/vector--$vector_version.sql"
# The objects of pgvector 0.8.0 to 0.8.7 are the same.
for patch in 0 1 2 3 4 5 6 7; do
	update_script "0.8.$patch" >"$output/as-vector/vector--0.8.$patch--$vector_version.sql"
done
