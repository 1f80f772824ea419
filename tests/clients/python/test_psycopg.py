"""psycopg 3: sync, async, pipeline, and binary COPY from NumPy arrays."""

import numpy as np
import psycopg
import pytest
from pgvector import Bit, HalfVector, SparseVector, Vector
from pgvector.psycopg import register_vector, register_vector_async

import cases


@pytest.fixture(scope="module")
def connection(database):
    with psycopg.connect(dbname=database, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(conn)
        yield conn


@pytest.fixture(scope="module")
def items(connection):
    """A table with every type, filled by binary COPY."""
    connection.execute(
        f"""CREATE TABLE items (id bigserial PRIMARY KEY, v vector({cases.DIM}), h halfvec({cases.DIM}),
            s sparsevec({cases.DIM}), b bit({cases.BITS}))"""
    )
    with connection.cursor().copy("COPY items (v, h, s, b) FROM STDIN WITH (FORMAT BINARY)") as copy:
        copy.set_types(["vector", "halfvec", "sparsevec", "bit"])
        for vector, sparse, bits in zip(cases.VECTORS, cases.SPARSE_ROWS, cases.BIT_ROWS):
            copy.write_row([vector, HalfVector(vector), SparseVector(sparse), Bit(bits)])
    for type_letter, type_name, operators in [
        ("v", "vector", cases.OPERATORS),
        ("h", "halfvec", cases.OPERATORS),
        ("s", "sparsevec", cases.OPERATORS),
        ("b", "bit", cases.BIT_OPERATORS),
    ]:
        for operator, name in operators.items():
            connection.execute(
                f"CREATE INDEX items_{type_letter}_{name} ON items USING hnsw ({type_letter} {type_name}_{name}_ops)"
            )
    return connection


COLUMNS = {
    "v": (cases.VECTORS, cases.QUERY, Vector),
    "h": (cases.VECTORS, cases.QUERY, HalfVector),
    "s": (cases.SPARSE_ROWS, cases.QUERY, SparseVector),
    "b": (cases.BIT_ROWS, cases.BIT_QUERY, Bit),
}
SEARCHES = [(column, operator, name) for column in "vhs" for operator, name in cases.OPERATORS.items()] + [
    ("b", operator, name) for operator, name in cases.BIT_OPERATORS.items()
]


@pytest.mark.parametrize(("column", "operator", "name"), SEARCHES)
@pytest.mark.parametrize("by_index", [False, True], ids=["exact", "index"])
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_search(items, column, operator, name, by_index, binary):
    rows, query, kind = COLUMNS[column]
    sql_operator = operator.replace("%", "%%")
    sql = f"SELECT id, {column} {sql_operator} %(q)s FROM items ORDER BY {column} {sql_operator} %(q)s LIMIT 10"
    with items.transaction(force_rollback=True), items.cursor(binary=binary) as cursor:
        for setting in cases.BY_INDEX if by_index else ["SET enable_indexscan = off"]:
            cursor.execute(setting.replace("SET", "SET LOCAL", 1))
        query = kind(query)
        found = cursor.execute(sql, {"q": query}).fetchall()
        with items.cursor() as explain:
            plan = "\n".join(row[0] for row in explain.execute("EXPLAIN " + sql, {"q": query}))
    assert cases.uses_index(plan, f"items_{column}_{name}") == by_index
    assert cases.close([row[1] for row in found], cases.nearest_distances(operator, rows, COLUMNS[column][1]))
    if column != "b":
        assert [row[0] for row in found] == cases.nearest(operator, rows, COLUMNS[column][1])


IVFFLAT = [
    (column, type_name, operator, name)
    for column, type_name in [("v", "vector"), ("h", "halfvec")]
    for operator, name in cases.OPERATORS.items() if name != "l1"
] + [("b", "bit", "<~>", "hamming")]


@pytest.mark.parametrize(("column", "type_name", "operator", "name"), IVFFLAT)
def test_ivfflat(items, column, type_name, operator, name):
    rows, query, kind = COLUMNS[column]
    sql = f"SELECT id, {column} {operator} %(q)s FROM items ORDER BY {column} {operator} %(q)s LIMIT 10"
    with items.transaction(force_rollback=True):
        for index in items.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% USING hnsw %'").fetchall():
            items.execute(f"DROP INDEX {index[0]}")
        items.execute(
            f"CREATE INDEX by_lists ON items USING ivfflat ({column} {type_name}_{name}_ops) WITH (lists = 10)"
        )
        for setting in cases.BY_INDEX:
            items.execute(setting.replace("SET", "SET LOCAL", 1))
        found = items.execute(sql, {"q": kind(query)}).fetchall()
        assert cases.close([row[1] for row in found], cases.nearest_distances(operator, rows, query))
        plan = items.execute("EXPLAIN " + sql, {"q": kind(query)}).fetchall()
        assert cases.uses_index("\n".join(row[0] for row in plan), "by_lists")


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_round_trip(items, binary):
    with items.cursor(binary=binary) as cursor:
        found = cursor.execute("SELECT v, h, s, b FROM items ORDER BY id").fetchall()
    assert len(found) == cases.ROWS
    for row, vector, sparse, bits in zip(found, cases.VECTORS, cases.SPARSE_ROWS, cases.BIT_ROWS):
        assert np.array_equal(row[0].to_numpy(), vector)
        assert np.array_equal(row[1].to_numpy().astype(np.float32), vector)
        assert np.array_equal(row[2].to_numpy(), sparse)
        # Results of type bit are psycopg's own matter: text, or the bytes as they come.
        assert row[3] == (Bit(bits).to_binary() if binary else Bit(bits).to_text())


@pytest.mark.parametrize("column", list(COLUMNS))
def test_copy_out_binary(items, column):
    kind = COLUMNS[column][2]
    type_name = {"v": "vector", "h": "halfvec", "s": "sparsevec", "b": "bit"}[column]
    with items.cursor().copy(f"COPY (SELECT {column} FROM items ORDER BY id) TO STDOUT WITH (FORMAT BINARY)") as copy:
        copy.set_types(["bytea"])
        sent = [bytes(row[0]) for row in copy.rows()]
    rows = cases.BIT_ROWS if column == "b" else cases.SPARSE_ROWS if column == "s" else cases.VECTORS
    assert sent == [bytes(kind(row).to_binary()) for row in rows], type_name


def test_insert_update_delete(items):
    with items.transaction(force_rollback=True):
        far = np.full(cases.DIM, 100, dtype=np.float32)
        row_id = items.execute("INSERT INTO items (v) VALUES (%s) RETURNING id", (far,)).fetchone()[0]
        items.cursor().executemany(
            "INSERT INTO items (v) VALUES (%s)", [(far + i,) for i in range(1, 4)]
        )
        for setting in cases.BY_INDEX:
            items.execute(setting.replace("SET", "SET LOCAL", 1))
        nearest = "SELECT id, v FROM items ORDER BY v <-> %s LIMIT 1"
        assert items.execute(nearest, (far,)).fetchone()[0] == row_id
        items.execute("UPDATE items SET v = %s WHERE id = %s", (-far, row_id))
        assert items.execute(nearest, (far,)).fetchone()[0] == row_id + 1
        assert items.execute(nearest, (-far,)).fetchone()[0] == row_id
        assert items.execute("DELETE FROM items WHERE id = %s", (row_id,)).rowcount == 1
        assert items.execute(nearest, (-far,)).fetchone()[0] <= cases.ROWS


def test_pipeline(items):
    with items.transaction(force_rollback=True), items.pipeline():
        inserts = [
            items.execute("INSERT INTO items (v) VALUES (%s) RETURNING id", (np.full(cases.DIM, 50 + i),))
            for i in range(20)
        ]
        search = items.execute(
            "SELECT id FROM items ORDER BY v <-> %s LIMIT 3", (np.full(cases.DIM, 50, dtype=np.float32),)
        )
        ids = [cursor.fetchone()[0] for cursor in inserts]
        assert [row[0] for row in search.fetchall()] == ids[:3]


def test_arrays_and_averages(items):
    value = items.execute("SELECT array_agg(v ORDER BY id) FROM items WHERE id <= 3").fetchone()[0]
    assert [list(v.to_list()) for v in value] == cases.VECTORS[:3].tolist()
    average = items.execute("SELECT avg(v) FROM items").fetchone()[0]
    assert cases.close(average.to_list(), cases.VECTORS.mean(axis=0))
    total = items.execute("SELECT sum(h) FROM items WHERE id <= 2").fetchone()[0]
    assert cases.close(total.to_list(), (cases.VECTORS[:2].astype(np.float16)).sum(axis=0))


def test_prepared_statements_go_on_using_the_index(items):
    with items.transaction(force_rollback=True):
        for setting in cases.BY_INDEX:
            items.execute(setting.replace("SET", "SET LOCAL", 1))
        for _ in range(12):
            found = items.execute(
                "SELECT id FROM items ORDER BY v <=> %s LIMIT %s", (cases.QUERY, cases.LIMIT), prepare=True
            ).fetchall()
            assert [row[0] for row in found] == cases.nearest("<=>")


def test_columns_without_dimensions(connection):
    connection.execute("CREATE TABLE mixed (id serial, embedding vector)")
    connection.execute("INSERT INTO mixed (embedding) VALUES ('[1,2,3]'), ('[4,5,6]'), ('[1,2]')")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="column does not have dimensions"):
        connection.execute("CREATE INDEX ON mixed USING hnsw (embedding vector_l2_ops)")
    connection.execute(
        """CREATE INDEX mixed_3 ON mixed USING hnsw ((embedding::vector(3)) vector_l2_ops)
           WHERE vector_dims(embedding) = 3"""
    )
    sql = """SELECT id FROM mixed WHERE vector_dims(embedding) = 3
             ORDER BY embedding::vector(3) <-> '[4,5,5]' LIMIT 5"""
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        assert [row[0] for row in connection.execute(sql)] == [2, 1]
        assert cases.uses_index("\n".join(r[0] for r in connection.execute("EXPLAIN " + sql)), "mixed_3")
    connection.execute("DROP TABLE mixed")


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELECT '[1,2'::vector", psycopg.errors.InvalidTextRepresentation, "invalid input syntax for type vector"),
        ("SELECT '[1,2]'::vector(3)", psycopg.errors.DataException, "expected 3 dimensions, not 2"),
        ("SELECT '[1,2]'::halfvec(3)", psycopg.errors.DataException, "expected 3 dimensions, not 2"),
        ("SELECT '{1:1}/2'::sparsevec(3)", psycopg.errors.DataException, "expected 3 dimensions, not 2"),
        ("SELECT '[1,2]'::vector <-> '[1]'", psycopg.errors.DataException, "different vector dimensions 2 and 1"),
        ("SELECT '101'::bit(3) <~> '10'::bit(2)", psycopg.errors.DataException, "different bit lengths 3 and 2"),
        ("SELECT array_fill(1, ARRAY[16001])::vector", psycopg.errors.ProgramLimitExceeded,
         "vector cannot have more than 16000 dimensions"),
        ("SELECT '[NaN]'::vector", psycopg.errors.DataException, "NaN not allowed in vector"),
        ("SELECT 1::vector(0)", psycopg.errors.InvalidParameterValue, "dimensions for type vector must be at least 1"),
    ],
)
def test_errors(connection, sql, error, message):
    with pytest.raises(error, match=message):
        connection.execute(sql)


