"""Batch recommendation for every user of a dataset, in memory that does not grow with the number of users.

A batch that was killed is resumed: parts that are complete are kept.
"""

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
from recsys.data.moment import Moment
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.engine import Engine, Request, Vectors
from recsys.errors import DataError
from recsys.retrieval import parts
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.filters import allowed_rows
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.retriever import Retriever
from recsys.tracking import SilentTracker, Tracker, tracked


class RecommendOptions(Config):
    """Options of a batch recommendation.

    Args:
        k: items a user gets at most.
        filter_seen: whether items of a user's history are left out of the user's list.
        shard_size: users in one Parquet part.
        index: a name in `recsys.retrieval.INDEXES`.
        allow: ids of items that may be recommended; None is all.
        deny: ids of items that are not recommended.
        at: the time of the recommendation: a date, a datetime, ISO text or seconds since 1970 UTC, in data without
            timestamps a position. Later interactions are left out of the histories; None is now.
    """

    k: int = Field(default=100, gt=0)
    filter_seen: bool = True
    shard_size: int = Field(default=4096, gt=0)
    index: str = "exact"
    allow: tuple[int | str, ...] | None = None
    deny: tuple[int | str, ...] = ()
    at: Moment | None = None


@dataclass(frozen=True)
class Shards:
    """The users of a dataset in blocks of ``size``; iterating gives the number of each block and its user rows."""

    data: Dataset
    size: int
    at: int | None

    def __iter__(self) -> Iterator[tuple[int, Rows]]:
        for number, start in enumerate(range(0, self.data.n_users, self.size)):
            yield number, np.arange(start, min(start + self.size, self.data.n_users))

    def __len__(self) -> int:
        return -(-self.data.n_users // self.size)

    def request(self, users: Rows) -> Request:
        """The users at rows ``users`` int64 [U], with their features and their histories before ``at``.

        Only the histories of this block are read from the memory-mapped interactions.
        """
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
    fallback: Fallback | None = None,
) -> Manifest:
    """Top-k recommendations for all users: writes ``part-00000.parquet`` ... and, last, ``manifest.json``.

    A part has the columns ``user_id, item_id, rank, score``, with the ids of the data and ``rank`` from 1, best first.
    With a fallback it also has ``fallback``, whether the item is one of the fallback and not of the engine; such items
    follow those of the engine, and the manifest counts the users who have some.
    Complete parts of an earlier run with the same model, data and options are kept; other parts are replaced.

    Args:
        engine: a fitted engine.
        data: the users who get recommendations, their histories, and the items.
        directory: the output folder; new, empty, or written by an earlier batch.
        options: see `RecommendOptions`.
        tracker: reports progress.
        model_version: recorded in every part and in the manifest.
        made_from: a digest of the inputs that this function cannot hash itself, such as the code and the files of the
            model. Parts with another digest are replaced.
        fallback: ranks for users of whom the engine knows nothing, and fills lists with fewer than ``k`` items; None
            leaves them empty or short.

    Raises:
        DataError: the dataset has no users or no items, or ``allow`` and ``deny`` leave no item.
        ConfigError: the index is unknown or does not support the engine's vectors.
        ArtifactError: a vector or a score is NaN or infinite, ``directory`` holds other files, or another batch started
            in it.
    """
    options, tracker = options or RecommendOptions(), tracker or SilentTracker()
    if not data.n_users or not data.n_items:
        raise DataError(
            f"dataset {data.name!r} has {data.n_users} users and {data.n_items} items; nothing to recommend"
        )
    candidates = allowed_rows(data.items.vocabulary, options.allow, options.deny)
    given = None if fallback is None else (lambda: fallback)
    retriever = Retriever(engine, data.items, options.index, candidates, options.at, given)
    version = "/".join([model_version, made_from, *([] if fallback is None else [fallback.fingerprint])])
    fingerprint = _fingerprint(engine, data, retriever.item_vectors, options, version)
    stamp = parts.Stamp(model_version, data.fingerprint, fingerprint)
    finished = parts.clean(directory, stamp, count=-(-data.n_users // options.shard_size))
    k = min(options.k, data.n_items)  # a longer list would only be padding
    done = []
    shards = Shards(data, options.shard_size, options.at)
    for number, users in tracked(shards, len(shards), "recommend", tracker):
        if number not in finished:
            request = shards.request(users)
            lists = retriever.top_k(request, k, options.filter_seen)
            ids = request.users.vocabulary, data.items.vocabulary
            parts.write(directory, number, *ids, lists, stamp, mark_fallback=fallback is not None)
        done.append(parts.described(directory, number, len(users)))
    manifest = Manifest(
        model_version, data.fingerprint, stamp.fingerprint, options.model_dump(mode="json"), tuple(done)
    )
    manifest.save(directory)
    return manifest


def _fingerprint(engine: Engine, data: Dataset, items: Vectors, options: RecommendOptions, version: str) -> str:
    """A digest of the options, the data and the model; it covers the item vectors, in case ``version`` is empty."""
    text = "/".join((engine.kind, version, data.fingerprint, options.model_dump_json()))
    sparse: Any = items.sparse
    pieces = [sparse.data, sparse.indices, sparse.indptr] if sp.issparse(sparse) else [sparse]
    arrays = (items.dense, items.valid, *pieces)
    return short_digest([text, *(b"-" if array is None else np.ascontiguousarray(array).data for array in arrays)])
