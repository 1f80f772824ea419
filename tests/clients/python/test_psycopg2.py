"""psycopg2: text parameters, registered types, arrays of vectors."""

import io

import numpy as np
import psycopg2
import pytest
from pgvector import HalfVector, SparseVector, Vector
from pgvector.psycopg2 import register_vector

import cases


@pytest.fixture(scope="module")
def cursor(database):
    connection = psycopg2.connect(dbname=database)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(connection)
    cursor.execute(
        f"""CREATE TABLE items (id bigserial PRIMARY KEY, v vector({cases.DIM}), h halfvec({cases.DIM}),
            s sparsevec({cases.DIM}), b bit({cases.BITS}), vs vector[])"""
    )
    cursor.executemany(
        "INSERT INTO items (v, h, s, b, vs) VALUES (%s, %s, %s, %s, %s::vector[])",
        [
            (vector, HalfVector(vector), SparseVector(sparse), cases.bit_text(bits), [vector, vector])
            for vector, sparse, bits in zip(cases.VECTORS, cases.SPARSE_ROWS, cases.BIT_ROWS)
        ],
    )
    yield cursor
    connection.close()


@pytest.mark.parametrize("by_index", [False, True], ids=["exact", "index"])
@pytest.mark.parametrize(
    ("column", "type_name", "query", "rows"),
    [
        ("v", "vector", cases.QUERY, cases.VECTORS),
        ("h", "halfvec", HalfVector(cases.QUERY), cases.VECTORS),
        ("s", "sparsevec", SparseVector(cases.QUERY), cases.SPARSE_ROWS),
    ],
    ids=["vector", "halfvec", "sparsevec"],
)
def test_search(cursor, column, type_name, query, rows, by_index):
    for operator, name in cases.OPERATORS.items():
        cursor.execute("BEGIN")
        if by_index:
            cursor.execute(f"CREATE INDEX this_one ON items USING hnsw ({column} {type_name}_{name}_ops)")
            for setting in cases.BY_INDEX:
                cursor.execute(setting.replace("SET", "SET LOCAL", 1))
        sql = f"SELECT id, {column} FROM items ORDER BY {column} {operator} %s LIMIT 10"
        cursor.execute(sql, (query,))
        found = cursor.fetchall()
        assert [row[0] for row in found] == cases.nearest(operator, rows)
        assert np.array_equal(found[0][1].to_numpy().astype(np.float32), rows[found[0][0] - 1])
        cursor.execute("EXPLAIN " + sql, (query,))
        assert cases.uses_index("\n".join(row[0] for row in cursor.fetchall()), "this_one") == by_index
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("by_index", [False, True], ids=["exact", "index"])
def test_bits(cursor, by_index):
    query = cases.bit_text(cases.BIT_QUERY)
    for operator, name in cases.BIT_OPERATORS.items():
        cursor.execute("BEGIN")
        if by_index:
            cursor.execute(f"CREATE INDEX this_one ON items USING hnsw (b bit_{name}_ops)")
            for setting in cases.BY_INDEX:
                cursor.execute(setting.replace("SET", "SET LOCAL", 1))
        operator_text = operator.replace("%", "%%")
        cursor.execute(
            f"SELECT b {operator_text} %(q)s FROM items ORDER BY b {operator_text} %(q)s LIMIT 10", {"q": query}
        )
        found = [row[0] for row in cursor.fetchall()]
        assert cases.close(found, cases.nearest_distances(operator, cases.BIT_ROWS, cases.BIT_QUERY))
        cursor.execute("ROLLBACK")


def test_arrays(cursor):
    cursor.execute("SELECT vs FROM items WHERE id = 3")
    assert cursor.fetchone()[0] == [Vector(cases.VECTORS[2])] * 2


def test_copy_text(cursor):
    cursor.execute("BEGIN; CREATE TEMP TABLE copied (v vector)")
    cursor.copy_expert("COPY copied FROM STDIN", io.StringIO("".join(cases.text(v) + "\n" for v in cases.VECTORS)))
    cursor.execute("SELECT count(*), bool_and(copied.v = items.v) FROM copied JOIN items ON copied.v = items.v")
    assert cursor.fetchone() == (cases.ROWS, True)
    cursor.execute("ROLLBACK")


def test_update_and_delete(cursor):
    cursor.execute("BEGIN")
    far = np.full(cases.DIM, 100, dtype=np.float32)
    cursor.execute("UPDATE items SET v = %s WHERE id = 5", (far,))
    cursor.execute("SELECT id, v FROM items ORDER BY v <-> %s LIMIT 1", (far,))
    assert cursor.fetchone() == (5, Vector(far))
    cursor.execute("DELETE FROM items WHERE v <-> %s < 1", (far,))
    assert cursor.rowcount == 1
    cursor.execute("ROLLBACK")


def test_errors(cursor):
    with pytest.raises(psycopg2.errors.DataException, match="expected 8 dimensions, not 3"):
        cursor.execute("INSERT INTO items (v) VALUES (%s)", (np.array([1, 2, 3]),))
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation, match='invalid input syntax for type vector: "x"'):
        cursor.execute("INSERT INTO items (v) VALUES ('x')")


def test_settings_before_anything_else(cursor, database):
    connection = psycopg2.connect(dbname=database)
    fresh = connection.cursor()
    fresh.execute("SET hnsw.ef_search = 55; SET LOCAL ivfflat.probes = 9; SET LOCAL hnsw.iterative_scan = relaxed_order")
    fresh.execute("SELECT id FROM items ORDER BY v <=> %s::vector LIMIT 1", (cases.text(cases.QUERY),))
    assert fresh.fetchone()[0] == cases.nearest("<=>")[0]
    fresh.execute("SELECT current_setting('hnsw.ef_search'), current_setting('ivfflat.probes')")
    assert fresh.fetchone() == ("55", "9")
    connection.close()
