"""pg8000: a driver in pure Python, text parameters."""

import os

import pg8000.native
import pytest
from pgvector import HalfVector, SparseVector, Vector
from pgvector.pg8000 import register_vector

import cases


@pytest.fixture(scope="module")
def connection(database):
    socket = f"{os.environ['PGHOST']}/.s.PGSQL.{os.environ['PGPORT']}"
    connection = pg8000.native.Connection(os.environ["PGUSER"], database=database, unix_sock=socket)
    connection.run("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(connection)
    connection.run(
        f"""CREATE TABLE items (id bigserial PRIMARY KEY, v vector({cases.DIM}), h halfvec({cases.DIM}),
            s sparsevec({cases.DIM}))"""
    )
    for vector, sparse in zip(cases.VECTORS, cases.SPARSE_ROWS):
        connection.run("INSERT INTO items (v, h, s) VALUES (:v, :h, :s)",
                       v=vector, h=HalfVector(vector), s=SparseVector(sparse))
    for name in ["l2", "ip", "cosine", "l1"]:
        connection.run(f"CREATE INDEX ON items USING hnsw (v vector_{name}_ops)")
    for setting in cases.BY_INDEX:
        connection.run(setting)
    yield connection
    connection.close()


def test_search(connection):
    for operator in cases.OPERATORS:
        found = connection.run(f"SELECT id, v FROM items ORDER BY v {operator} :q LIMIT 10", q=cases.QUERY)
        assert [row[0] for row in found] == cases.nearest(operator)
        assert found[0][1] == Vector(cases.VECTORS[found[0][0] - 1])


def test_other_types(connection):
    found = connection.run("SELECT h, s FROM items WHERE id = 4")
    assert found == [[HalfVector(cases.VECTORS[3]), SparseVector(cases.SPARSE_ROWS[3])]]
    found = connection.run("SELECT id FROM items ORDER BY h <-> :q LIMIT 10", q=HalfVector(cases.QUERY))
    assert [row[0] for row in found] == cases.nearest("<->")


def test_errors(connection):
    with pytest.raises(pg8000.native.DatabaseError, match="expected 8 dimensions, not 2"):
        connection.run("INSERT INTO items (v) VALUES (:v)", v=Vector([1, 2]))
