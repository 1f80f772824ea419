"""Peewee: fields, operators, indexes."""

import numpy as np
import pytest
from peewee import DataError, Model, PostgresqlDatabase, fn
from pgvector import HalfVector, SparseVector
from pgvector.peewee import FixedBitField, HalfVectorField, SparseVectorField, VectorField

import cases

METHODS = {"<->": "l2_distance", "<#>": "max_inner_product", "<=>": "cosine_distance", "<+>": "l1_distance"}


@pytest.fixture(scope="module")
def model(database):
    db = PostgresqlDatabase(database)

    class Item(Model):
        embedding = VectorField(dimensions=cases.DIM, null=True)
        half = HalfVectorField(dimensions=cases.DIM, null=True)
        sparse = SparseVectorField(dimensions=cases.DIM, null=True)
        bits = FixedBitField(max_length=cases.BITS, null=True)

        class Meta:
            database = db
            table_name = "items"

    Item.add_index("embedding vector_l2_ops", using="hnsw")
    Item.add_index("embedding vector_cosine_ops", using="hnsw", name="items_cosine")
    with db:
        db.execute_sql("CREATE EXTENSION IF NOT EXISTS vector")
        db.create_tables([Item])
        for setting in cases.BY_INDEX:
            db.execute_sql(setting)
        Item.create(embedding=cases.VECTORS[0], half=HalfVector(cases.VECTORS[0]),
                    sparse=SparseVector(cases.SPARSE_ROWS[0]), bits=cases.bit_text(cases.BIT_ROWS[0]))
        Item.insert_many(
            [
                {"embedding": cases.VECTORS[i], "half": HalfVector(cases.VECTORS[i]),
                 "sparse": SparseVector(cases.SPARSE_ROWS[i]), "bits": cases.bit_text(cases.BIT_ROWS[i])}
                for i in range(1, cases.ROWS)
            ]
        ).execute()
        yield Item
    db.close()


@pytest.mark.parametrize("operator", list(METHODS))
def test_search(model, operator):
    for field, query, rows in [(model.embedding, cases.QUERY, cases.VECTORS),
                               (model.half, HalfVector(cases.QUERY), cases.VECTORS),
                               (model.sparse, SparseVector(cases.QUERY), cases.SPARSE_ROWS)]:
        distance = getattr(field, METHODS[operator])(query)
        found = model.select(model.id, distance.alias("distance")).order_by(distance).limit(cases.LIMIT)
        assert [item.id for item in found] == cases.nearest(operator, rows)
        assert cases.close([float(item.distance) for item in found], cases.nearest_distances(operator, rows))


def test_bits(model):
    for operator, method in [("<~>", "hamming_distance"), ("<%>", "jaccard_distance")]:
        distance = getattr(model.bits, method)(cases.bit_text(cases.BIT_QUERY))
        found = model.select(distance.alias("distance")).order_by(distance).limit(cases.LIMIT)
        expected = cases.nearest_distances(operator, cases.BIT_ROWS, cases.BIT_QUERY)
        assert cases.close([float(item.distance) for item in found], expected)


def test_index_is_used(model):
    rows = model._meta.database.execute_sql(
        "EXPLAIN SELECT id FROM items ORDER BY embedding <=> %s LIMIT 5", (cases.text(cases.QUERY),)
    )
    assert cases.uses_index("\n".join(row[0] for row in rows), "items_cosine")


def test_values_update_delete(model):
    with model._meta.database.atomic() as transaction:
        item = model.get_by_id(2)
        assert np.array_equal(np.asarray(item.embedding, dtype=np.float32), cases.VECTORS[1])
        item.embedding = [100] * cases.DIM
        item.save()
        far = model.embedding.l2_distance([100] * cases.DIM)
        assert model.select().order_by(far).first().id == 2
        model.delete_by_id(2)
        assert model.select().order_by(far).first().id != 2
        average = model.select(fn.avg(model.embedding).coerce(True)).scalar()
        assert cases.close(average, np.delete(cases.VECTORS, 1, axis=0).mean(axis=0))
        transaction.rollback()


def test_errors(model):
    with pytest.raises(DataError, match="expected 8 dimensions, not 2"), model._meta.database.atomic():
        model.create(embedding=[1, 2])
