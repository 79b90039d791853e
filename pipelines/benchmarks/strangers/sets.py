"""The sets: real ones, cut by users, density and time, and synthetic worlds; none of them is large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.benchmarks.strangers.worlds import Tables, World, with_noise
from recsys.data.sources import find
from recsys.seeding import stream


def _movielens_100k() -> Tables:
    folder = find("movielens-100k")
    items = pd.read_csv(folder / "items.csv", usecols=["item_id", "year", "genres", "director", "cast"])
    return Tables(_read(folder, "interactions.csv"), pd.read_csv(folder / "users.csv"), items)


def _newest_20() -> Tables:
    """The last twenty events of each user of MovieLens 100K: sparse."""
    full = _movielens_100k()
    events = full.interactions.sort_values(["user_id", "timestamp"], kind="stable")
    return Tables(events.groupby("user_id").tail(20), full.users, full.items)


def _shuffled_columns() -> Tables:
    """MovieLens 100K with the rows of its tables permuted: all columns are noise."""
    full, rng = _movielens_100k(), stream(0, "strangers", "shuffled")
    assert full.items is not None
    assert full.users is not None
    return Tables(full.interactions, _permuted(full.users, "user_id", rng), _permuted(full.items, "item_id", rng))


def _movielens_1m_users() -> Tables:
    """A thousand users of MovieLens 1M with all their events."""
    folder = find("movielens-1m")
    events = pd.read_parquet(folder / "interactions.parquet")
    return _of_movielens_1m(folder, _some_users(events, 800))


def _movielens_1m_first_10() -> Tables:
    """The first ten events of 3,000 users of MovieLens 1M: tiny histories."""
    folder = find("movielens-1m")
    events = pd.read_parquet(folder / "interactions.parquet").sort_values(["user_id", "position"])
    events = _some_users(events, 3000)
    return _of_movielens_1m(folder, events.groupby("user_id").head(10))


def _beauty() -> Tables:
    folder = find("amazon-beauty")
    events = _some_users(pd.read_parquet(folder / "interactions.parquet"), 4500)
    often = events["item_id"].map(events["item_id"].value_counts()) >= 2
    return Tables(events[often], None, pd.read_csv(folder / "items.csv"))


def _gowalla() -> Tables:
    """Users of Gowalla and the places that five of them visited, ids alone; the file has no order: theirs is random."""
    events = _some_users(pd.read_parquet(find("gowalla") / "train.parquet"), 4000)
    often = events["item_id"].map(events["item_id"].value_counts()) >= 5
    events = events[often].sample(frac=1.0, random_state=0)
    return Tables(events.assign(position=events.groupby("user_id").cumcount()))


def _noisy(tables: Callable[[], Tables], columns: int) -> Callable[[], Tables]:
    return lambda: with_noise(tables(), columns, seed=0)


def _world(world: World) -> Callable[[], Tables]:
    return lambda: world.tables(seed=0)


SHOP = World(users=3000, items=2500, events=9, taste=2.0, hidden=0.6, decay=60.0, repeats=0.1)
MUSIC = World(users=1000, items=3000, events=45, least=8, taste=1.2, hidden=1.2, order=1.0, repeats=0.05, categories=40)

SETS: dict[str, Callable[[], Tables]] = {
    "movielens-100k": _movielens_100k,
    "movielens-100k-newest-20": _newest_20,
    "movielens-100k-shuffled-columns": _shuffled_columns,
    "movielens-1m-800-users": _movielens_1m_users,
    "movielens-1m-first-10": _movielens_1m_first_10,
    "beauty-4500-users": _beauty,
    "gowalla-4000-users": _gowalla,
    "shop": _world(SHOP),
    "shop-ten-noise-columns": _noisy(_world(SHOP), 10),
    "music": _world(MUSIC),
    "order": _world(World(users=1500, items=600, events=14, taste=0.5, hidden=0.3, order=4.0, popularity=0.5)),
    "content": _world(World(users=2000, items=4000, events=7, taste=3.0, hidden=0.0, popularity=0.3, categories=60)),
    "drift": _world(World(users=3000, items=1200, events=10, taste=1.0, hidden=0.8, decay=15.0)),
    "repeats": _world(World(users=1200, items=900, events=25, taste=1.5, hidden=1.0, repeats=0.5)),
    "popularity": _world(World(users=2000, items=1000, events=6, taste=0.0, hidden=0.0, popularity=1.2)),
    "tiny": _world(World(users=120, items=80, events=10, taste=2.0, hidden=0.5, categories=8)),
    "long": _world(World(users=200, items=2000, events=250, least=60, taste=1.5, hidden=1.5, popularity=0.7)),
}
"""Name -> the function that makes its tables."""

QUICK = (
    "movielens-100k-newest-20",
    "movielens-1m-first-10",
    "beauty-4500-users",
    "shop",
    "shop-ten-noise-columns",
    "order",
    "content",
    "drift",
    "repeats",
    "popularity",
    "tiny",
    "long",
)
"""The sets of ``--quick``."""


def _read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, usecols=["user_id", "item_id", "timestamp"])


def _some_users(events: pd.DataFrame, n: int) -> pd.DataFrame:
    drawn = stream(0, "strangers", "users").permutation(np.sort(events["user_id"].unique()))[:n]
    return events[events["user_id"].isin(drawn)]


def _of_movielens_1m(folder: Path, events: pd.DataFrame) -> Tables:
    users = pd.read_csv(folder / "users.csv")
    items = pd.read_csv(folder / "items.csv", usecols=["item_id", "year", "genres"])
    kept = [table[table[key].isin(events[key])] for table, key in ((users, "user_id"), (items, "item_id"))]
    return Tables(events, *kept)


def _permuted(table: pd.DataFrame, key: str, rng: np.random.Generator) -> pd.DataFrame:
    mixed = table.drop(columns=key).iloc[rng.permutation(len(table))].reset_index(drop=True)
    return pd.concat([table[[key]].reset_index(drop=True), mixed], axis=1)
