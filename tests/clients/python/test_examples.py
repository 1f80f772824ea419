"""The programs of examples/, run as a person runs them. EXAMPLES_PYTHON is a Python with the model, if there is one."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SEARCH = ROOT / "examples" / "semantic_search" / "semantic_search.py"
WITH_MODEL = os.environ.get("EXAMPLES_PYTHON", "")
needs_model = pytest.mark.skipif(not WITH_MODEL, reason="make example EXAMPLE=semantic_search installs the model")


def run(python, database, *arguments, typed=""):
    done = subprocess.run([python, SEARCH, *arguments], input=typed, capture_output=True, text=True,
                          env=os.environ | {"PGDATABASE": database}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def found(output):
    """Scores and texts."""
    return [(float(score), text) for score, text in re.findall(r"^ +(-?\d\.\d{3})  (.*)$", output, re.MULTILINE)]


def test_search_without_model(database):
    question = "spinsterhood: the state of being a spinster"
    output, errors = run(sys.executable, database, "-k", "3", question)
    assert "The model is not installed" in output
    assert "10,000 of 10,000 texts" in errors
    rows = found(output)
    assert len(rows) == 3 and rows[0][0] == 1 and rows[0][1].startswith("spinsterhood: ")
    assert rows == sorted(rows, key=lambda row: -row[0])
    # The second time all is there.
    output, errors = run(sys.executable, database, "-k", "3", question)
    assert found(output) == rows and "texts" not in errors


def test_dialogue(database):
    typed = 'spinster\n{"words": {"$contains": "becalmed"}}\nspinster\n{"words": {"$foo": 1}}\nspinster\n{bad\n{}\nqqqq\n'
    output, _ = run(sys.executable, database, "-k", "4", typed=typed)
    rows = found(output)
    assert len(rows) == 5 and rows[4][1].startswith("becalmed: ")
    for answer in ["filter is set", "there is no such operator", "this is not JSON", "no filter", "no bundled text"]:
        assert answer in output


@needs_model
def test_model_is_that_of_the_bundled_vectors():
    program = """if True:
        import sys
        import numpy as np
        from minilm import MiniLM
        from semantic_search import _read
        texts, vectors = _read("queries.tsv", "queries.npy")
        cosines = (MiniLM().embed(texts) * vectors).sum(axis=1) / np.linalg.norm(vectors, axis=1)
        print(cosines.min())"""
    done = subprocess.run([WITH_MODEL, "-c", program], capture_output=True, text=True, cwd=SEARCH.parent, check=True)
    assert 0.9999 < float(done.stdout) < 1.0001


@needs_model
def test_search_with_model(database, tmp_path):
    texts = ["The cat sleeps on the sofa.", "Interest rates were raised again.", "A recipe for bread with rye flour."]
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(texts))
    arguments = ["--collection", "own", "--texts", file, "-k", "1"]
    output, errors = run(WITH_MODEL, database, *arguments, "money and banks", "baking", "a pet that is tired")
    assert "3 of 3 texts" in errors and "not installed" not in output
    assert [text for _, text in found(output)] == [texts[1], texts[2], texts[0]]
    output, errors = run(WITH_MODEL, database, "--collection", "embedded", "--embed", "--limit", "50", "-k", "1", "unmarried")
    assert "50 of 50 texts" in errors and found(output)[0][1].startswith("spinsterhood: ")


def test_durable_batches():
    """Has a server of its own, which it kills."""
    done = subprocess.run([ROOT / "scripts" / "example.sh", "durable_batches"], capture_output=True, text=True,
                          env=os.environ | {"EXAMPLES_PYTHON": sys.executable}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fsync on, synchronous_commit on" in done.stdout
    for line, times in {"processes of the server": 2, "by their ids +5000$": 2, "through the index +5000$": 2,
                        "by the UUID +5000$": 2, "by the name +5000$": 2, "the index sound +True$": 2,
                        r"vectors/s   a batch: p50 [\d.]+ ms": 2, "Nothing was lost": 1}.items():
        assert len(re.findall(line, done.stdout, re.MULTILINE)) == times, (line, done.stdout)
