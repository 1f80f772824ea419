#!/usr/bin/env bash
# From pgvector to proxima: in place, by dump and by binary COPY. The pgvector is Debian's for PostgreSQL 18, in the
# Debian that test-pg.sh makes.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

MAJOR=18 SUITES="build upgrade" exec "$root/scripts/test-pg.sh"
