#!/usr/bin/env bash
# A private PostgreSQL server: never the system's, reachable by a Unix socket only.
#
#   cluster.sh with NAME command ...    start a fresh server, run the command, stop the server
#   cluster.sh start NAME               the same in two steps: start prints the settings to reach it
#   cluster.sh stop NAME
#   cluster.sh crash NAME               kill all processes of a server that runs, start it again
#
# The command finds the server through PGHOST, PGPORT, PGUSER. The server's files are in target/NAME, or
# below /tmp where PostgreSQL's user cannot enter target; the log stays until the next start. FSYNC=on makes commits
# wait for the disk.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
use_postgres

action=${1:-} name=${2:-}
[ -n "$name" ] || die "usage: cluster.sh with|start|stop|crash NAME [command ...]"
shift 2
record=$target/$name.env

pick_home() {
	home=$target/$name
	mkdir -p "$home"
	[ "$(id -u)" != 0 ] || chown postgres: "$home"
	if ! as_server_user test -w "$home" 2>/dev/null; then
		rmdir "$home"
		home=/tmp/proxima-$name.$$
		as_server_user mkdir -m 700 "$home"
	fi
}

start() {
	stop
	pick_home
	# The path of a socket has at most 107 bytes, so it cannot lie in the repository.
	sockets=$(as_server_user mktemp -d /tmp/proxima.XXXXXX)
	chmod 755 "$sockets"
	cat >"$record" <<-END
		home=$home
		sockets=$sockets
	END
	as_server_user "$pg_bin/initdb" --pgdata="$home/data" --username=postgres --auth=trust --no-sync \
		--encoding=UTF8 --locale=C --no-instructions >/dev/null
	# No fsync, unless asked for: these data live as long as the server.
	as_server_user tee -a "$home/data/postgresql.conf" >/dev/null <<-END
		listen_addresses = ''
		unix_socket_directories = '$sockets'
		fsync = ${FSYNC:-off}
		shared_buffers = ${SHARED_BUFFERS:-256MB}
		maintenance_work_mem = 256MB
		max_wal_size = 4GB
		timezone = 'UTC'
	END
	start_server
}

start_server() {
	# RUST_BACKTRACE would put backtraces into the DETAIL of errors.
	as_server_user env -u RUST_BACKTRACE "$pg_bin/pg_ctl" --pgdata="$home/data" --log="$home/log" --wait --silent start ||
		die "the server did not start: $(tail -n 3 "$home/log")"
}

stop() {
	[ -f "$record" ] || return 0
	# shellcheck disable=SC1090
	. "$record"
	if [ -f "$home/data/postmaster.pid" ]; then
		as_server_user "$pg_bin/pg_ctl" --pgdata="$home/data" --mode=immediate --wait --silent stop || true
	fi
	rm -rf "$home/data" "$sockets"
	case $home in /tmp/*) rm -rf "$home" ;; esac
	rm -f "$record"
}

# As when the machine stops. The start has to wait for the last process: one that is left, even a dead one that init has
# yet to collect, looks like a server.
crash() {
	local postmaster processes process rounds=0
	[ -f "$record" ] || die "no server $name"
	# shellcheck disable=SC1090
	. "$record"
	read -r postmaster <"$home/data/postmaster.pid"
	mapfile -t processes < <(echo "$postmaster" && ps -o pid= --ppid "$postmaster" | tr -d ' ')
	kill -KILL "${processes[@]}"
	say "killed ${#processes[@]} processes of the server, postmaster $postmaster first"
	for process in "${processes[@]}"; do
		while kill -0 "$process" 2>/dev/null; do
			[ $((rounds += 1)) -le 600 ] || die "process $process does not go away"
			sleep 0.1
		done
	done
	# It finds the file of a server that is no more, which is no news here.
	start_server 2> >(grep -v 'another server might be running' >&2)
	say "started it again"
}

mkdir -p "$target"
# The server's user may not be allowed to be where we are.
cd /
case $action in
start)
	start
	printf 'export PGHOST=%s PGPORT=5432 PGUSER=postgres\n' "$sockets"
	;;
stop) stop ;;
crash) crash ;;
with)
	trap stop EXIT
	trap 'exit 130' INT TERM
	start
	cd "$root"
	PGHOST=$sockets PGPORT=5432 PGUSER=postgres PGDATABASE=postgres "$@"
	;;
*) die "unknown action: $action" ;;
esac
