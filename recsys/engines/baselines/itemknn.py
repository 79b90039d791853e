"""Item-based nearest neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.sparse import nearest_items, preferences, rows_of
from recsys.engines.storage import (
    csr_from,
    csr_parts,
    history_vectors,
    known_rows,
    load_arrays,
    save_arrays,
)


class ItemKNNConfig(EngineConfig):
    """Options of the item neighbourhoods.

    Args:
        neighbours: neighbours kept for each item.
        shrinkage: added to the denominator of the cosine, so that similarities of rare items count less.
        weighting: of the user-item matrix before the cosine: ``binary``, or ``idf`` (active users count less). Where
            the data gives weights, the entries of the matrix are these, divided by their mean, in both.
        decay: weight of one step back in time when a user's history is summed; 1 ignores the order.
    """

    neighbours: int = Field(100, ge=1)
    shrinkage: float = Field(10.0, ge=0)
    weighting: Literal["binary", "idf"] = "binary"
    decay: float = Field(1.0, gt=0, le=1)


class ItemKNN(Engine):
    r"""Scores an item by its shrunk cosine to the items of the history (Sarwar et al., WWW 2001).

    .. math:: s_{ij} = \frac{x_i \cdot x_j}{|x_i| |x_j| + \lambda}

    of which each item keeps its largest. A user's vector is the decayed history, an item's vector the similarities to
    its neighbours; both are sparse. Cheap, and a strong baseline when tuned (Dacrema et al., RecSys 2019).

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> ItemKNN(neighbours=5).fit(data).weights.shape
        (14, 14)
    """

    kind = "itemknn"
    Config = ItemKNNConfig
    config: ItemKNNConfig

    items: Vocabulary
    weights: sp.csr_array
    counts: NDArray[np.int64]
    weighted: bool = False
    """Whether training had weights, so that those of a history count too."""

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        matrix, self.weighted = preferences(data, train), train.has_weights
        if self.config.weighting == "idf":
            activity, seen = np.maximum((matrix != 0).sum(1), 1), (self.counts > 0).sum()
            matrix = sp.diags_array(np.sqrt(np.log1p(seen / activity))).astype(np.float32) @ matrix
        self.weights = nearest_items(sp.csr_array(matrix), self.config.neighbours, self.config.shrinkage)

    def user_vectors(self, request: Request) -> Vectors:
        return history_vectors(request, self.items, self.counts, self.config.decay, self.weighted)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = known_rows(items, self.items, self.counts)
        return Vectors(sparse=rows_of(self.weights, rows), valid=rows >= 0)

    def save(self, directory: Path) -> None:
        arrays = {**csr_parts(self.weights), "counts": self.counts, "weighted": np.array([self.weighted])}
        save_arrays(directory, self.config, self.items, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, ItemKNNConfig, ("counts",))
        engine = cls(config)
        engine.items, engine.weights, engine.counts = items, csr_from(arrays, len(items)), arrays["counts"]
        engine.weighted = bool(arrays["weighted"][0])
        return engine
