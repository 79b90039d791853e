import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from recsys.choices import Choices
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Vectors


class Together:
    """A tiny engine: an item's vector is its group, one-hot, and a user's the sum over the items of their history."""

    kind = "together"

    def __init__(self, groups):
        self.groups = groups

    def user_vectors(self, request):
        counts = request.histories.to_csr(len(request.items)).toarray()
        return Vectors(counts @ self.item_vectors(request.items).dense)

    def item_vectors(self, items, at=None):
        return Vectors(self.groups[: len(items)])

    def save(self, directory):
        directory.mkdir()
        save_file({"groups": self.groups}, directory / "groups.safetensors")
        (directory / "engine.json").write_text(json.dumps({"dim": 2}))

    @classmethod
    def load(cls, directory):
        return cls(load_file(directory / "groups.safetensors")["groups"])


@pytest.fixture(autouse=True)
def together(monkeypatch):
    monkeypatch.setattr("recsys.registry.bundle.ENGINES", Choices("engine", {"together": f"{__name__}:Together"}))


@pytest.fixture
def data():
    """Items 0, 2, 4 are one group and 1, 3, 5 the other; user u0 saw item 0, u1 saw items 1 and 3."""
    return Dataset(
        "pairs",
        EntityTable.bare(Vocabulary.of(["u0", "u1"])),
        EntityTable.bare(Vocabulary.of([f"i{n}" for n in range(6)])),
        Interactions.of(np.array([0, 1, 1]), np.array([0, 1, 3]), np.array([0, 0, 1])),
        has_timestamps=True,
    )


@pytest.fixture
def engine():
    groups = np.zeros((6, 2), np.float32)
    groups[[0, 2, 4], 0] = groups[[1, 3, 5], 1] = 1
    return Together(groups)
