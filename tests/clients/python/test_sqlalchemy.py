"""SQLAlchemy 2: models, indexes with operator classes and options, reflection; over four drivers. And SQLModel."""

import asyncio
from typing import Any

import numpy as np
import pytest
from pgvector import HalfVector, SparseVector, Vector
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR, avg, sum
from sqlalchemy import BigInteger, Column, Index, MetaData, Table, create_engine, event, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlmodel import Field, SQLModel
from sqlmodel import Session as SqlmodelSession
from sqlmodel import select as sqlmodel_select

import cases


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id = mapped_column(BigInteger, primary_key=True)
    embedding = mapped_column(VECTOR(cases.DIM))
    half = mapped_column(HALFVEC(cases.DIM))
    sparse = mapped_column(SPARSEVEC(cases.DIM))
    bits = mapped_column(BIT(cases.BITS))


for _name in cases.OPERATORS.values():
    Index(
        f"items_embedding_{_name}",
        Item.embedding,
        postgresql_using="hnsw",
        postgresql_with={"m": 16, "ef_construction": 64},
        postgresql_ops={"embedding": f"vector_{_name}_ops"},
    )
Index(
    "items_half",
    func.cast(Item.embedding, HALFVEC(cases.DIM)).label("embedding"),
    postgresql_using="hnsw",
    postgresql_ops={"embedding": "halfvec_l2_ops"},
)
METHODS = {"<->": "l2_distance", "<#>": "max_inner_product", "<=>": "cosine_distance", "<+>": "l1_distance"}


class Document(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    embedding: Any = Field(sa_column=Column(VECTOR(3)))


def use_index(connection, _record):
    with connection.cursor() as cursor:
        for setting in cases.BY_INDEX:
            cursor.execute(setting)
    connection.commit()


@pytest.fixture(scope="module", params=["psycopg", "psycopg2"])
def engine(request, database):
    engine = create_engine(f"postgresql+{request.param}:///{database}")
    with Session(engine) as session:
        session.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
        session.commit()
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Item(id=1, embedding=cases.VECTORS[0], half=HalfVector(cases.VECTORS[0]),
                         sparse=SparseVector(cases.SPARSE_ROWS[0]), bits=cases.bit_text(cases.BIT_ROWS[0])))
        session.execute(
            insert(Item),
            [
                {"id": i + 1, "embedding": cases.VECTORS[i], "half": HalfVector(cases.VECTORS[i]),
                 "sparse": SparseVector(cases.SPARSE_ROWS[i]), "bits": cases.bit_text(cases.BIT_ROWS[i])}
                for i in range(1, cases.ROWS)
            ],
        )
        session.commit()
    event.listen(engine, "connect", use_index)
    engine.dispose()
    yield engine
    engine.dispose()


@pytest.mark.parametrize("operator", list(METHODS))
def test_search(engine, operator):
    with Session(engine) as session:
        distance = getattr(Item.embedding, METHODS[operator])(cases.QUERY)
        found = session.execute(select(Item, distance).order_by(distance).limit(cases.LIMIT)).all()
        assert [row[0].id for row in found] == cases.nearest(operator)
        assert cases.close([row[1] for row in found], cases.nearest_distances(operator))
        plan = session.execute(
            text(f"EXPLAIN SELECT id FROM items ORDER BY embedding {operator} :q LIMIT 5"), {"q": str(cases.QUERY.tolist())}
        )
        name = cases.OPERATORS[operator]
        assert cases.uses_index("\n".join(row[0] for row in plan), f"items_embedding_{name}")


def test_other_types(engine):
    with Session(engine) as session:
        for column, query, rows in [(Item.half, HalfVector(cases.QUERY), cases.VECTORS),
                                    (Item.sparse, SparseVector(cases.QUERY), cases.SPARSE_ROWS)]:
            for operator, method in METHODS.items():
                order = getattr(column, method)(query)
                assert session.scalars(select(Item.id).order_by(order).limit(cases.LIMIT)).all() == cases.nearest(
                    operator, rows
                )
        for operator, method in [("<~>", "hamming_distance"), ("<%>", "jaccard_distance")]:
            distance = getattr(Item.bits, method)(cases.bit_text(cases.BIT_QUERY))
            found = session.scalars(select(distance).order_by(distance).limit(cases.LIMIT)).all()
            assert cases.close(found, cases.nearest_distances(operator, cases.BIT_ROWS, cases.BIT_QUERY))


