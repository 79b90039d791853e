import hashlib

import numpy as np
import pytest

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Vectors


class FixedVectors:
    """An engine without learning: random vectors, drawn once; users without a history have none."""

    kind = "fixed"

    def __init__(self, n_users, n_items, seed=0, dim=8):
        rng = np.random.default_rng(seed)
        self.users = rng.normal(size=(n_users, dim)).astype(np.float32)
        self.items = rng.normal(size=(n_items, dim)).astype(np.float32)
        self.calls = 0

    def user_vectors(self, request):
        self.calls += 1
        rows = np.array([int(str(user).strip("u")) for user in request.users.vocabulary.ids])
        return Vectors(self.users[rows], valid=request.histories.lengths > 0)

    def item_vectors(self, items, at=None):
        return Vectors(self.items)


def world(n_users=50, n_items=30, text_ids=True, seed=1):
    rng = np.random.default_rng(seed)
    users = [f"u{n:04d}" if text_ids else n for n in range(n_users)]
    items = [f"item {n}" if text_ids else n * 10 for n in range(n_items)]
    events = 300
    return Dataset(
        "world",
        EntityTable.bare(Vocabulary(np.array(users, object if text_ids else np.int64))),
        EntityTable.bare(Vocabulary(np.array(items, object if text_ids else np.int64))),
        Interactions.of(
            rng.integers(0, n_users - 3, events), rng.integers(0, n_items, events), rng.integers(0, 100, events)
        ),
        has_timestamps=True,
    )


def digests(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir())}


@pytest.fixture
def data():
    return world()


@pytest.fixture
def engine(data):
    return FixedVectors(data.n_users, data.n_items)
