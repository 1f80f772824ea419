# Shared by the scripts in this directory; sourced, not run.
# shellcheck shell=bash disable=SC2034

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

say() { printf '== %s\n' "$*"; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# The pg_config to build for: PG_CONFIG, else Debian's newest server with headers, else the one in PATH.
find_pg_config() {
	local candidate
	if [ -n "${PG_CONFIG:-}" ]; then
		printf '%s\n' "$PG_CONFIG"
		return
	fi
	for major in 18 17 16 15 14; do
		candidate=/usr/lib/postgresql/$major/bin/pg_config
		if [ -x "$candidate" ] && [ -f "/usr/include/postgresql/$major/server/postgres.h" ]; then
			printf '%s\n' "$candidate"
			return
		fi
	done
	command -v pg_config || return 1
}

# Sets pg_config, pg_bin, pg_major; the caller needs an installed server with headers.
use_postgres() {
	pg_config=$(find_pg_config) || die "no PostgreSQL with server headers found; run make setup"
	pg_bin=$("$pg_config" --bindir)
	pg_major=$("$pg_config" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	export PGRX_PG_CONFIG_PATH=$pg_config
}

# PostgreSQL refuses to run as root; Debian's package has made a user for it.
as_server_user() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

# For steps that write into the system's PostgreSQL installation.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root, and there is no sudo: $*"
	fi
}

# as_owner_of DIRECTORY command ...: our own directory (packaging with DESTDIR) needs nobody's permission; the system's
# does.
as_owner_of() {
	local writable=$1
	shift
	while [ ! -e "$writable" ]; do writable=$(dirname "$writable"); done
	if [ -w "$writable" ]; then "$@"; else as_root "$@"; fi
}

# Where Debian's packages come from: DEBIAN_MIRROR, else this machine's own source.
debian_mirror() {
	local mirror=${DEBIAN_MIRROR:-}
	[ -n "$mirror" ] || mirror=$(apt-get indextargets --format "\$(REPO_URI)" \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
	[ -n "$mirror" ] || die "apt has no source of Debian packages (apt-get update?); set DEBIAN_MIRROR=http://..."
	printf '%s\n' "$mirror"
}

# python_environment DIRECTORY LIST ...: the packages of these lists, which name all that is needed, in a virtual
# environment; made again when the lists have changed.
python_environment() {
	local environment=$1 list arguments=()
	shift
	cat "$@" | cmp --silent - "$environment/installed.txt" && return
	say "installing ${*#"$root/"}"
	rm -rf "$environment"
	python3 -m venv "$environment"
	for list in "$@"; do arguments+=(--requirement "$list"); done
	"$environment/bin/pip" install --quiet --disable-pip-version-check "${arguments[@]}"
	cat "$@" >"$environment/installed.txt"
}
