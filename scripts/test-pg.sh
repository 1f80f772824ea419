#!/usr/bin/env bash
# The suites that need a server, against PostgreSQL MAJOR (17 or 18, the default) in a Debian of its own.
#
# The Debian lies in target/pgMAJOR-chroot and is made by the first run (2 GB, some minutes); what is built there goes
# to target/pgMAJOR. SUITES="build install isolation" runs some of the suites; REGRESS, ISOLATION, TAP, PROXIMA_METHOD
# and what bench.sh knows work as in theirs. DEBIAN_MIRROR chooses where packages come from; without it, this machine's
# own source does.
#
# The mounts exist in a namespace of this script only, as do the processes: both vanish when it ends, however it
# ends, and nobody else can follow a mount out of target.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

major=${MAJOR:-18}
case $major in
17) suite=trixie ;;
18) suite=forky ;;
*) die "MAJOR is 17 or 18, not $major" ;;
esac
packages=(build-essential clang libclang-dev libipc-run-perl "postgresql-$major" "postgresql-server-dev-$major"
	"postgresql-$major-pgvector")
debian=$target/pg$major-chroot
ready=$debian/.ready
script=$root/scripts/test-pg.sh

# Runs a command in the Debian, with its own PATH and locale.
inside() {
	chroot "$debian" /usr/bin/env -u LIBCLANG_PATH LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# The processes of the namespace, devices, and shared memory of its own.
mount_system() {
	mount -t proc proc "$debian/proc"
	mount --rbind /dev "$debian/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$debian/dev/shm"
}

# Shows a directory at the same path, or at a second one.
mount_directory() {
	local at=$debian${3:-$2}
	mkdir -p "$at"
	mount --bind "$2" "$at"
	mount -o "remount,bind,$1" "$at"
}

make_debian() {
	local mirror
	command -v apt-get >/dev/null || die "this needs Debian or a relative of it"
	if ! command -v debootstrap >/dev/null || [ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ]; then
		say "installing debootstrap"
		apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring
	fi
	mirror=$(debian_mirror)
	say "making a Debian $suite in $debian"
	rm -rf --one-file-system "$debian"
	mkdir -p "$debian"
	debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$suite" "$debian" "$mirror" sid >"$debian.log" 2>&1 ||
		die "debootstrap failed, see $debian.log: $(tail -n 1 "$debian.log")"
	mount_system
	say "installing ${packages[*]}"
	# No cluster and no service: the suites start servers of their own.
	mkdir -p "$debian/etc/postgresql-common"
	echo 'create_main_cluster = false' >"$debian/etc/postgresql-common/createcluster.conf"
	printf '#!/bin/sh\nexit 101\n' >"$debian/usr/sbin/policy-rc.d"
	chmod 755 "$debian/usr/sbin/policy-rc.d"
	# How this machine reaches its mirror.
	apt-config dump | { grep -E '^Acquire::(Check-Valid-Until|Retries|https?::Proxy) ' || true; } \
		>"$debian/etc/apt/apt.conf.d/90-as-outside"
	inside apt-get update -qq
	inside apt-get install -qq -y --no-install-recommends "${packages[@]}" >>"$debian.log" 2>&1 ||
		die "apt-get failed, see $debian.log: $(tail -n 1 "$debian.log")"
	inside apt-get clean
	echo "${packages[*]}" >"$ready"
}

run_suites() {
	local -a suites
	local folder
	read -ra suites <<<"${SUITES:-build install installcheck isolation prove}"
	mount_directory rw "$root"
	mkdir -p "$target/pg$major"
	mount_directory rw "$target/pg$major"
	mount_directory ro "$CARGO_HOME"
	mount_directory ro "$TOOLCHAIN" /opt/rust
	for folder in ${BENCH_DATA:-}; do mount_directory ro "$folder"; done
	inside env --chdir="$root" CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$target/pg$major" \
		PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" "$root/scripts/test.sh" "${suites[@]}"
}

# Only this part runs as root.
if [ "${1:-}" = --isolated ]; then
	if [ "$(cat "$ready" 2>/dev/null)" = "${packages[*]}" ]; then mount_system; else make_debian; fi
	run_suites
	exit
fi

command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs (1.95 or newer)"
cd "$root"
CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
TOOLCHAIN=$(rustc --print sysroot)
[ "$TOOLCHAIN" != /usr ] || die "this needs a Rust in a directory of its own: install it from https://rustup.rs"
# The Debian sees the downloaded crates, but can't add to them.
cargo fetch --locked --quiet
mkdir -p "$target"
settings=(CARGO_HOME="$CARGO_HOME" TOOLCHAIN="$TOOLCHAIN" CARGO_TARGET_DIR="$target")
for name in MAJOR SUITES REGRESS ISOLATION TAP PROXIMA_METHOD BENCH_DATA BENCH_ARGS KEEP_PGVECTOR SHARED_BUFFERS \
	DEBIAN_MIRROR http_proxy https_proxy; do
	[ -z "${!name:-}" ] || settings+=("$name=${!name}")
done
as_root env "${settings[@]}" unshare --mount --ipc --pid --fork --kill-child "$script" --isolated
