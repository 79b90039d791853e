"""Synthetic interactions of any number with realistic popularity, activity, taste and order, and titles of items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.seeding import stream

FORMATS = ("parquet", "one-parquet", "csv", "csv.gz")
"""A folder of Parquet files, or one Parquet, CSV or gzipped CSV file."""

EVENTS_A_USER, ITEMS_OF_20M = 92, 27_000
"""Of MovieLens 20M, whose 138,000 users have 12.7 million ratings of 4 and above."""
_CLUSTERS, _TASTE, _FOLLOWS = 60, 0.7, 0.25
"""Clusters of items; share of a user's choices within the own clusters; share that follow on the choice before."""
_SPREAD = 1.1
"""Standard deviation of the logarithm of users' activity."""
_START, _YEARS = 1_400_000_000, 3
_USERS_A_PART = 50_000


@dataclass(frozen=True)
class Size:
    """Numbers of interactions, users and items, which grow as those of the MovieLens sets do.

    Args:
        events: about so many interactions; no pair of user and item twice.

    Example:
        >>> Size(12_700_000).users, Size(12_700_000).items
        (138043, 27000)
    """

    events: int

    @property
    def users(self) -> int:
        return max(self.events // EVENTS_A_USER, 1)

    @property
    def items(self) -> int:
        return max(int(ITEMS_OF_20M * (self.events / 12_700_000) ** 0.5), 200)


@dataclass(frozen=True)
class World:
    """The interactions and items of a profile, see `write`."""

    size: Size
    form: str = "parquet"
    text_ids: bool = False

    def folder(self, output: Path) -> Path:
        """Its own among those of other worlds."""
        form = "" if self.form == "parquet" else f"-{self.form}"
        return output / f"{self.size.events}{form}{'-texts' * self.text_ids}"

    def write(self, folder: Path) -> int:
        """Writes interactions and items into ``folder``; returns the number of interactions."""
        write_items(self.size, folder / "items.parquet", text_ids=self.text_ids)
        return write(self.size, folder / "interactions", form=self.form, text_ids=self.text_ids)


def write(size: Size, folder: Path, seed: int = 0, form: str = "parquet", text_ids: bool = False) -> int:
    """Writes interactions with user_id, item_id and timestamp into ``folder``; returns the number of rows.

    A user has two of 60 clusters of items; popularity within a cluster and over all items is log-uniform by rank, as
    Zipf's law has it; a quarter of the choices follow on the one before. Activity is log-normal.

    Args:
        size: of the set.
        folder: gets ``part-00000.parquet`` and so on, or ``interactions.parquet``, ``.csv`` or ``.csv.gz``.
        seed: of all draws.
        form: one of `FORMATS`.
        text_ids: whether ids are texts, such as ``user-17``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shuffled = stream(seed, "scale", "ids").permutation(size.items)
    rows, writer = 0, None
    for part, first in enumerate(range(0, size.users, _USERS_A_PART)):
        users = np.arange(first, min(first + _USERS_A_PART, size.users))
        table = pa.Table.from_pandas(_part(size, users, shuffled, stream(seed, "scale", part)), preserve_index=False)
        if text_ids:
            for place, name in enumerate(("user", "item")):
                texts = pc.binary_join_element_wise(name, table.column(place).cast(pa.string()), "-")
                table = table.set_column(place, f"{name}_id", texts)
        if form == "parquet":
            pq.write_table(table, folder / f"part-{part:05d}.parquet")
        else:
            writer = writer or _writer(folder, form, table.schema)
            writer.write_table(table)
        rows += len(table)
    if writer is not None:
        writer.close()
    return rows


def _writer(folder: Path, form: str, schema: pa.Schema) -> pq.ParquetWriter | pa.csv.CSVWriter:
    if form == "one-parquet":
        return pq.ParquetWriter(folder / "interactions.parquet", schema)
    path = folder / f"interactions.{form}"
    return pa.csv.CSVWriter(pa.CompressedOutputStream(path, "gzip") if form == "csv.gz" else path, schema)


def write_items(size: Size, path: Path, seed: int = 0, text_ids: bool = False) -> None:
    """Writes a Parquet file with item_id and title: three to eight words, half of them of the item's cluster."""
    rng, shuffled = stream(seed, "scale", "titles"), stream(seed, "scale", "ids").permutation(size.items)
    lengths = rng.integers(3, 9, size.items)
    owner = np.repeat(np.arange(size.items), lengths)
    own = rng.random(len(owner)) < 0.5
    word = np.where(own, (owner % _CLUSTERS) * 40 + rng.integers(0, 40, len(owner)), rng.integers(0, 5000, len(owner)))
    words = np.char.add(np.where(own, "c", "w"), word.astype(str))
    titles = [" ".join(each) for each in np.split(words, np.cumsum(lengths)[:-1])]
    ids = np.char.add("item-", shuffled.astype(str)) if text_ids else shuffled
    pd.DataFrame({"item_id": ids, "title": titles}).to_parquet(path, index=False)


def _part(size: Size, users: NDArray[np.int64], ids: NDArray[np.int64], rng: np.random.Generator) -> pd.DataFrame:
    activity = np.exp(rng.normal(-(_SPREAD**2) / 2, _SPREAD, len(users))) * EVENTS_A_USER * 1.25
    counts = np.clip(activity, 5, size.items // 3).astype(np.int64)
    owner = np.repeat(users - users[0], counts)
    liked = rng.integers(0, _CLUSTERS, (len(users), 2))
    cluster = liked[owner, rng.integers(0, 2, len(owner))]
    in_cluster = rng.random(len(owner)) < _TASTE
    width = size.items // _CLUSTERS
    ranks = _log_uniform(np.where(in_cluster, width, size.items), rng)
    item = np.where(in_cluster, ranks * _CLUSTERS + cluster, ranks)
    follows = np.flatnonzero(rng.random(len(owner)) < _FOLLOWS)
    follows = follows[(follows > 0) & (owner[follows] == owner[follows - 1])]
    item[follows] = (item[follows - 1] + _CLUSTERS) % size.items  # the next rank of the same cluster
    start = _START + rng.integers(0, _YEARS * 365 * 86_400, len(users))
    place = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    time = start[owner] + place * 600 + rng.integers(0, 600, len(owner))
    frame = pd.DataFrame({"user_id": users[owner], "item_id": ids[item], "timestamp": time})
    return frame.drop_duplicates(["user_id", "item_id"])


def _log_uniform(sizes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Ranks below ``sizes``, each decade of ranks equally often."""
    ranks: NDArray[np.int64] = np.exp(rng.random(len(sizes)) * np.log(sizes + 1)).astype(np.int64) - 1
    return np.minimum(ranks, sizes - 1)
