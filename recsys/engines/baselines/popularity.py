"""Popularity: the same ranking for every user."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.storage import dense_vectors, load_arrays, save_arrays


class PopularityConfig(EngineConfig):
    """Options of the count: which interactions it takes.

    Args:
        window: with timestamps, only the last ``window`` days of the training interactions count; 0 counts all.
        recent: without timestamps, only the newest ``recent`` interactions of each user count; 0 counts all.
    """

    window: float = Field(0.0, ge=0)
    recent: int = Field(0, ge=0)


class Popularity(Engine):
    """Ranks items by their number of interactions, or by the sum of their weights.

    Every user has the vector (1) and an item its count, so it is the baseline that any personal model must beat, and
    the fallback for users without history and features. With a window it ranks by current popularity.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> Popularity(window=30).fit(data).supports_cold_users
        True
    """

    kind = "popularity"
    Config = PopularityConfig
    config: PopularityConfig

    items: Vocabulary
    counts: NDArray[np.float32]

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.items = data.items.vocabulary
        counted = train
        if data.has_timestamps and self.config.window and len(train):
            counted = train.select(train.time > train.time.max() - self.config.window * 86_400)
        elif self.config.recent:
            after = train.offsets(data.n_users)[1:][train.user] - np.arange(len(train))
            counted = train.select(after <= self.config.recent)
        # A millionth of the all-time popularity ranks the items without interactions in the window.
        recent, whole = (np.bincount(part.item, part.weight, data.n_items) for part in (counted, train))
        self.counts = (recent + 1e-6 * whole).astype(np.float32)

    def user_vectors(self, request: Request) -> Vectors:
        return Vectors(dense=np.ones((len(request), 1), np.float32))

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return dense_vectors(items, self.items, self.counts, self.counts[:, None])

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.config, self.items, {"counts": self.counts})

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, cls.Config, ("counts",))
        engine = cls(config)
        engine.items, engine.counts = items, arrays["counts"]
        return engine
