"""Synthetic shops and services, whose tables look like those of strangers: a few columns matter, many do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.seeding import stream

Floats = NDArray[np.float64]
_DAY = 86_400
_START = 1_600_000_000


@dataclass(frozen=True)
class Tables:
    """The tables of a set, as a user would bring them.

    Args:
        interactions: ``user_id, item_id`` and ``timestamp`` or ``position``.
        users: ``user_id`` and columns; None without.
        items: ``item_id`` and columns; None without.
    """

    interactions: pd.DataFrame
    users: pd.DataFrame | None = None
    items: pd.DataFrame | None = None


@dataclass(frozen=True)
class World:
    r"""Softmax choices among the items on offer, driven by popularity, categories, hidden taste and the last item.

    .. math:: \log p(i \mid u, t) \propto a \log \pi_i + c\, \theta_{u, k(i)} + h\, p_u \cdot q_i
              + s\, [k(i) = \sigma(k(i_{t-1}))] - \mathrm{age}_i(t) / d

    with Zipf popularity :math:`\pi`, the category k of an item, a user's taste :math:`\theta` for categories, hidden
    factors p, q, a successor :math:`\sigma` of each category, and the age of an item in days since its launch.

    Args:
        users: U.
        items: I.
        events: mean of a user's events; their number is geometric above ``least``.
        least: fewest events of a user.
        categories: number of categories, shown in the column ``category``; two of them share a ``brand``.
        popularity: a.
        taste: c.
        hidden: h.
        order: s.
        decay: d in days; 0 offers every item always.
        repeats: share of events that repeat an earlier one of the user.
        days: over which the users come.
    """

    users: int = 2500
    items: int = 1500
    events: float = 9.0
    least: int = 3
    categories: int = 24
    popularity: float = 1.0
    taste: float = 2.0
    hidden: float = 1.0
    order: float = 0.0
    decay: float = 0.0
    repeats: float = 0.0
    days: int = 300

    def tables(self, seed: int) -> Tables:
        """A sample: times in seconds, items with ``category`` and ``brand``, users with ``segment`` and ``age``."""
        rng = stream(seed, "strangers", "world")
        kind = rng.integers(self.categories, size=self.items)
        theta = rng.gumbel(size=(self.users, self.categories))
        factors = rng.normal(size=(self.users, 8)), rng.normal(size=(self.items, 8)) / np.sqrt(8)
        fixed = self.taste * theta[:, kind] + self.hidden * factors[0] @ factors[1].T
        fixed += -self.popularity * np.log(1.0 + rng.permutation(self.items))
        launched = rng.uniform(-0.3, 1.0, self.items) * self.days
        users, chosen, days = self._choices(fixed, kind, launched, rng)
        events = pd.DataFrame(
            {"user_id": users, "item_id": chosen + 1000, "timestamp": _START + (days * _DAY).astype(int)}
        )
        events = events.sort_values("timestamp", kind="stable").reset_index(drop=True)
        return Tables(events, self._users(theta, rng), self._items(kind, rng))

    def _choices(
        self, fixed: Floats, kind: NDArray[np.int64], launched: Floats, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        counts = self.least + rng.geometric(1 / max(self.events - self.least, 1.0), self.users) - 1
        counts = np.minimum(counts, self.items // 3)
        successor = rng.permutation(self.categories)
        day = rng.uniform(0, self.days * 0.7, self.users)
        gap = rng.exponential(self.days * 0.3 / self.events, self.users) + 0.01
        seen = np.zeros((self.users, self.items), bool)
        past = np.full((self.users, counts.max()), -1, np.int64)
        rows: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
        for step in range(counts.max()):
            active = np.flatnonzero((counts > step) & (day < self.days))
            if not len(active):
                break
            logits = np.where(seen[active], -np.inf, fixed[active])
            if self.decay:
                age = day[active, None] - launched
                logits = np.where(age < 0, -np.inf, logits - np.maximum(age, 0) / self.decay)
            if step and self.order:
                logits = logits + self.order * (kind == successor[kind[past[active, step - 1]]][:, None])
            item = (logits + rng.gumbel(size=logits.shape)).argmax(1)
            if step and self.repeats:
                again = rng.random(len(active)) < self.repeats
                item = np.where(again, past[active, rng.integers(step, size=len(active))], item)
            past[active, step] = item
            seen[active, item] = True
            rows.append((active, item, day[active].copy()))
            day[active] += gap[active] * rng.exponential(size=len(active))
        users, items, days = zip(*rows, strict=True)
        return np.concatenate(users), np.concatenate(items), np.concatenate(days)

    def _users(self, theta: Floats, rng: np.random.Generator) -> pd.DataFrame:
        n = self.users
        segment = np.where(rng.random(n) < 0.7, theta.argmax(1) // 2, rng.integers(self.categories // 2, size=n))
        ages = rng.integers(18, 80, n)
        return pd.DataFrame({"user_id": np.arange(n), "segment": [f"s{s}" for s in segment], "age": ages})

    def _items(self, kind: NDArray[np.int64], rng: np.random.Generator) -> pd.DataFrame:
        ids = np.arange(self.items) + 1000
        return pd.DataFrame(
            {"item_id": ids, "category": [f"c{k}" for k in kind], "brand": [f"b{k // 2}" for k in kind]}
        )


def with_noise(tables: Tables, columns: int, seed: int) -> Tables:
    """The tables with ``columns`` more item columns, and half as many user columns, that carry nothing."""
    rng = stream(seed, "strangers", "noise")
    items = tables.items
    if items is None:
        items = pd.DataFrame({"item_id": np.sort(tables.interactions["item_id"].unique())})
    users = tables.users
    if users is None:
        users = pd.DataFrame({"user_id": np.sort(tables.interactions["user_id"].unique())})
    return Tables(tables.interactions, _noisy(users, columns // 2, rng), _noisy(items, columns, rng))


def _noisy(table: pd.DataFrame, columns: int, rng: np.random.Generator) -> pd.DataFrame:
    makers = (_category, _number, _tags, _wide_category, _unique)
    there = sum(str(name).startswith("added_") for name in table)
    drawn = {f"added_{there + n}": makers[n % len(makers)](len(table), rng) for n in range(columns)}
    return pd.concat([table.reset_index(drop=True), pd.DataFrame(drawn)], axis=1)


def _category(n: int, rng: np.random.Generator) -> pd.Series:
    return pd.Series([f"v{value}" for value in rng.integers(12, size=n)])


def _wide_category(n: int, rng: np.random.Generator) -> pd.Series:
    return pd.Series([f"w{value}" for value in rng.integers(max(n // 6, 2), size=n)])


def _number(n: int, rng: np.random.Generator) -> pd.Series:
    return pd.Series(np.round(rng.lognormal(3.0, 1.0, n), 2))


def _tags(n: int, rng: np.random.Generator) -> pd.Series:
    return pd.Series(["|".join(f"t{tag}" for tag in rng.integers(200, size=3)) for _ in range(n)])


def _unique(n: int, rng: np.random.Generator) -> pd.Series:
    return pd.Series([f"SKU-{value:07d}" for value in rng.permutation(n * 7)[:n]])
