"""What every client is tested with: repeatable rows, and the exact answers computed with NumPy.

The numbers are multiples of 1/128, so that every type holds them exactly and their text forms are short. The nearest
have no ties, except among bits, where distances are compared instead of ids.
"""

import numpy as np

DIM = 8
ROWS = 300
BITS = 32
LIMIT = 10

_random = np.random.default_rng(1)
VECTORS = (_random.integers(-255, 256, (ROWS, DIM)) / 128).astype(np.float32)
QUERY = (_random.integers(-255, 256, DIM) / 128).astype(np.float32)
BIT_ROWS = _random.integers(0, 2, (ROWS, BITS)).astype(bool)
BIT_QUERY = _random.integers(0, 2, BITS).astype(bool)
# Half of the elements are zero.
SPARSE_ROWS = np.where(_random.integers(0, 2, (ROWS, DIM)).astype(bool), VECTORS, 0).astype(np.float32)
SPARSE_ROWS[:, 0] = VECTORS[:, 0]

# operator: the middle of the operator class's name
OPERATORS = {"<->": "l2", "<#>": "ip", "<=>": "cosine", "<+>": "l1"}
BIT_OPERATORS = {"<~>": "hamming", "<%>": "jaccard"}

# Enough effort that an index's answer over so few rows is the exact one, and no other plan than the index.
BY_INDEX = ["SET hnsw.ef_search = 300", "SET ivfflat.probes = 10", "SET enable_seqscan = off", "SET enable_sort = off"]


def distances(operator, rows=VECTORS, query=QUERY):
    """Distances of all rows, in double precision."""
    rows, query = rows.astype(np.float64), query.astype(np.float64)
    match operator:
        case "<->":
            return np.sqrt(((rows - query) ** 2).sum(axis=1))
        case "<#>":
            return -(rows @ query)
        case "<=>":
            return 1 - (rows @ query) / (np.linalg.norm(rows, axis=1) * np.linalg.norm(query))
        case "<+>":
            return np.abs(rows - query).sum(axis=1)
        case "<~>":
            return (rows != query).sum(axis=1).astype(np.float64)
        case "<%>":
            both = np.logical_and(rows, query).sum(axis=1)
            either = np.logical_or(rows, query).sum(axis=1)
            return 1 - both / either
    raise ValueError(operator)


def nearest(operator, rows=VECTORS, query=QUERY, limit=LIMIT):
    """Ids (from 1) of the nearest rows."""
    return [int(i) + 1 for i in np.argsort(distances(operator, rows, query), kind="stable")[:limit]]


def nearest_distances(operator, rows=VECTORS, query=QUERY, limit=LIMIT):
    """Distances of the nearest rows."""
    return [float(d) for d in np.sort(distances(operator, rows, query))[:limit]]


def close(actual, expected):
    """Whether numbers are the same up to single precision."""
    return np.allclose(np.asarray(actual, dtype=np.float64), expected, rtol=1e-4, atol=1e-5)


def text(vector):
    """The text form of a vector."""
    return "[" + ",".join(repr(float(x)) for x in vector) + "]"


def bit_text(bits):
    """The text form of a bit string."""
    return "".join("1" if bit else "0" for bit in bits)


def uses_index(plan, name):
    """Whether the text of a plan reads that index."""
    return f"Index Scan using {name}" in plan


for _operator in OPERATORS:
    for _rows in (VECTORS, SPARSE_ROWS):
        _nearest = nearest_distances(_operator, _rows, limit=LIMIT + 1)
        assert min(np.diff(_nearest)) > 1e-5, f"ties by {_operator}: choose another seed"
