import django.contrib.postgres.indexes
import django.db.models.functions.comparison
import pgvector.django
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        pgvector.django.VectorExtension(),
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("embedding", pgvector.django.VectorField(dimensions=8, null=True)),
                ("half", pgvector.django.HalfVectorField(dimensions=8, null=True)),
                ("sparse", pgvector.django.SparseVectorField(dimensions=8, null=True)),
                ("bits", pgvector.django.BitField(length=32, null=True)),
            ],
            options={
                "indexes": [
                    pgvector.django.HnswIndex(
                        ef_construction=64, fields=["embedding"], m=16, name="item_l2", opclasses=["vector_l2_ops"]
                    ),
                    pgvector.django.HnswIndex(
                        fields=["embedding"], name="item_cosine", opclasses=["vector_cosine_ops"]
                    ),
                    pgvector.django.IvfflatIndex(
                        fields=["half"], lists=5, name="item_lists", opclasses=["halfvec_cosine_ops"]
                    ),
                    pgvector.django.HnswIndex(
                        django.contrib.postgres.indexes.OpClass(
                            django.db.models.functions.comparison.Cast(
                                "embedding", pgvector.django.HalfVectorField(dimensions=8)
                            ),
                            name="halfvec_l2_ops",
                        ),
                        name="item_half",
                    ),
                ],
            },
        ),
    ]
