#!/usr/bin/env bash
# Installs what building and testing need, on Debian and its relatives; does nothing when all is there.
# CLIENTS names the clients that will be tested (make test-clients), which need more.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

missing() {
	local config
	config=$(find_pg_config) && [ -f "$("$config" --includedir-server)/postgres.h" ] || echo postgresql
	compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || [ -n "${LIBCLANG_PATH:-}" ] || echo libclang-dev
	command -v cc >/dev/null || echo build-essential
	perl -MIPC::Run -e 1 2>/dev/null || echo libipc-run-perl
	case " ${CLIENTS:-} " in *' python '*) python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv ;; esac
	case " ${CLIENTS:-} " in *' rust '*) compgen -G '/usr/lib/*/libpq.so' >/dev/null || echo libpq-dev ;; esac
	case " ${CLIENTS:-} " in *' node '*) command -v npm >/dev/null || echo npm ;; esac
}

command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs (1.95 or newer)"
packages=$(missing)
[ -n "$packages" ] || exit 0
command -v apt-get >/dev/null || die "please install by hand: $(echo "$packages" | tr '\n' ' ')"

export DEBIAN_FRONTEND=noninteractive
say "installing: $(echo "$packages" | tr '\n' ' ')"
as_root apt-get update -qq
if grep -qx postgresql <<<"$packages"; then
	major=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
	[ -n "$major" ] || die "apt has no PostgreSQL"
	packages="$packages postgresql-$major postgresql-server-dev-$major"
	# Debian's package creates and starts a server of its own when it is installed; nobody asked for one.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		as_root mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
	fi
	packages=$(grep -vx postgresql <<<"$packages")
fi
# shellcheck disable=SC2086  # a list of words
as_root apt-get install -qq -y --no-install-recommends $packages
