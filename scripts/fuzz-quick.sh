#!/usr/bin/env bash
# A few cases of every fuzz target, always the same.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

exec "$root/scripts/fuzz.sh" --quick
