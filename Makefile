# The verbs of this repository. make help lists them; PG_CONFIG=/path/to/pg_config chooses a PostgreSQL.

.PHONY: help setup build install install-as-vector demo example test check deny installcheck isolation prove test-install \
	test-clients test-upgrade bench bench-live bench-pgvector format test-pg17 test-pg18 test-pgvector fuzz fuzz-quick clean

help:           ## this list
	@sed -n 's/^\([a-z0-9-]*\): *## /  \1	/p' Makefile | expand -t 20

setup:          ## install what is missing (Debian: apt-get)
	@scripts/setup.sh

build:          ## build the extension
	@scripts/build.sh

install:        ## copy the built extension into PostgreSQL (DESTDIR for packages)
	@scripts/install.sh

install-as-vector: ## install it under the name vector too, which clients of pgvector create
	@scripts/install-as-vector.sh

demo:           ## build, start a private server, load 10,000 embeddings, search
	@scripts/demo.sh

example:        ## a program of examples/ with a private server: EXAMPLE=semantic_search, EXAMPLE=durable_batches
	@scripts/example.sh

test:           ## everything, in order, up to the first failure
	@scripts/test.sh

check:          ## what needs no server: format, lints, licences, rules, tests of the crates
	@scripts/check.sh

deny:           ## licences and advisories of the dependencies
	@scripts/deny.sh

installcheck:   ## SQL behaviour (pg_regress); REGRESS="cast copy" for some
	@scripts/installcheck.sh

fuzz-quick:     ## odd values for every input: a few seconds, always the same
	@scripts/fuzz-quick.sh

fuzz:           ## odd values for every input; TARGETS="vector_in rows" SECONDS_EACH=600 JOBS=2
	@scripts/fuzz.sh

isolation:      ## interleaved sessions (pg_isolation_regress); ISOLATION=name for one
	@scripts/isolation.sh

prove:          ## replicas, crashes, concurrency (TAP); TAP=tests/t/001_replica.pl for one
	@scripts/prove.sh

test-install:   ## what the two install verbs write
	@scripts/test-install.sh

test-clients:   ## client libraries from their registries; CLIENTS="python rust node" for some
	@scripts/test-clients.sh

test-upgrade:   ## pgvector replaced in place, restored from dumps, copied from (PostgreSQL 18, as test-pg18)
	@scripts/test-upgrade.sh

test-pgvector:  ## pgvector's own tests against the extension under the name vector
	@scripts/test-pgvector.sh

bench:          ## recall, speed, size and build time; BENCH_ARGS="--generated 1000000x768 --kinds 'ivf, bits = 4'"
	@scripts/bench.sh

bench-live:     ## inserts, searches meanwhile, deletes, vacuum; BENCH_ARGS="--parts a,b --rows-scale 0.1"
	@scripts/bench-live.sh

bench-pgvector: ## our lists beside pgvector's ivfflat, taking turns on one server (PostgreSQL 18, as test-pg18)
	@scripts/bench-pgvector.sh

format:         ## format the sources, print FORMAT.md
	@cargo fmt --all
	@cargo fmt --manifest-path tests/clients/rust/Cargo.toml
	@FORMAT_WRITE=1 cargo test --release -p tidy --locked --quiet

test-pg18:      ## the suites that need a server, on PostgreSQL 18 in a Debian below target
	@MAJOR=18 scripts/test-pg.sh

test-pg17:      ## the same on PostgreSQL 17
	@MAJOR=17 scripts/test-pg.sh

clean:          ## stop private servers, remove what was built
	@scripts/clean.sh
