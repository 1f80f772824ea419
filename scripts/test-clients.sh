#!/usr/bin/env bash
# Client libraries of pgvector against a private server that has the extension under the name "vector".
# CLIENTS="python rust node" runs some only. The libraries come from their registries, at the versions that
# tests/clients pins, and stay in target/clients.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

export CLIENTS=${CLIENTS:-python rust node}
[ "${1:-}" = --with-server ] || "$root/scripts/setup.sh"
use_postgres
home=$target/clients
tests=$root/tests/clients

prepare_python() {
	python_environment "$home/python" "$tests/python/requirements.txt"
	# langchain-postgres wants an older pgvector package than the others are tested with.
	python_environment "$home/langchain" "$tests/python/requirements-langchain.txt"
}

run_python() {
	# The examples are tested with the model, too, where somebody has it from running them.
	local model=$target/examples/semantic_search/bin/python
	[ ! -x "$model" ] || export EXAMPLES_PYTHON=$model
	local pytest=(bin/python -m pytest --rootdir "$tests/python" -c "$tests/python/pytest.ini")
	PYTHONDONTWRITEBYTECODE=1 "$home/python/${pytest[0]}" "${pytest[@]:1}" "$tests/python" \
		--ignore "$tests/python/test_langchain.py"
	PYTHONDONTWRITEBYTECODE=1 "$home/langchain/${pytest[0]}" "${pytest[@]:1}" "$tests/python/test_langchain.py"
}

prepare_rust() { rust test --no-run --quiet; }
run_rust() { rust test --quiet; }
rust() {
	local verb=$1
	shift
	CARGO_TARGET_DIR=$home/rust cargo "$verb" --locked --manifest-path "$tests/rust/Cargo.toml" "$@"
}

# npm's package "node" is Node itself: Debian's may be too old for the clients.
prepare_node() {
	cmp --silent "$tests/node/package-lock.json" "$home/node/installed.json" && return
	say "installing package-lock.json"
	rm -rf "$home/node"
	mkdir -p "$home/node"
	cp "$tests/node/package.json" "$tests/node/package-lock.json" "$home/node"
	npm ci --prefix "$home/node" --ignore-scripts --no-audit --no-fund --loglevel=error
	cp "$tests/node/package-lock.json" "$home/node/installed.json"
}

run_node() {
	rm -rf "$home/node/tests"
	cp -r "$tests/node" "$home/node/tests"
	(cd "$home/node" && node_modules/.bin/node --test "tests/*.test.mjs")
}

if [ "${1:-}" = --with-server ]; then
	for client in $CLIENTS; do
		say "clients: $client"
		"run_$client"
	done
	exit
fi

[ -d "$target/sql/as-vector" ] || die "nothing built yet; run make build"
for client in $CLIENTS; do
	declare -f "run_$client" >/dev/null || die "no such clients: $client"
	"prepare_$client"
done
"$root/scripts/with-tree.sh" "$root/scripts/cluster.sh" with clients "$root/scripts/test-clients.sh" --with-server
