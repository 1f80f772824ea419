#!/usr/bin/env bash
# Recall, speed, size and build time on real embeddings. BENCH_DATA="dir dir" chooses the data sets; without it, the
# larger sets beside the repository when they are there, else the bundled one. BENCH_ARGS go to the program.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# In a copy of the installation, so that whatever else is installed stays as it is.
if [ -z "${PROXIMA_TREE:-}" ]; then
	"$root/scripts/build.sh"
	cd "$root"
	cargo build --release --locked --quiet -p bench
	exec "$root/scripts/with-tree.sh" "$root/scripts/bench.sh"
fi
use_postgres

data=()
for folder in ${BENCH_DATA:-"$root"/../shared/data/minilm-100k "$root"/../shared/data/wide768-20k}; do
	[ ! -f "$folder/base.npy" ] || data+=("$folder")
done
[ ${#data[@]} -gt 0 ] || data=("$root/data/wordnet-10k")
# Index and table fit the buffers, as for the peers that the figures are compared with.
export SHARED_BUFFERS=${SHARED_BUFFERS:-2GB}
export PGBENCH=$pg_bin/pgbench
# shellcheck disable=SC2086  # a list of options
"$root/scripts/cluster.sh" with bench "$target/release/bench" --out "$target/bench-results" ${BENCH_ARGS:-} "${data[@]}"
