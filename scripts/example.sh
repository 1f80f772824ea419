#!/usr/bin/env bash
# A program of examples/ with a fresh private server, from nothing: EXAMPLE=semantic_search, EXAMPLE_ARGS="...".
#
#   example.sh NAME [argument ...]
#
# EXAMPLES_PYTHON names a Python that has the packages; else they come from PyPI, into target/examples.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

if [ $# = 0 ]; then
	[ -n "${EXAMPLE:-}" ] || die "usage: make example EXAMPLE=name; there are $(ls -m "$root/examples")"
	# shellcheck disable=SC2086
	set -- "$EXAMPLE" ${EXAMPLE_ARGS:-}
fi
name=$1
program=$root/examples/$name/$name.py
[ -f "$program" ] || die "no such example: $name"
if [ -z "${PROXIMA_TREE:-}" ]; then
	CLIENTS=python "$root/scripts/setup.sh"
	use_postgres
	[ -d "$target/sql/as-vector" ] || "$root/scripts/build.sh"
	exec "$root/scripts/with-tree.sh" "$0" "$@"
fi
shift

python=${EXAMPLES_PYTHON:-}
if [ -z "$python" ]; then
	lists=("$root/examples/requirements.txt")
	[ ! -f "$root/examples/$name/requirements.txt" ] || lists+=("$root/examples/$name/requirements.txt")
	# The lists are whole; the package of the model would have PyTorch come along.
	PIP_NO_DEPS=1 python_environment "$target/examples/$name" "${lists[@]}"
	python=$target/examples/$name/bin/python
fi
[ "$name" != durable_batches ] || export FSYNC=on
PYTHONDONTWRITEBYTECODE=1 "$root/scripts/cluster.sh" with "$name" "$python" "$program" "$@"
