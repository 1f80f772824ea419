#!/usr/bin/env bash
# Recall, speed, size and build time on real embeddings. BENCH_DATA="dir dir" chooses the data sets; without it, the
# larger sets beside the repository when they are there, else the bundled one; none with --generated. BENCH_ARGS go to
# the program, quoted as in a shell: BENCH_ARGS="--kinds 'ivf, bits = 4' --generated 1000000x768".
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

mapfile -t arguments < <(xargs -r printf '%s\n' <<<"${BENCH_ARGS:-}")
data=()
if [ -n "${BENCH_DATA:-}" ] || [[ " ${arguments[*]} " != *" --generated "* ]]; then
	for folder in ${BENCH_DATA:-"$root"/../shared/data/minilm-100k "$root"/../shared/data/wide768-20k}; do
		[ ! -f "$folder/base.npy" ] || data+=("$folder")
	done
	[ ${#data[@]} -gt 0 ] || data=("$root/data/wordnet-10k")
fi
# Index and table fit the buffers, as for the peers that the figures are compared with.
export SHARED_BUFFERS=${SHARED_BUFFERS:-2GB}
export PGBENCH=$pg_bin/pgbench
"$root/scripts/cluster.sh" with bench "$target/release/bench" --out "$target/bench-results" "${arguments[@]}" "${data[@]}"
