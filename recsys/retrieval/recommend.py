"""Batch recommendation: every user of a dataset, in constant memory, once each, resumed after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.engine import Engine, Request, Vectors
from recsys.errors import DataError
from recsys.retrieval import INDEXES, parts
from recsys.retrieval.filters import allowed_rows
from recsys.retrieval.manifest import Manifest
from recsys.tracking import SilentTracker, Tracker, tracked


class RecommendOptions(Config):
    """How a batch is made.

    Args:
        k: items a user gets at most.
        filter_seen: leave out what the user's history holds.
        shard_size: users in one Parquet part.
        index: a name of `recsys.retrieval.INDEXES`.
        allow: item ids that may be recommended; None is all.
        deny: item ids that may not.
        at: the moment recommended for, in the clock of the dataset; None is now.
    """

    k: int = Field(default=100, gt=0)
    filter_seen: bool = True
    shard_size: int = Field(default=4096, gt=0)
    index: str = "exact"
    allow: tuple[int | str, ...] | None = None
    deny: tuple[int | str, ...] = ()
    at: int | None = None


@dataclass(frozen=True)
class Shards:
    """The users of a dataset in runs of ``size``; histories are gathered a shard at a time from the mapped table."""

    data: Dataset
    size: int
    at: int | None

    def __iter__(self) -> Iterator[tuple[int, Rows]]:
        for number, start in enumerate(range(0, self.data.n_users, self.size)):
            yield number, np.arange(start, min(start + self.size, self.data.n_users))

    def __len__(self) -> int:
        return -(-self.data.n_users // self.size)

    def request(self, users: Rows) -> Request:
        """The `Request` of a block of users."""
        histories = Histories.from_interactions(self.data.interactions, users)
        if self.at is None:
            return Request(self.data.users.take(users), self.data.items, histories)
        histories = histories.where(histories.times < self.at)
        return Request(self.data.users.take(users), self.data.items, histories, np.full(len(users), self.at))


def recommend(
    engine: Engine,
    data: Dataset,
    directory: Path,
    options: RecommendOptions | None = None,
    tracker: Tracker | None = None,
    model_version: str = "",
    made_from: str = "",
) -> Manifest:
    """Top-k recommendations for all users: writes ``part-00000.parquet`` ... and, last, ``manifest.json``.

    A part holds ``user_id, item_id, rank, score`` with the ids as the data gave them, ``rank`` from 1, best first. A
    part that a former run of the same model, data and options finished is kept; a part of anything else is replaced.

    Args:
        engine: a fitted engine.
        data: whose users get recommendations; histories are its interactions.
        directory: the output; nothing else may be in it under the names of parts.
        options: see `RecommendOptions`.
        tracker: shown the progress.
        model_version: kept in every part and in the manifest.
        made_from: a digest of what else decides the output and cannot be seen from here: the code, the whole model.

    Raises:
        DataError: there is nothing to recommend, or nobody to recommend to.
        ConfigError: the index is unknown or cannot hold the engine's vectors.
        ArtifactError: another batch began in ``directory``.
    """
    options, tracker = options or RecommendOptions(), tracker or SilentTracker()
    if not data.n_users or not data.n_items:
        raise DataError(
            f"dataset {data.name!r} has {data.n_users} users and {data.n_items} items; nothing to recommend"
        )
    candidates = allowed_rows(data.items.vocabulary, options.allow, options.deny)
    items = engine.item_vectors(data.items, options.at)
    fingerprint = _fingerprint(engine, data, items, options, f"{model_version}/{made_from}")
    stamp = parts.Stamp(model_version, data.fingerprint, fingerprint)
    finished = parts.clean(directory, stamp, count=-(-data.n_users // options.shard_size))
    index = INDEXES[options.index](items, candidates)
    k = min(options.k, data.n_items)  # places beyond the catalogue would be allocated and stay empty
    done = []
    shards = Shards(data, options.shard_size, options.at)
    for number, users in tracked(shards, len(shards), "recommend", tracker):
        if number not in finished:
            request = shards.request(users)
            exclude = request.histories if options.filter_seen else None
            ranked = index.top_k(engine.user_vectors(request), k, exclude)
            parts.write(directory, number, request.users.vocabulary, data.items.vocabulary, ranked, stamp)
        done.append(parts.described(directory, number, len(users)))
    manifest = Manifest(
        model_version, data.fingerprint, stamp.fingerprint, options.model_dump(mode="json"), tuple(done)
    )
    manifest.save(directory)
    return manifest


def _fingerprint(engine: Engine, data: Dataset, items: Vectors, options: RecommendOptions, version: str) -> str:
    """Of all that decides the output; the item vectors stand for a model that its caller did not name."""
    text = "/".join((engine.kind, version, data.fingerprint, options.model_dump_json()))
    sparse: Any = items.sparse
    pieces = [sparse.data, sparse.indices, sparse.indptr] if sp.issparse(sparse) else [sparse]
    arrays = (items.dense, items.valid, *pieces)
    return short_digest([text, *(b"-" if array is None else np.ascontiguousarray(array).data for array in arrays)])
