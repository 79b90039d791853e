"""Item embeddings by skip-gram over histories."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.learning import TrainedConfig, run_training
from recsys.engines.skip_gram.pairs import SkipGram, nearby_pairs
from recsys.engines.storage import decayed_history, dense_vectors, load_arrays, save_arrays, seen_table
from recsys.training.loop import LoopOptions


class Item2VecConfig(TrainedConfig):
    """Options of skip-gram with negative sampling.

    Args:
        dim: D.
        window: pairs are at most this many steps apart.
        negatives: C shared negatives per batch, drawn by popularity to the power 0.75.
        k: the C negatives are weighted so that they count like ``k`` negatives per pair.
        decay: weight of one step back in time when a user's history is averaged; 1 ignores the order.
        batch_pairs: pairs per step.
        training: the training loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    dim: int = Field(64, ge=2)
    window: int = Field(5, ge=1)
    negatives: int = Field(512, ge=1)
    k: float = Field(5.0, gt=0)
    decay: float = Field(0.9, gt=0, le=1)
    batch_pairs: int = Field(8192, ge=1)
    training: LoopOptions = LoopOptions(epochs=5, learning_rate=0.01)


class Item2Vec(Engine):
    """Skip-gram with negative sampling over histories, with items as the words (Barkan & Koenigstein, 2016).

    A user's vector is the decayed mean of the input vectors of the history, scored against the output vectors of the
    items. Its item table is a cheap pretrained input of a `TwoTower`.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> Item2Vec(dim=4, epochs=1).fit(data).item_table().dim
        4
    """

    kind = "item2vec"
    Config = Item2VecConfig

    config: Item2VecConfig
    items: Vocabulary
    inner: NDArray[np.float32]
    """float32 [I, D]: the input (centre) vectors."""
    outer: NDArray[np.float32]
    """float32 [I, D]: the output (context) vectors."""
    counts: NDArray[np.int64]

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        torch.manual_seed(context.seed)
        config, pairs = self.config, nearby_pairs(train, self.config.window)
        task = SkipGram(lambda *_: pairs, self.counts, config.dim, config.negatives, config.k, config.batch_pairs)
        run_training(self, task, data, train, context)
        self.inner = task.module.inner.weight.detach().cpu().numpy()
        self.outer = task.module.outer.weight.detach().cpu().numpy()

    def user_vectors(self, request: Request) -> Vectors:
        history = decayed_history(request, self.items, self.counts, self.config.decay)
        total = np.maximum(np.asarray(history.sum(1)), 1e-12)[:, None]
        dense = (history @ self.inner) / total
        return Vectors(dense=dense.astype(np.float32), valid=np.diff(history.indptr) > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return dense_vectors(items, self.items, self.counts, self.outer)

    def item_table(self) -> EmbeddingTable:
        """The input vectors of the items that training saw."""
        return seen_table(self.kind, self.config, self.items, self.counts > 0, self.inner)

    def save(self, directory: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {"inner": self.inner, "outer": self.outer, "counts": self.counts}
        save_arrays(directory, self.config, self.items, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, cls.Config, ("counts", "inner", "outer"))
        engine = cls(config)
        engine.items, engine.counts = items, arrays["counts"]
        engine.inner, engine.outer = arrays["inner"], arrays["outer"]
        return engine