def test_settings_before_anything_else(items, database):
    """SET may come before the session has loaded the library; the settings then hold."""
    with psycopg.connect(dbname=database) as conn:
        conn.execute("SET hnsw.ef_search = 123")
        conn.execute("SET ivfflat.probes = 7")
        conn.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        conn.execute("SELECT set_config('ivfflat.iterative_scan', 'relaxed_order', true)")
        conn.execute("SELECT id FROM items ORDER BY v <-> %s::vector LIMIT 1", (cases.text(cases.QUERY),))
        assert conn.execute("SHOW hnsw.ef_search").fetchone() == ("123",)
        assert conn.execute("SHOW ivfflat.probes").fetchone() == ("7",)
        assert conn.execute("SHOW hnsw.iterative_scan").fetchone() == ("strict_order",)
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="hnsw.iterative_scan"):
            conn.execute("SET hnsw.iterative_scan = on")
        conn.rollback()
    with psycopg.connect(dbname=database) as conn:
        conn.execute("SET hnsw.ef_search = 0")
        # A value out of range is noticed when the library arrives: a warning, and the default.
        conn.execute("SELECT '[1]'::vector")
        assert conn.execute("SHOW hnsw.ef_search").fetchone() == ("40",)


def test_catalogue(connection):
    """What clients ask the catalogue for."""
    version = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()[0]
    assert [int(part) for part in version.split(".")] >= [0, 8, 0]
    assert connection.execute(
        "SELECT installed_version FROM pg_available_extensions WHERE name = 'vector' LIMIT 1"
    ).fetchone() == (version,)
    for name in ["vector", "halfvec", "sparsevec"]:
        assert connection.execute("SELECT count(*) FROM pg_type WHERE typname IN (%s, '_' || %s)", (name, name)
                                  ).fetchone() == (2,)
    connection.execute("CREATE TABLE sized (vector vector(5), h halfvec(6))")
    assert connection.execute(
        """SELECT format_type(atttypid, atttypmod), atttypmod FROM pg_attribute
           WHERE attrelid = 'sized'::regclass AND attnum > 0 ORDER BY attnum"""
    ).fetchall() == [("vector(5)", 5), ("halfvec(6)", 6)]
    connection.execute("DROP TABLE sized")


async def test_async(items, database):
    async with await psycopg.AsyncConnection.connect(dbname=database) as conn:
        await register_vector_async(conn)
        async with conn.cursor(binary=True) as cursor:
            await cursor.execute(f"CREATE TEMP TABLE copied (id bigserial PRIMARY KEY, v vector({cases.DIM}))")
            async with cursor.copy("COPY copied (v) FROM STDIN WITH (FORMAT BINARY)") as copy:
                copy.set_types(["vector"])
                for vector in cases.VECTORS:
                    await copy.write_row([vector])
            await cursor.execute("CREATE INDEX copied_v ON copied USING hnsw (v vector_cosine_ops)")
            for setting in cases.BY_INDEX:
                await cursor.execute(setting)
            await cursor.execute("SELECT id, v FROM copied ORDER BY v <=> %s LIMIT 10", (cases.QUERY,))
            found = await cursor.fetchall()
        assert [row[0] for row in found] == cases.nearest("<=>")
        assert np.array_equal(found[0][1].to_numpy(), cases.VECTORS[found[0][0] - 1])
        await conn.rollback()