def test_values_come_back(engine):
    with Session(engine) as session:
        item = session.get(Item, 9)
        assert np.array_equal(np.asarray(item.embedding, dtype=np.float32), cases.VECTORS[8])
        assert np.array_equal(np.asarray(item.half, dtype=np.float16), cases.VECTORS[8])
        assert item.sparse == SparseVector(cases.SPARSE_ROWS[8])
        assert item.bits == cases.bit_text(cases.BIT_ROWS[8])


def test_half_precision_index(engine):
    with Session(engine) as session:
        order = func.cast(Item.embedding, HALFVEC(cases.DIM)).l2_distance(cases.QUERY)
        found = session.scalars(select(Item.id).order_by(order).limit(cases.LIMIT)).all()
        assert found == cases.nearest("<->")


def test_filter_and_aggregates(engine):
    with Session(engine) as session:
        near = cases.nearest_distances("<->", limit=20)[-1] + 1e-4
        found = session.scalars(select(Item.id).filter(Item.embedding.l2_distance(cases.QUERY) < near)).all()
        assert sorted(found) == sorted(cases.nearest("<->", limit=20))
        average = session.scalars(select(avg(Item.embedding))).first()
        assert cases.close(average, cases.VECTORS.mean(axis=0))
        total = session.scalars(select(sum(Item.embedding))).first()
        assert np.allclose(total, cases.VECTORS.sum(axis=0), atol=1e-3)


def test_update_and_delete(engine):
    far = np.full(cases.DIM, 100, dtype=np.float32)
    nearest = select(Item.id).order_by(Item.embedding.l2_distance(far)).limit(1)
    with Session(engine) as session:
        session.get(Item, 3).embedding = far
        session.flush()
        assert session.scalars(nearest).one() == 3
        session.delete(session.get(Item, 3))
        session.flush()
        assert session.scalars(nearest).one() != 3
        session.rollback()


def test_reflection(engine):
    table = Table("items", MetaData(), autoload_with=engine)
    assert isinstance(table.c.embedding.type, VECTOR) and table.c.embedding.type.dim == cases.DIM
    assert isinstance(table.c.half.type, HALFVEC) and table.c.half.type.dim == cases.DIM
    assert isinstance(table.c.sparse.type, SPARSEVEC) and table.c.sparse.type.dim == cases.DIM
    indexes = {index["name"]: index for index in inspect(engine).get_indexes("items")}
    assert indexes["items_embedding_cosine"]["dialect_options"]["postgresql_using"] == "hnsw"
    assert indexes["items_embedding_cosine"]["column_names"] == ["embedding"]


def test_ivfflat(engine):
    index = Index(
        "items_ivfflat",
        Item.embedding,
        postgresql_using="ivfflat",
        postgresql_with={"lists": 5},
        postgresql_ops={"embedding": "vector_cosine_ops"},
        _table=Item.__table__,
    )
    index.create(engine)
    try:
        assert any(found["name"] == "items_ivfflat" and found["dialect_options"]["postgresql_using"] == "ivfflat"
                   for found in inspect(engine).get_indexes("items"))
    finally:
        index.drop(engine)
        Item.__table__.indexes.discard(index)


def test_errors(engine):
    with Session(engine) as session:
        session.add(Item(id=1000, embedding=[1, 2]))
        with pytest.raises((StatementError, DBAPIError), match="expected 8 dimensions, not 2"):
            session.commit()
    with Session(engine) as session, pytest.raises(DBAPIError, match="expected 8 dimensions, not 2"):
        session.execute(text("INSERT INTO items (id, embedding) VALUES (1001, '[1,2]')"))


def test_asyncpg(engine, database):
    async def search():
        async_engine = create_async_engine(f"postgresql+asyncpg:///{database}")
        async with async_engine.connect() as connection:
            order = Item.embedding.cosine_distance(cases.QUERY)
            found = (await connection.scalars(select(Item.id).order_by(order).limit(cases.LIMIT))).all()
        await async_engine.dispose()
        return found

    assert asyncio.run(search()) == cases.nearest("<=>")


def test_sqlmodel(engine):
    SQLModel.metadata.drop_all(engine)
    SQLModel.metadata.create_all(engine)
    with SqlmodelSession(engine) as session:
        session.add_all([Document(embedding=[1, 2, 3]), Document(embedding=[1, 1, 2]), Document(embedding=None)])
        session.commit()
        found = session.exec(sqlmodel_select(Document).order_by(Document.embedding.l2_distance([1, 1, 1])).limit(2)).all()
        assert [document.id for document in found] == [2, 1]
        assert Vector(list(found[0].embedding)) == Vector([1, 1, 2])
