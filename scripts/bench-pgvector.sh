#!/usr/bin/env bash
# Our lists beside pgvector's ivfflat, on one server: PostgreSQL 18 in the Debian that test-pg.sh makes, which has
# pgvector. Each has a database of its own, and they take turns. Both with the number of lists that ours chooses for
# 100,000 rows, with 1,000 and with 2,000.
#
# BENCH_DATA and BENCH_ARGS as for bench.sh; without BENCH_DATA, the set of 100,000 rows beside the repository when it
# is there, else the bundled one.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

data=$root/data/wordnet-10k
for folder in ${BENCH_DATA:-"$root"/../shared/data/minilm-100k}; do
	[ ! -f "$folder/base.npy" ] || data=$(realpath "$folder")
done
export MAJOR=18 SUITES=bench KEEP_PGVECTOR=1 BENCH_DATA=$data
export BENCH_ARGS="--kinds ivf --kinds 'ivf, lists = 1000' --kinds 'ivf, lists = 2000' \
	--pgvector 'ivfflat, lists = 632' --pgvector 'ivfflat, lists = 1000' --pgvector 'ivfflat, lists = 2000' ${BENCH_ARGS:-}"
exec "$root/scripts/test-pg.sh"
