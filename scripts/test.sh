#!/usr/bin/env bash
# Every suite in order, or those that are named, up to the first failure; the last line counts them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

suites=("$@")
[ ${#suites[@]} -gt 0 ] ||
	suites=(setup check build install test-install installcheck fuzz-quick isolation prove test-clients)
# Node's clients are many and large: CLIENTS="python rust node" has them too.
export CLIENTS=${CLIENTS:-python rust}
passed=0
for suite in "${suites[@]}"; do
	say "make $suite"
	if ! "$root/scripts/$suite.sh"; then
		printf 'error: make %s failed; run it alone to see it again\n' "$suite" >&2
		echo "$passed passed, 1 failed"
		exit 1
	fi
	passed=$((passed + 1))
done
echo "$passed passed, 0 failed"
