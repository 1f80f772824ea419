"""LangChain's two stores, with an embedder that needs no model: tables and extension as LangChain creates them."""

import hashlib
import os

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_postgres import PGEngine, PGVector, PGVectorStore
from langchain_postgres.v2.indexes import DistanceStrategy as StoreDistance
from langchain_postgres.v2.indexes import HNSWIndex, HNSWQueryOptions, IVFFlatIndex

DIM = 16
TEXTS = [f"document number {i}" for i in range(120)]
pytestmark = pytest.mark.filterwarnings("ignore")


class FakeEmbeddings(Embeddings):
    """The same numbers for the same text, on every machine."""

    def embed_query(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32).tolist()

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


def nearest(query, distance, texts=TEXTS, limit=5):
    embed = FakeEmbeddings().embed_query
    return sorted(texts, key=lambda text: distance(np.array(embed(text)), np.array(embed(query))))[:limit]


def l2(a, b):
    return np.linalg.norm(a - b)


def cosine(a, b):
    return 1 - (a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))


def inner(a, b):
    return -(a @ b)


def url(database):
    return f"postgresql+psycopg://{os.environ['PGUSER']}@/{database}?host={os.environ['PGHOST']}"


@pytest.mark.parametrize(("strategy", "distance"), [("cosine", cosine), ("l2", l2), ("inner", inner)])
def test_pgvector(database, strategy, distance):
    store = PGVector(
        embeddings=FakeEmbeddings(), collection_name=f"by_{strategy}", connection=url(database),
        distance_strategy=strategy, use_jsonb=True, pre_delete_collection=True,
    )
    documents = [Document(page_content=text, metadata={"number": i, "even": i % 2 == 0}) for i, text in enumerate(TEXTS)]
    ids = store.add_documents(documents, ids=[f"{strategy}-{i}" for i in range(len(TEXTS))])
    assert len(ids) == len(TEXTS)

    found = store.similarity_search("some question", k=5)
    assert [document.page_content for document in found] == nearest("some question", distance)

    scored = store.similarity_search_with_score("some question", k=5)
    embed = FakeEmbeddings().embed_query
    for document, score in scored:
        expected = distance(np.array(embed(document.page_content)), np.array(embed("some question")))
        assert score == pytest.approx(expected, abs=1e-4)

    even = store.similarity_search("some question", k=5, filter={"even": {"$eq": True}})
    assert [document.page_content for document in even] == nearest("some question", distance, TEXTS[::2])

    # The same ids again: an update by ON CONFLICT.
    store.add_documents([Document(page_content="replaced", metadata={})], ids=[f"{strategy}-0"])
    assert store.similarity_search("replaced", k=1)[0].page_content == "replaced"
    store.delete(ids=[f"{strategy}-0"])
    assert store.similarity_search("replaced", k=1)[0].page_content != "replaced"
    assert len(store.max_marginal_relevance_search("some question", k=3)) == 3


@pytest.mark.parametrize(
    ("strategy", "distance", "index"),
    [(StoreDistance.COSINE_DISTANCE, cosine, "vector_cosine_ops"), (StoreDistance.EUCLIDEAN, l2, "vector_l2_ops"),
     (StoreDistance.INNER_PRODUCT, inner, "vector_ip_ops")],
    ids=["cosine", "l2", "inner"],
)
async def test_pgvectorstore(database, strategy, distance, index):
    import psycopg

    engine = PGEngine.from_connection_string(url(database))
    table = f"store_{index}"
    await engine.ainit_vectorstore_table(table_name=table, vector_size=DIM)
    store = await PGVectorStore.create(
        engine=engine, table_name=table, embedding_service=FakeEmbeddings(), distance_strategy=strategy,
        index_query_options=HNSWQueryOptions(ef_search=200),
    )
    await store.aadd_texts(TEXTS)
    found = await store.asimilarity_search("some question", k=5)
    assert [document.page_content for document in found] == nearest("some question", distance)

    await store.aapply_vector_index(HNSWIndex(name=f"{table}_hnsw", distance_strategy=strategy))
    assert await store.ais_valid_index(f"{table}_hnsw")
    with psycopg.connect(dbname=database) as connection:
        definition = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", (f"{table}_hnsw",))
        definition = definition.fetchone()[0]
        # The default operator class is not spelled out.
        assert "USING hnsw (embedding" in definition and (index in definition or index == "vector_l2_ops")
        connection.execute("ALTER DATABASE " + database + " SET enable_seqscan = off")
    found = await store.asimilarity_search("some question", k=5)
    assert [document.page_content for document in found] == nearest("some question", distance)
    await store.areindex(f"{table}_hnsw")
    await store.adrop_vector_index(f"{table}_hnsw")
    await store.aapply_vector_index(IVFFlatIndex(name=f"{table}_lists", distance_strategy=strategy, lists=4))
    assert await store.ais_valid_index(f"{table}_lists")
    found = await store.asimilarity_search("some question", k=5)
    assert len(found) == 5
    await engine.close()
