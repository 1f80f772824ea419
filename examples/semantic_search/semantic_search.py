"""Search 10,000 definitions, or your own lines of text, by what they mean.

semantic_search.py "a machine that flies" "being afraid of the dark"
semantic_search.py --filter '{"words": {"$contains": "bank"}}' money river
semantic_search.py --texts notes.txt --collection notes
semantic_search.py                               asks for questions

The server is libpq's to find: PGHOST, PGDATABASE and so on. Texts stay there; what is there is not loaded again.
"""

import argparse
import collections
import json
import math
import pathlib
import re
import sys
import time
import uuid

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

DATA = pathlib.Path(__file__).resolve().parents[2] / "data" / "wordnet-10k"
BATCH = 100
NO_MODEL = "The model is not installed (requirements.txt beside this program): searching with the bundled vectors."


class Bundled:
    """The bundled texts and their vectors, which are of the same model; stands in for it where it is not installed."""

    def __init__(self):
        self.definitions, self.vectors = _read("texts.tsv", "base.npy")
        more, more_vectors = _read("queries.tsv", "queries.npy")
        self.texts = self.definitions + more
        self.all_vectors = np.concatenate([self.vectors, more_vectors])
        self.words = [_words(text) for text in self.texts]
        self.frequency = collections.Counter(word for words in self.words for word in words)

    def embed(self, texts):
        """Vectors of those bundled texts that share most with the given ones: rare words count for more."""
        return np.stack([self.all_vectors[self._closest(text)] for text in texts])

    def _closest(self, text):
        asked = _words(text)

        def likeness(words):
            shared = sum(math.log(len(self.words) / self.frequency[word]) for word in asked & words)
            return shared / (1 + len(words)) ** 0.5

        best = max(range(len(self.texts)), key=lambda number: likeness(self.words[number]))
        if not asked & self.words[best]:
            raise LookupError(f"no bundled text has a word of: {text}")
        print(f"  (asking for the closest bundled text: {_short(self.texts[best])})")
        return best


def _read(texts, vectors):
    with open(DATA / texts, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t", 1)[1] for line in file]
    return lines, np.load(DATA / vectors).astype(np.float32)


def _words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def _short(text, length=110):
    return text if len(text) <= length else text[: length - 3] + "..."


def describe(text):
    """Metadata of a definition: "word, another word: what they mean; "an example"." """
    words, _, meaning = text.partition(": ")
    return {"words": words.split(", "), "length": len(meaning.split()), "example": '"' in meaning}


def show_progress(done, total, start):
    if not sys.stderr.isatty() and done < total:
        return
    filled = 30 * done // total
    rate = done / max(time.perf_counter() - start, 1e-6)
    bar = "#" * filled + "." * (30 - filled)
    print(f"\r  [{bar}] {done:,} of {total:,} texts, {rate:,.0f} a second", end="", file=sys.stderr)
    if done == total:
        print(file=sys.stderr)


def load(connection, collection, texts, metadata, embed):
    """Batch by batch, each a transaction: what is interrupted goes on where it was."""
    ids = [uuid.uuid5(uuid.NAMESPACE_OID, text) for text in texts]
    there = connection.execute("SELECT id FROM proxima.get(%b, ids => %b)", [collection, ids], binary=True).fetchall()
    there = {row[0] for row in there}
    # Texts of one length together: the model fills the shorter ones up.
    missing = sorted({own: n for n, own in enumerate(ids) if own not in there}.values(), key=lambda n: len(texts[n]))
    start = time.perf_counter()
    for first in range(0, len(missing), BATCH):
        batch = missing[first : first + BATCH]
        connection.execute(
            "SELECT * FROM proxima.upsert(%b, %b, %b, %b, %b)",
            [collection, [ids[n] for n in batch], [Vector(vector) for vector in embed(batch)],
             [texts[n] for n in batch], [Jsonb(metadata[n]) for n in batch]],
        )
        show_progress(first + len(batch), len(missing), start)


def open_collection(connection, name):
    """The UUID of the collection, which is made if it is not there."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS proxima")
    register_vector(connection)
    try:
        return connection.execute("SELECT proxima.collection_id(%s)", [name]).fetchone()[0]
    except psycopg.errors.UndefinedTable:
        return connection.execute("SELECT proxima.create_collection(%s, 384)", [name]).fetchone()[0]


def fill(connection, collection, arguments, model, bundled):
    if arguments.texts:
        if model is bundled:
            sys.exit(NO_MODEL + "\nOf texts of your own there are no bundled vectors.")
        lines = arguments.texts.read_text(encoding="utf-8").splitlines()
        texts = [line.strip() for line in lines if line.strip()]
        metadata = [{"length": len(text.split())} for text in texts]
    else:
        texts = bundled.definitions[: arguments.limit]
        metadata = [describe(text) for text in texts]
    if arguments.embed or arguments.texts:
        load(connection, collection, texts, metadata, lambda batch: model.embed([texts[n] for n in batch]))
    else:
        load(connection, collection, texts, metadata, lambda batch: bundled.vectors[batch])


def search(connection, collection, question, arguments, model):
    try:
        vector = Vector(model.embed([question])[0])
    except LookupError as nothing:
        print(f"  {nothing}")
        return
    start = time.perf_counter()
    found = connection.execute(
        "SELECT score, document FROM proxima.search(%s, %s, k => %s, filter => %s)",
        [collection, vector, arguments.k, arguments.filter and Jsonb(arguments.filter)],
    ).fetchall()
    milliseconds = (time.perf_counter() - start) * 1000
    for score, document in found:
        print(f"  {score:6.3f}  {_short(document)}")
    print(f"  {len(found)} found in {milliseconds:.1f} ms")


def ask(connection, collection, arguments, model):
    print('What do you look for? A line that is {"words": {"$contains": "bank"}} or so sets the filter, {} ends it.')
    while True:
        try:
            line = input("? ").strip()
        except EOFError:
            print()
            return
        try:
            if line.startswith("{"):
                arguments.filter = json.loads(line)
                print("  filter is set" if arguments.filter else "  no filter")
            elif line:
                search(connection, collection, line, arguments, model)
        except json.JSONDecodeError as wrong:
            print(f"  this is not JSON: {wrong}")
        except psycopg.Error as wrong:
            print(f"  {wrong.diag.message_primary or wrong}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", help="what to search for; without any they are asked for")
    parser.add_argument("-k", type=int, default=5, help="how many to find (5)")
    parser.add_argument("--filter", type=json.loads, help="which may be found, as JSON: see Collections in the README")
    parser.add_argument("--texts", type=pathlib.Path, help="a file of texts, one per line, instead of the definitions")
    parser.add_argument("--collection", default="definitions", help="where they are kept (definitions)")
    parser.add_argument("--embed", action="store_true", help="embed the definitions instead of reading their vectors")
    parser.add_argument("--limit", type=int, help="only so many of the definitions")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    bundled = Bundled()
    try:
        from minilm import MiniLM

        model = MiniLM()
    except ImportError:
        print(NO_MODEL)
        model = bundled
    if arguments.embed and model is bundled:
        sys.exit("--embed needs the model.")
    with psycopg.connect(autocommit=True) as connection:
        collection = open_collection(connection, arguments.collection)
        fill(connection, collection, arguments, model, bundled)
        for question in arguments.questions:
            print(question)
            search(connection, collection, question, arguments, model)
        if not arguments.questions:
            ask(connection, collection, arguments, model)


if __name__ == "__main__":
    main()
