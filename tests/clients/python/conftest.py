"""One fresh database per test module; PGHOST, PGPORT and PGUSER say where (scripts/test-clients.sh)."""

import psycopg
import pytest


@pytest.fixture(scope="module")
def database(request):
    name = "clients_" + request.module.__name__
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name}")
        server.execute(f"CREATE DATABASE {name}")
        yield name
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
