"""node2vec: skip-gram over biased walks on the user-item graph (Grover & Leskovec, KDD 2016)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.graph import Graph
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.embeddings import EmbeddingTable
from recsys.engine import Request, Resources, Vectors
from recsys.engines.learning import learn
from recsys.engines.skip_gram import Pairs, SkipGram
from recsys.engines.storage import decayed_history, known_rows, load_arrays, save_arrays, seen_table
from recsys.tracking import Tracker
from recsys.training.loop import LoopOptions

Floats = NDArray[np.float32]


class Node2VecConfig(Config):
    """Walks, and the skip-gram over them.

    Args:
        dim: D.
        walks: from each node in an epoch, drawn anew for each.
        length: nodes a walk.
        window: pairs are at most this many steps apart; items are two steps from each other.
        p: above 1 a walk returns less.
        q: above 1 a walk stays near, below 1 it goes far.
        negatives: C shared negatives a batch, drawn by degree to the power 0.75; each weighs ``k / C``.
        k: negatives that a pair counts for.
        decay: weight of a step when a user's history is summed; 1 forgets the order.
        batch_pairs: N.
        training: the loop.
    """

    dim: int = Field(64, ge=2)
    walks: int = Field(1, ge=1)
    length: int = Field(10, ge=2)
    window: int = Field(2, ge=1)
    p: float = Field(1.0, gt=0)
    q: float = Field(1.0, gt=0)
    negatives: int = Field(512, ge=1)
    k: float = Field(5.0, gt=0)
    decay: float = Field(1.0, gt=0, le=1)
    batch_pairs: int = Field(16_384, ge=1)
    training: LoopOptions = LoopOptions(epochs=5, learning_rate=0.01)


class Node2Vec:
    """Vectors of users and items alike; a user is the decayed mean of the history's centre vectors.

    Items are scored by their vectors as neighbours. The vectors that users get in training serve the walks alone, so
    that a user whom training never saw is placed as any other.
    """

    kind: ClassVar[str] = "node2vec"
    Config: ClassVar[type[Config]] = Node2VecConfig
    can_place_new_users: ClassVar[bool] = True
    can_place_new_items: ClassVar[bool] = False

    items: Vocabulary
    counts: NDArray[np.int64]
    inner: Floats
    outer: Floats

    def __init__(self, config: Any = None, resources: Resources | None = None) -> None:
        self.config: Node2VecConfig = config or Node2VecConfig()
        self.resources = resources or Resources()

    def fit(self, data: Dataset, train: Interactions, tracker: Tracker) -> None:
        config = self.config
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        graph = Graph.of_interactions(train, data.n_users, data.n_items)
        starts = np.repeat(np.flatnonzero(graph.degrees), config.walks)

        def pairs(epoch: int, rng: np.random.Generator) -> Pairs:
            return walked_pairs(graph.walks(starts, config.length, rng, config.p, config.q), config.window)

        torch.manual_seed(self.resources.seed)
        task = SkipGram(pairs, graph.degrees, config.dim, config.negatives, config.k, config.batch_pairs)
        learn(task, config.training, self.resources, tracker, "node2vec", train.fingerprint, config.model_dump_json())
        tables = (task.module.inner, task.module.outer)
        self.inner, self.outer = (table.weight.detach().cpu().numpy()[data.n_users :].copy() for table in tables)

    def user_vectors(self, request: Request) -> Vectors:
        history = decayed_history(request, self.items, self.counts, self.config.decay)
        total = np.maximum(np.asarray(history.sum(1)), 1e-12)[:, None]
        dense = (history @ self.inner) / total
        return Vectors(dense=dense.astype(np.float32), placed=np.diff(history.indptr) > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = known_rows(items, self.items, self.counts)
        return Vectors(dense=np.where((rows >= 0)[:, None], self.outer[rows], np.float32(0)), placed=rows >= 0)

    def item_table(self) -> EmbeddingTable:
        """The centre vectors of the items that training saw."""
        return seen_table(self.kind, self.config, self.items, self.counts > 0, self.inner)

    def save(self, directory: Path) -> None:
        arrays: dict[str, NDArray[Any]] = {"inner": self.inner, "outer": self.outer, "counts": self.counts}
        save_arrays(directory, self.config, self.items, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, Node2VecConfig)
        engine = cls(config)
        engine.items, engine.counts = items, arrays["counts"]
        engine.inner, engine.outer = arrays["inner"], arrays["outer"]
        return engine


def walked_pairs(walks: NDArray[np.int64], window: int) -> Pairs:
    """int64 [N, 2]: both directions of every pair of nodes of a walk at most ``window`` steps apart.

    Example:
        >>> walked_pairs(np.array([[4, 7, 5], [9, -1, -1]]), 1).tolist()
        [[4, 7], [7, 5], [7, 4], [5, 7]]
    """
    found = []
    for step in range(1, min(window, walks.shape[1] - 1) + 1):
        pair = np.stack([walks[:, :-step].ravel(), walks[:, step:].ravel()], 1)
        pair = pair[pair[:, 1] != MISSING]
        found += [pair, pair[:, ::-1]]
    return np.concatenate(found)
