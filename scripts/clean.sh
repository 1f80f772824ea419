#!/usr/bin/env bash
# Stops private servers that are left and removes what was built.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

for record in "$target"/*.env; do
	[ ! -f "$record" ] || "$root/scripts/cluster.sh" stop "$(basename -s .env "$record")"
done
[ ! -d "$target/pg18-chroot" ] || as_root rm -rf --one-file-system "$target/pg18-chroot" "$target/pg18"
cd "$root"
cargo clean
