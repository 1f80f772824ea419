#!/usr/bin/env bash
# Stops private servers that are left and removes what was built.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

for record in "$target"/*.env; do
	[ ! -f "$record" ] || "$root/scripts/cluster.sh" stop "$(basename -s .env "$record")"
done
for major in 17 18; do
	[ ! -d "$target/pg$major-chroot" ] || as_root rm -rf --one-file-system "$target/pg$major-chroot" "$target/pg$major"
done
cd "$root"
cargo clean
