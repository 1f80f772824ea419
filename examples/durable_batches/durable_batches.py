"""Batches that were acknowledged outlive the server: 5,000 sentence embeddings go into a collection in 50 batches of
100; when the last COMMIT has returned, all processes of the server are killed. Is every row there after a restart?

scripts/example.sh durable_batches starts a private server with fsync for this, and gives it to this program to kill.
"""

import pathlib
import subprocess
import sys
import time
import uuid

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "data" / "wordnet-10k"
BATCHES, ROWS = 50, 100
ALL = BATCHES * ROWS
ROUNDS = 5


class Rows:
    """What a client has in its hands: ids, vectors, texts, metadata."""

    def __init__(self, first, last):
        with open(DATA / "texts.tsv", encoding="utf-8") as file:
            self.documents = [line.rstrip("\n").split("\t", 1)[1] for line in file][first:last]
        self.embeddings = np.load(DATA / "base.npy")[first:last].astype(np.float32)
        self.vectors = [Vector(embedding) for embedding in self.embeddings]
        self.metadata = [Jsonb({"row": number, "batch": number // ROWS}) for number in range(first, last)]
        self.ids = [uuid.uuid5(uuid.NAMESPACE_OID, f"row {number}") for number in range(first, last)]


def connect():
    connection = psycopg.connect(dbname="postgres")
    connection.execute("CREATE EXTENSION IF NOT EXISTS proxima")
    connection.commit()
    register_vector(connection)
    return connection


def upsert(connection, collection, rows, batch):
    connection.execute(
        "SELECT * FROM proxima.upsert(%b, %b, %b, %b, %b)",
        [collection, rows.ids[batch], rows.vectors[batch], rows.documents[batch], rows.metadata[batch]],
    )


def copy(connection, _collection, rows, batch):
    """A collection is a table, so COPY writes it, too, under its name."""
    sql = "COPY measured (id, embedding, document, metadata) FROM STDIN (FORMAT binary)"
    with connection.cursor().copy(sql) as stream:
        stream.set_types(["uuid", "vector", "text", "jsonb"])
        for row in zip(rows.ids[batch], rows.vectors[batch], rows.documents[batch], rows.metadata[batch]):
            stream.write_row(row)


def write_batches(connection, collection, rows, write):
    """Seconds from handing over each batch until its COMMIT has returned."""
    seconds = []
    for first in range(0, ALL, ROWS):
        start = time.perf_counter()
        write(connection, collection, rows, slice(first, first + ROWS))
        connection.commit()
        seconds.append(time.perf_counter() - start)
    return seconds


def expect(what, found, wanted):
    print(f"  {what:<58} {found}{'' if found == wanted else f'   WRONG: expected {wanted}'}")
    return found == wanted


def check(connection, collection, rows):
    """Whether every row is there, by UUID, name, id and search with the index, and none that was not committed."""

    def ask(sql, *arguments):
        return connection.execute(sql, arguments, binary=True).fetchall()

    good = expect("rows, by the UUID", ask("SELECT proxima.count_rows(%b::uuid)", collection)[0][0], ALL)
    good &= expect("rows, by the name", ask("SELECT proxima.count_rows('memories')")[0][0], ALL)
    good &= expect("the name leads to the UUID", ask("SELECT proxima.collection_id('memories')")[0][0], collection)
    found = ask("SELECT id, document, metadata, embedding FROM proxima.get(%b, ids => %b, with_vectors => true)",
                collection, rows.ids)
    same = sum(
        row[:3] == (rows.ids[place], rows.documents[place], rows.metadata[place].obj)
        and np.array_equal(row[3].to_numpy(), rows.embeddings[place])
        for place, row in enumerate(found)
    )
    good &= expect("rows that are byte for byte what was sent, by their ids", same, ALL)
    connection.execute("SELECT set_config(name, 'off', true) FROM unnest('{enable_seqscan,enable_sort}'::text[]) name")
    nearest = ask("SELECT id, distance FROM proxima.search_batch(%b, %b, k => 1)", collection, rows.vectors)
    # Two texts may have the same vector.
    itself = sum(row[0] == own or row[1] < 1e-6 for row, own in zip(nearest, rows.ids))
    good &= expect("vectors that find themselves through the index", itself, ALL)
    share = recall(ask, collection, rows)
    print(f"  {'share of the truly nearest ten that searches find':<58} {share:.4f}")
    sound = ask("SELECT proxima.check_index('memories_embedding_idx')")[0][0]["sound"]
    good &= expect("proxima.check_index() finds the index sound", sound, True)
    connection.rollback()
    return good and share >= 0.95


def recall(ask, collection, rows):
    """Against exact distances, by NumPy, for queries that are no rows."""
    queries = np.load(DATA / "queries.npy").astype(np.float32)
    scores = queries @ rows.embeddings.T
    farthest = np.sort(scores, axis=1)[:, -10]
    found = ask("SELECT query, id FROM proxima.search_batch(%b, %b)", collection, [Vector(query) for query in queries])
    place = {own: number for number, own in enumerate(rows.ids)}
    hits = sum(scores[query - 1, place[row]] >= farthest[query - 1] - 1e-6 for query, row in found)
    return hits / (10 * len(queries))


def crash():
    subprocess.run([ROOT / "scripts" / "cluster.sh", "crash", "durable_batches"], check=True)


def prove(rows):
    connection = connect()
    settings = connection.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')").fetchone()
    collection = connection.execute("SELECT proxima.create_collection('memories', 384)").fetchone()[0]
    connection.commit()
    print(f"collection memories is {collection}; fsync {settings[0]}, synchronous_commit {settings[1]}")
    # A transaction that nobody has acknowledged, and nobody may find.
    other = connect()
    upsert(other, collection, Rows(ALL, ALL + ROWS), slice(0, ROWS))
    write_batches(connection, collection, rows, upsert)
    crash()
    print(f"{BATCHES} batches of {ROWS} had been acknowledged, one was under way. After the restart:")
    connection = connect()
    good = check(connection, collection, rows)
    flushed = connection.execute("SELECT proxima.flush(%s)", [collection]).fetchone()[0]
    connection.commit()
    crash()
    print(f"And after proxima.flush(), which answered {flushed}, and another crash:")
    return check(connect(), collection, rows) and good


def measure(rows):
    """Each batch a transaction; the median of several collections."""
    print(f"{BATCHES} batches of {ROWS}, a COMMIT for each, the median of {ROUNDS} times:")
    connection = connect()
    connection.execute("CREATE TABLE marks (number int)")
    connection.commit()
    for name, write in [("proxima.upsert(), arrays", upsert), ("COPY, binary", copy)]:
        rounds = []
        for _ in range(ROUNDS):
            collection = connection.execute("SELECT proxima.create_collection('measured', 384)").fetchone()[0]
            connection.commit()
            rounds.append(write_batches(connection, collection, rows, write))
            connection.execute("SELECT proxima.drop_collection(%s)", [collection])
            connection.commit()
        seconds = sorted(rounds, key=sum)[ROUNDS // 2]
        p50, p99 = np.percentile(seconds, [50, 99]) * 1000
        print(f"  {name:<26} {ALL / sum(seconds):9,.0f} vectors/s   a batch: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    seconds = write_batches(connection, None, rows, lambda c, *_: c.execute("INSERT INTO marks VALUES (1)"))
    print(f"  for comparison, a COMMIT of a row with one number: p50 {np.percentile(seconds, 50) * 1000:.2f} ms")


def main():
    # In order with what the scripts print.
    sys.stdout.reconfigure(line_buffering=True)
    rows = Rows(0, ALL)
    good = prove(rows)
    measure(rows)
    print("Nothing was lost." if good else "SOMETHING WAS LOST.")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
