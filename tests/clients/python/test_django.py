"""Django: the extension and the indexes by migration, models, distance functions."""

import os

import django
import numpy as np
import pytest
from django.conf import settings

import cases


@pytest.fixture(scope="module")
def model(database):
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": database,
                               "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
                               "USER": os.environ["PGUSER"]}},
        INSTALLED_APPS=["django.contrib.postgres", "django_app"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django_app.models import Item

    call_command("migrate", verbosity=0)
    Item(embedding=cases.VECTORS[0], half=cases.VECTORS[0], sparse=sparse(cases.SPARSE_ROWS[0]),
         bits=cases.bit_text(cases.BIT_ROWS[0])).save()
    Item.objects.bulk_create(
        Item(embedding=cases.VECTORS[i], half=cases.VECTORS[i], sparse=sparse(cases.SPARSE_ROWS[i]),
             bits=cases.bit_text(cases.BIT_ROWS[i]))
        for i in range(1, cases.ROWS)
    )
    with connection.cursor() as cursor:
        for setting in cases.BY_INDEX:
            cursor.execute(setting)
    yield Item
    connection.close()


def sparse(row):
    from pgvector import SparseVector

    return SparseVector(row)


def functions():
    from pgvector.django import CosineDistance, L1Distance, L2Distance, MaxInnerProduct

    return {"<->": L2Distance, "<#>": MaxInnerProduct, "<=>": CosineDistance, "<+>": L1Distance}


def test_models_and_migrations_agree(model):
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("operator", list(cases.OPERATORS))
def test_search(model, operator):
    function = functions()[operator]
    for field, query, rows in [("embedding", cases.QUERY, cases.VECTORS), ("half", cases.QUERY, cases.VECTORS),
                               ("sparse", sparse(cases.QUERY), cases.SPARSE_ROWS)]:
        found = model.objects.annotate(distance=function(field, query)).order_by("distance")[: cases.LIMIT]
        assert [item.id for item in found] == cases.nearest(operator, rows)
        assert cases.close([item.distance for item in found], cases.nearest_distances(operator, rows))


def test_bits(model):
    from pgvector.django import HammingDistance, JaccardDistance

    for operator, function in [("<~>", HammingDistance), ("<%>", JaccardDistance)]:
        distance = function("bits", cases.bit_text(cases.BIT_QUERY))
        found = model.objects.annotate(distance=distance).order_by("distance")[: cases.LIMIT]
        expected = cases.nearest_distances(operator, cases.BIT_ROWS, cases.BIT_QUERY)
        assert cases.close([item.distance for item in found], expected)


def test_indexes_are_used(model):
    from django.db.models.functions import Cast
    from pgvector.django import CosineDistance, HalfVectorField, L2Distance

    half = L2Distance(Cast("embedding", HalfVectorField(dimensions=8)), cases.QUERY)
    for order, index, operator in [(L2Distance("embedding", cases.QUERY), "item_l2", "<->"),
                                   (CosineDistance("embedding", cases.QUERY), "item_cosine", "<=>"),
                                   (CosineDistance("half", cases.QUERY), "item_lists", "<=>"),
                                   (half, "item_half", "<->")]:
        found = model.objects.order_by(order)[: cases.LIMIT]
        assert cases.uses_index(found.explain(), index)
        assert [item.id for item in found] == cases.nearest(operator)


def test_values_filters_aggregates(model):
    from django.db.models import Avg, Sum
    from pgvector.django import L2Distance

    item = model.objects.get(pk=6)
    assert np.array_equal(np.asarray(item.embedding, dtype=np.float32), cases.VECTORS[5])
    assert item.sparse == sparse(cases.SPARSE_ROWS[5])
    assert item.bits == cases.bit_text(cases.BIT_ROWS[5])
    near = cases.nearest_distances("<->", limit=20)[-1] + 1e-4
    found = model.objects.alias(distance=L2Distance("embedding", cases.QUERY)).filter(distance__lt=near)
    assert sorted(item.id for item in found) == sorted(cases.nearest("<->", limit=20))
    assert cases.close(model.objects.aggregate(Avg("embedding"))["embedding__avg"], cases.VECTORS.mean(axis=0))
    assert np.allclose(model.objects.aggregate(Sum("embedding"))["embedding__sum"], cases.VECTORS.sum(axis=0), atol=1e-3)


def test_update_and_delete(model):
    from django.db import transaction
    from pgvector.django import L2Distance

    far = [100.0] * cases.DIM
    with transaction.atomic():
        item = model.objects.get(pk=3)
        item.embedding = far
        item.save()
        nearest = model.objects.order_by(L2Distance("embedding", far))
        assert nearest.first().id == 3
        item.delete()
        assert nearest.first().id != 3
        transaction.set_rollback(True)


def test_errors(model):
    from django.db import transaction
    from django.db.utils import DataError

    with pytest.raises(DataError, match="expected 8 dimensions, not 2"), transaction.atomic():
        model(embedding=[1, 2]).save()
