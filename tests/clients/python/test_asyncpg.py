"""asyncpg: binary codecs, executemany, COPY of records."""

import asyncpg
import numpy as np
import pytest
import pytest_asyncio
from pgvector import HalfVector, SparseVector, Vector
from pgvector.asyncpg import register_vector

import cases


@pytest_asyncio.fixture
async def connection(database):
    conn = await asyncpg.connect(database=database)
    await conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    await register_vector(conn)
    await conn.execute("DROP TABLE IF EXISTS items")
    await conn.execute(
        f"""CREATE TABLE items (id bigserial PRIMARY KEY, v vector({cases.DIM}), h halfvec({cases.DIM}),
            s sparsevec({cases.DIM}), b bit({cases.BITS}))"""
    )
    yield conn
    await conn.close()


async def fill(conn):
    await conn.copy_records_to_table(
        "items",
        columns=["v", "h", "s", "b"],
        records=[
            (vector, HalfVector(vector), SparseVector(sparse), asyncpg.BitString(cases.bit_text(bits)))
            for vector, sparse, bits in zip(cases.VECTORS, cases.SPARSE_ROWS, cases.BIT_ROWS)
        ],
    )


async def check(conn, column, operator, query, rows, plain_query):
    found = await conn.fetch(
        f"SELECT id, {column} {operator} $1 AS distance FROM items ORDER BY {column} {operator} $1 LIMIT 10", query
    )
    assert cases.close([row["distance"] for row in found], cases.nearest_distances(operator, rows, plain_query))
    if column != "b":
        assert [row["id"] for row in found] == cases.nearest(operator, rows, plain_query)


async def test_search(connection):
    await fill(connection)
    columns = [
        ("v", "vector", Vector(cases.QUERY), cases.VECTORS),
        ("h", "halfvec", HalfVector(cases.QUERY), cases.VECTORS),
        ("s", "sparsevec", SparseVector(cases.QUERY), cases.SPARSE_ROWS),
    ]
    bits = asyncpg.BitString(cases.bit_text(cases.BIT_QUERY))
    for by_index in [False, True]:
        for column, type_name, query, rows in columns:
            for operator, name in cases.OPERATORS.items():
                if by_index:
                    await connection.execute(
                        f"CREATE INDEX items_{column}_{name} ON items USING hnsw ({column} {type_name}_{name}_ops)"
                    )
                await check(connection, column, operator, query, rows, cases.QUERY)
        for operator, name in cases.BIT_OPERATORS.items():
            if by_index:
                await connection.execute(f"CREATE INDEX items_b_{name} ON items USING hnsw (b bit_{name}_ops)")
            await check(connection, "b", operator, bits, cases.BIT_ROWS, cases.BIT_QUERY)
        for setting in cases.BY_INDEX:
            await connection.execute(setting)
    plan = await connection.fetch("EXPLAIN SELECT id FROM items ORDER BY h <-> $1 LIMIT 5", HalfVector(cases.QUERY))
    assert cases.uses_index("\n".join(row[0] for row in plan), "items_h_l2")


async def test_values_come_back(connection):
    await connection.execute("INSERT INTO items (v) VALUES ($1)", [1, 2, 3, 4, 5, 6, 7, 8])
    await connection.executemany("INSERT INTO items (v) VALUES ($1)", [(row,) for row in cases.VECTORS[:5]])
    found = [row["v"] for row in await connection.fetch("SELECT v FROM items ORDER BY id")]
    assert found[0] == Vector([1, 2, 3, 4, 5, 6, 7, 8])
    assert all(np.array_equal(value.to_numpy(), row) for value, row in zip(found[1:], cases.VECTORS))
    await connection.execute("INSERT INTO items (h, s) VALUES ($1, $2)",
                             HalfVector(cases.VECTORS[0]), SparseVector(cases.SPARSE_ROWS[0]))
    row = await connection.fetchrow("SELECT h, s FROM items WHERE h IS NOT NULL")
    assert (row["h"], row["s"]) == (HalfVector(cases.VECTORS[0]), SparseVector(cases.SPARSE_ROWS[0]))
    assert await connection.fetchval("SELECT v FROM items WHERE h IS NOT NULL") is None


async def test_update_and_delete(connection):
    await fill(connection)
    await connection.execute("CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)")
    far = np.full(cases.DIM, 100, dtype=np.float32)
    for setting in cases.BY_INDEX:
        await connection.execute(setting)
    await connection.execute("UPDATE items SET v = $1 WHERE id = 7", far)
    nearest = "SELECT id FROM items ORDER BY v <-> $1 LIMIT 1"
    assert await connection.fetchval(nearest, far) == 7
    assert await connection.execute("DELETE FROM items WHERE id = 7") == "DELETE 1"
    assert await connection.fetchval(nearest, far) != 7


async def test_errors_and_settings(connection, database):
    with pytest.raises(asyncpg.DataError, match="expected 8 dimensions, not 2"):
        await connection.execute("INSERT INTO items (v) VALUES ($1)", [1, 2])
    fresh = await asyncpg.connect(database=database)
    await fresh.execute("SET hnsw.ef_search = 77; SET ivfflat.probes = 3")
    async with fresh.transaction():
        await fresh.execute("SET LOCAL hnsw.iterative_scan = 'relaxed_order'")
        await fresh.fetch("SELECT * FROM items ORDER BY v <-> $1::text::vector LIMIT 1", cases.text(cases.QUERY))
        assert await fresh.fetchval("SHOW hnsw.iterative_scan") == "relaxed_order"
    assert await fresh.fetchval("SHOW hnsw.ef_search") == "77"
    assert await fresh.fetchval("SHOW hnsw.iterative_scan") != "relaxed_order"
    await fresh.close()


async def test_pool(connection, database):
    async with asyncpg.create_pool(database=database, init=register_vector, min_size=2, max_size=2) as pool:
        assert await pool.fetchval("SELECT $1::vector", [1, 2, 3]) == Vector([1, 2, 3])
