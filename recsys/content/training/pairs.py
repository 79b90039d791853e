"""Positive pairs of items: the same user chose both within a window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.content.embedder import EmbedderContext
from recsys.data.interactions import Interactions
from recsys.errors import ConfigError

Pairs = NDArray[np.int64]
"""int64 [N, 2]: rows of two items."""


class PairSampler:
    """Draws an event and another of the same user at most ``window`` steps later, both items among ``usable``.

    Args:
        train: training interactions.
        window: largest number of steps between the two.
        usable: bool [I], the items that may be in pairs.
    """

    def __init__(self, train: Interactions, window: int, usable: NDArray[np.bool_]) -> None:
        selected = train.select(usable[train.item])
        self.user, self.item, self.window = np.asarray(selected.user), np.asarray(selected.item, np.int64), window
        later = np.flatnonzero(np.diff(self.user, append=-1) == 0)
        self.starts = later
        if not len(later):
            raise ConfigError("no user chose two items that have content; there is no behaviour to learn from")

    def __len__(self) -> int:
        return len(self.starts)

    def draw(self, starts: NDArray[np.int64], rng: np.random.Generator) -> Pairs:
        """int64 [n, 2]: positive pairs of items, one for each of ``starts``, in random order within the pair.

        The second item is up to ``window`` steps after the first; beyond the end of the history, the next one is taken.

        Args:
            starts: int64 [n], positions of first items among the ``len`` possible ones.
            rng: draws the steps and the order.
        """
        first = self.starts[starts]
        second = np.minimum(first + rng.integers(1, self.window + 1, len(first)), len(self.item) - 1)
        second = np.where(self.user[second] == self.user[first], second, first + 1)
        pairs = np.stack([self.item[first], self.item[second]], 1)
        swap = rng.random(len(pairs)) < 0.5
        pairs[swap] = pairs[swap, ::-1]
        return pairs


def behaviour(context: EmbedderContext, window: int, usable: NDArray[np.bool_]) -> PairSampler:
    """The sampler of pairs from ``context.train``.

    Raises:
        ConfigError: there are no training interactions.
    """
    if context.train is None:
        raise ConfigError("this embedder learns from behaviour; give it training interactions")
    return PairSampler(context.train, window, usable)
