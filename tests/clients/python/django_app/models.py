from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Cast
from pgvector.django import BitField, HalfVectorField, HnswIndex, IvfflatIndex, SparseVectorField, VectorField


class Item(models.Model):
    embedding = VectorField(dimensions=8, null=True)
    half = HalfVectorField(dimensions=8, null=True)
    sparse = SparseVectorField(dimensions=8, null=True)
    bits = BitField(length=32, null=True)

    class Meta:
        indexes = [
            HnswIndex(name="item_l2", fields=["embedding"], m=16, ef_construction=64, opclasses=["vector_l2_ops"]),
            HnswIndex(name="item_cosine", fields=["embedding"], opclasses=["vector_cosine_ops"]),
            IvfflatIndex(name="item_lists", fields=["half"], lists=5, opclasses=["halfvec_cosine_ops"]),
            HnswIndex(OpClass(Cast("embedding", HalfVectorField(dimensions=8)), name="halfvec_l2_ops"), name="item_half"),
        ]
