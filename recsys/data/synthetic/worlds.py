"""Small synthetic data sets whose best ranking is known, for tests and examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.synthetic.planted import PlantedTaste
from recsys.data.synthetic.raw_tables import START, write_tables
from recsys.data.vocabulary import Vocabulary
from recsys.seeding import stream

__all__ = ["START", "BlockTaste", "PlantedTaste", "SequenceRule", "write_tables"]


@dataclass(frozen=True)
class BlockTaste:
    """Stochastic block model: a user chooses items of the own block, and random ones for a share of ``noise``.

    The best ranking is known: the items of the own block first, whose `block_share` is 1.

    Each item column depends on the block: ``genre`` is its name, ``mood`` are two tags, its name and one that all
    blocks share, ``size`` is its number plus noise, ``blurb`` is a text with its name. Of users, ``team`` is the name
    of the block, and ``age`` is independent of it.

    Args:
        users: U.
        items: I, at least ``blocks`` times ``events``.
        events: of each user, all of distinct items.
        blocks: user ``u`` and item ``i`` are in block ``u % blocks`` and ``i % blocks``.
        noise: share of choices that are drawn from all items.
        new_items: additional items without interactions.
    """

    users: int = 40
    items: int = 24
    events: int = 7
    blocks: int = 2
    noise: float = 0.0
    new_items: int = 0

    def dataset(self, seed: int = 0) -> Dataset:
        """The world; users are called ``u000``, items are integers that start at 100."""
        rng = stream(seed, "block_taste")
        chosen = np.concatenate([self._chosen(user, rng) for user in range(self.users)])
        step = np.tile(np.arange(self.events), self.users)
        user = np.repeat(np.arange(self.users), self.events)
        interactions = Interactions.of(user, chosen, START + 3600 * step + user)
        return Dataset("block_taste", self._users(rng), self._items(rng), interactions, has_timestamps=True)

    def block_share(self, items: NDArray[np.integer]) -> float:
        """The share of recommended item rows [U, K] that lie in the user's block."""
        users = np.arange(len(items))[:, None]
        return float((items % self.blocks == users % self.blocks).mean())

    def _chosen(self, user: int, rng: np.random.Generator) -> NDArray[np.int64]:
        own = rng.permutation(np.arange(user % self.blocks, self.items, self.blocks))
        anything = rng.permutation(self.items)
        mixed = np.where(rng.random(self.items) < self.noise, anything, np.resize(own, self.items))
        distinct = list(dict.fromkeys(mixed.tolist()))
        return np.array((distinct + [i for i in own.tolist() if i not in distinct])[: self.events], np.int64)

    def _items(self, rng: np.random.Generator) -> EntityTable:
        n = self.items + self.new_items
        names = [_name(item % self.blocks) for item in range(n)]
        blurbs = [f"a story of the {name} kind, number {number}" for number, name in enumerate(names)]
        columns = pd.DataFrame(
            {
                "genre": pd.Series(names, dtype="str"),
                "mood": pd.Series([f"{name}|shared" for name in names], dtype="str"),
                "size": np.arange(n) % self.blocks + rng.normal(0, 0.1, n),
                "blurb": pd.Series(blurbs, dtype="str"),
            }
        )
        schema = Schema.of({"genre": "categorical", "mood": "tags", "size": "numeric", "blurb": "text"})
        return EntityTable(Vocabulary(np.arange(100, 100 + n)), columns, schema)

    def _users(self, rng: np.random.Generator) -> EntityTable:
        teams = pd.Series([_name(user % self.blocks) for user in range(self.users)], dtype="str")
        columns = pd.DataFrame({"team": teams, "age": rng.integers(18, 80, self.users).astype(np.float64)})
        ids = Vocabulary(np.array([f"u{user:03d}" for user in range(self.users)], dtype=object))
        return EntityTable(ids, columns, Schema.of({"team": "categorical", "age": "numeric"}))


@dataclass(frozen=True)
class SequenceRule:
    """After item ``i`` comes item ``(i + stride) % items``; each user starts at a random item.

    All items are about equally frequent, so that popularity does not help; the last item determines the next.

    Args:
        users: U.
        items: I.
        events: of each user; at most ``items``, so that nothing is chosen twice.
        stride: without a common divisor with ``items``.
        noise: share of steps that go anywhere instead.
    """

    users: int = 60
    items: int = 20
    events: int = 8
    stride: int = 3
    noise: float = 0.0

    def dataset(self, seed: int = 0) -> Dataset:
        """The sample as a dataset without timestamps: times are positions."""
        rng = stream(seed, "sequence_rule")
        walks = np.empty((self.users, self.events), np.int64)
        walks[:, 0] = rng.permutation(np.resize(np.arange(self.items), self.users))
        for step in range(1, self.events):
            lost = rng.random(self.users) < self.noise
            walks[:, step] = np.where(lost, rng.integers(self.items, size=self.users), self.next(walks[:, step - 1]))
        user = np.repeat(np.arange(self.users), self.events)
        interactions = Interactions.of(user, walks.ravel(), np.tile(np.arange(self.events), self.users))
        users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (self.users, self.items))
        return Dataset("sequence_rule", users, items, interactions, has_timestamps=False)

    def next(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """What follows each of ``items`` by the rule."""
        following: NDArray[np.int64] = (items + self.stride) % self.items
        return following


def _name(block: int) -> str:
    """``north``, ``east``, ...; numbered beyond the fourth."""
    return ("north", "east", "south", "west")[block] if block < 4 else f"block{block}"
