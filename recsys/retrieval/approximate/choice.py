"""Which index searches the items of an engine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from recsys.data.dataset import Dataset
from recsys.engine import Request, VectorModel, Vectors
from recsys.ranking import Ranker, device_of
from recsys.retrieval import INDEXES
from recsys.retrieval.approximate.built import IndexSetting
from recsys.retrieval.approximate.search import Approximate
from recsys.retrieval.index import BuildIndex

_USERS = 1000


def index_builder(
    name: str, engine: VectorModel, data: Dataset, beside: Path | None = None, multiple: int = 1
) -> BuildIndex:
    """Makes indexes of the items of ``data`` for any candidates; an approximate one is built once for all of them.

    Args:
        name: in `recsys.retrieval.INDEXES`.
        engine: a fitted engine, whose vectors of users an approximate index is tried on.
        data: users, their histories, and items.
        beside: the folder of the bundle; an approximate index is kept beside it, under the name with ``.faiss`` or
            ``.hnsw``. None keeps it in memory.
        multiple: see `recsys.ranking.Ranker`.

    Raises:
        ConfigError: the index is unknown.
    """
    if name == "exact":
        return partial(Ranker, multiple=multiple, device=device_of(engine))
    folder = None if beside is None else beside.with_name(f"{beside.name}.{name}")
    asked = partial(sampled_users, engine, data)
    index = INDEXES[name]
    assert issubclass(index, Approximate), "all others are approximate"
    return index.sharing(IndexSetting(asked, folder, data.items.vocabulary.ids))


def sampled_users(engine: VectorModel, data: Dataset) -> Vectors:
    """The vectors of at most a thousand random users; none where there are no histories."""
    rows = np.random.default_rng(0).permutation(data.n_users if len(data.interactions) else 0)[:_USERS]
    return engine.user_vectors(Request.from_dataset(data, np.sort(rows)))
