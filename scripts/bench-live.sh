#!/usr/bin/env bash
# An index that lives: inserts, searches meanwhile, deletes and vacuum, each beside the same table without
# index. BENCH_DATA=dir chooses the data set; without it, the larger set beside the repository when it is
# there, else the bundled one. BENCH_ARGS go to the program: --parts a,b for some parts, --method ivf,
# --rows-scale 0.1 for a quick look.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# In a copy of the installation, so that whatever else is installed stays as it is.
if [ -z "${PROXIMA_TREE:-}" ]; then
	"$root/scripts/build.sh"
	cd "$root"
	cargo build --release --locked --quiet -p bench
	exec "$root/scripts/with-tree.sh" "$root/scripts/bench-live.sh"
fi
use_postgres

data=$root/data/wordnet-10k
for folder in ${BENCH_DATA:-"$root"/../shared/data/minilm-100k}; do
	[ ! -f "$folder/base.npy" ] || data=$folder
done
# Index and table fit the buffers, as in bench.sh.
export SHARED_BUFFERS=${SHARED_BUFFERS:-2GB}
# shellcheck disable=SC2086  # a list of options
"$root/scripts/cluster.sh" with bench-live "$target/release/bench-live" --out "$target/bench-results" \
	${BENCH_ARGS:-} "$data"
