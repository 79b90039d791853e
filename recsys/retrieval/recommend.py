"""Batch recommendation for every user of a dataset, in memory that does not grow with the number of users.

A batch that was killed is resumed: parts that are complete are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsys.data.dataset import Dataset
from recsys.data.moment import Moment
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.engine import Request, VectorModel, Vectors
from recsys.errors import DataError
from recsys.json_values import JsonObject
from recsys.retrieval import parts
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.manifest import ID_COLUMNS, Manifest, Rules
from recsys.retrieval.rules.eligible import ItemRules
from recsys.retrieval.rules.id_lists import IdList, known_ids
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.tracking import SilentTracker, Tracker, tracked


class RecommendOptions(ItemRules):
    """Options of a batch recommendation, and the `recsys.retrieval.rules.eligible.ItemRules` of its items.

    Args:
        k: items a user gets at most.
        filter_seen: whether items of a user's history are left out of the user's list.
        shard_size: users in one Parquet part.
        index: a name in `recsys.retrieval.INDEXES`.
        users: ids of the users who get a list, or a file of them (CSV, text or Parquet); None is all. Ids that are not
            in the data are passed over and counted.
        at: the time of the recommendation: a date, a datetime, ISO text or seconds since 1970 UTC, in data without
            timestamps a position. Later interactions are left out of the histories; None is now.
        rules: other rules of lists.
        id_columns: the names of the columns of users and items in the output.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("rules",)

    k: int = Field(default=100, gt=0)
    filter_seen: bool = True
    shard_size: int = Field(default=4096, gt=0)
    index: str = "exact"
    users: IdList | None = None
    at: Moment | None = None
    rules: RuleOptions = RuleOptions()
    id_columns: tuple[str, str] = ID_COLUMNS

    def identity(self) -> JsonObject:
        """The options as JSON; those that came later than the first batches stand in it where they are not default."""
        later = {name: getattr(self, name) for name in _LATER}
        default = {name for name, value in later.items() if value == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude=default)

    def identity_text(self) -> str:
        """`identity` as compact text."""
        return json.dumps(self.identity(), separators=(",", ":"), ensure_ascii=False)


_LATER = ("rules", "id_columns")
"""Options that the identity of a batch leaves out where they are not given, so that it stays what it was."""


@dataclass(frozen=True)
class Shards:
    """Users of a dataset in blocks of ``size``; iterating gives the number of each block and its user rows."""

    data: Dataset
    users: Rows
    size: int
    at: int | None

    def __iter__(self) -> Iterator[tuple[int, Rows]]:
        for number, start in enumerate(range(0, len(self.users), self.size)):
            yield number, self.users[start : start + self.size]

    def __len__(self) -> int:
        return -(-len(self.users) // self.size)

    def request(self, users: Rows) -> Request:
        """The users at rows ``users`` int64 [U], with their features and their histories before ``at``.

        Only the histories of this block are read from the memory-mapped interactions.
        """
        request = Request.from_dataset(self.data, users)
        if self.at is None:
            return request
        earlier = [
            None if part is None else part.where(part.times < self.at)
            for part in (request.histories, request.also_seen)
        ]
        assert earlier[0] is not None
        return Request(request.users, request.items, earlier[0], np.full(len(users), self.at), earlier[1])


def recommend(
    engine: VectorModel,
    data: Dataset,
    directory: Path,
    options: RecommendOptions | None = None,
    tracker: Tracker | None = None,
    model_version: str = "",
    made_from: str = "",
    fallback: Fallback | None = None,
) -> Manifest:
    """Top-k recommendations for all users: writes ``part-00000.parquet`` ... and, last, ``_manifest.json``.

    `pandas.read_parquet` and others read the folder as one table, for they pass over files that begin with ``_``.

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
        DataError: the dataset has no users or no items, the rules leave no item or user, or a rule is wrong.
        ConfigError: the index is unknown or does not support the engine's vectors.
        ArtifactError: a vector or a score is NaN or infinite, ``directory`` holds other files, or another batch started
            in it.
    """
    options, tracker = options or RecommendOptions(), tracker or SilentTracker()
    if not data.n_users or not data.n_items:
        raise DataError(
            f"dataset {data.name!r} has {data.n_users} users and {data.n_items} items; nothing to recommend"
        )
    plan, asked = RulePlan.of(data, options, options.rules, options.at), asked_users(data, options)
    for line in (*plan.told, *asked.told):
        tracker.info(f"  recommend: {line}")
    given = None if fallback is None else (lambda: fallback)
    retriever = RuledRetriever(engine, plan, options.index, options.at, given)
    versions = [model_version, made_from, *([] if fallback is None else [fallback.fingerprint])]
    version = "/".join([*versions, *([plan.fingerprint] if plan.fingerprint else [])])
    chosen = plan.eligible.rows, asked.rows
    fingerprint = _fingerprint(engine, data, retriever.item_vectors, options, version, chosen)
    stamp = parts.Stamp(model_version, data.fingerprint, fingerprint)
    finished = parts.clean(directory, stamp, count=-(-len(asked.rows) // options.shard_size))
    k = min(options.k, data.n_items)  # a longer list would only be padding
    done = []
    shards = Shards(data, asked.rows, options.shard_size, options.at)
    for number, users in tracked(shards, len(shards), "recommend", tracker):
        if number not in finished:
            request = shards.request(users)
            lists = retriever.top_k(request, k, options.filter_seen)
            ids = request.users.vocabulary, data.items.vocabulary
            form = parts.Columns(options.id_columns, fallback is not None)
            parts.write(directory, number, *ids, lists, stamp, form)
        done.append(parts.described(directory, number, len(users)))
    rules = Rules(int(plan.mask.sum()), options.k, (*plan.told, *asked.told))
    manifest = Manifest(model_version, data.fingerprint, stamp.fingerprint, options.identity(), tuple(done), rules)
    manifest.save(directory)
    parts.end(directory)
    return manifest


@dataclass(frozen=True, eq=False)
class AskedUsers:
    """The rows of the users who get a list, and a line about ids that are passed over."""

    rows: Rows
    told: tuple[str, ...]


def asked_users(data: Dataset, options: RecommendOptions) -> AskedUsers:
    """The users whom ``options.users`` names, or all.

    Raises:
        DataError: the file of ids cannot be read, or none of the ids is in the data.
    """
    if options.users is None:
        return AskedUsers(np.arange(data.n_users), ())
    known = known_ids(data.users.vocabulary, options.users, "recommend.users", "user_id")
    told = known.told("recommend.users")
    if not len(known.rows):
        raise DataError("\n  ".join(["recommend.users names no user of the data", *([told] if told else [])]))
    return AskedUsers(known.rows, () if told is None else (told,))


def _fingerprint(
    engine: VectorModel,
    data: Dataset,
    items: Vectors,
    options: RecommendOptions,
    version: str,
    chosen: tuple[Rows | None, Rows],
) -> str:
    """A digest of the options, the data and the model; it covers the item vectors, in case ``version`` is empty.

    The rows of the items and users that were ``chosen`` are in it, because files of ids may change under their names.
    """
    text = "/".join(
        (
            engine.kind,
            version,
            data.fingerprint,
            json.dumps(options.identity(), separators=(",", ":"), ensure_ascii=False),
        )
    )
    sparse: Any = items.sparse
    pieces = [sparse.data, sparse.indices, sparse.indptr] if sp.issparse(sparse) else [sparse]
    arrays = (items.dense, items.valid, *pieces, *chosen)
    return short_digest([text, *(b"-" if array is None else np.ascontiguousarray(array).data for array in arrays)])
