"""One batch recommendation as a value: its model, data, rules and parts, each of which can be made by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsys.data.dataset import Dataset
from recsys.data.moment import Moment
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.engine import Engine, Request, Vectors
from recsys.errors import DataError
from recsys.retrieval import parts
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.manifest import Manifest, Part, Rules
from recsys.retrieval.output import Place
from recsys.retrieval.retriever import Retriever
from recsys.retrieval.rules.eligible import Eligible, ItemRules, eligible_items
from recsys.retrieval.rules.id_lists import IdList, known_ids


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
    """

    k: int = Field(default=100, gt=0)
    filter_seen: bool = True
    shard_size: int = Field(default=4096, gt=0)
    index: str = "exact"
    users: IdList | None = None
    at: Moment | None = None


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


@dataclass(frozen=True, eq=False)
class Batch:
    """Everything that the parts of one batch are made of; equal batches make byte-identical parts anywhere.

    The users are partitioned into blocks of ``options.shard_size``, in the order of the dataset: part ``n`` has the
    users of block ``n``, whoever makes it and whenever.

    Args:
        engine: a fitted engine.
        data: the users who get recommendations, their histories, and the items.
        options: see `RecommendOptions`.
        model_version: recorded in every part and in the manifest.
        made_from: a digest of the inputs that cannot be hashed here, such as the code and the files of the model.
        fallback: ranks for users of whom the engine knows nothing, and fills lists with fewer than ``k`` items; None
            leaves them empty or short.

    Raises:
        DataError: the dataset has no users or no items.
    """

    engine: Engine
    data: Dataset
    options: RecommendOptions
    model_version: str = ""
    made_from: str = ""
    fallback: Fallback | None = None

    def __post_init__(self) -> None:
        if not self.data.n_users or not self.data.n_items:
            raise DataError(
                f"dataset {self.data.name!r} has {self.data.n_users} users and {self.data.n_items} items; nothing to "
                "recommend"
            )

    def __len__(self) -> int:
        """The number of parts."""
        return -(-len(self._asked.rows) // self.options.shard_size)

    @cached_property
    def _eligible(self) -> Eligible:
        return eligible_items(self.data.items, self.options)

    @cached_property
    def _asked(self) -> AskedUsers:
        return asked_users(self.data, self.options)

    @property
    def told(self) -> tuple[str, ...]:
        """What the rules leave out or pass over, one line each.

        Raises:
            DataError: the rules leave no item or user, or a rule is wrong.
        """
        return (*self._eligible.told, *self._asked.told)

    @cached_property
    def _retriever(self) -> Retriever:
        fallback, options = self.fallback, self.options
        given = None if fallback is None else (lambda: fallback)
        return Retriever(self.engine, self.data.items, options.index, self._eligible.rows, options.at, given)

    @cached_property
    def stamp(self) -> parts.Stamp:
        """What the parts are made from, the vectors of the items included.

        Raises:
            ArtifactError: the vector of an item is NaN or infinite.
            ConfigError: the index is unknown or does not support the engine's vectors.
        """
        fallback = [] if self.fallback is None else [self.fallback.fingerprint]
        version = "/".join([self.model_version, self.made_from, *fallback])
        chosen, items = (self._eligible.rows, self._asked.rows), self._retriever.item_vectors
        fingerprint = _fingerprint(self.engine, self.data, items, self.options, version, chosen)
        return parts.Stamp(self.model_version, self.data.fingerprint, fingerprint)

    def users_of(self, number: int) -> Rows:
        """int64 [U], the rows of the users of part ``number``."""
        start = number * self.options.shard_size
        return self._asked.rows[start : start + self.options.shard_size]

    def make_part(self, directory: Place, number: int) -> Part:
        """Writes part ``number`` atomically and returns its entry in the manifest.

        Raises:
            ArtifactError: the vector of a user, or a score, is NaN or infinite; or another batch started in the folder.
        """
        request = self._request(self.users_of(number))
        k = min(self.options.k, self.data.n_items)  # a longer list would only be padding
        lists = self._retriever.top_k(request, k, self.options.filter_seen)
        ids = request.users.vocabulary, self.data.items.vocabulary
        parts.write(directory, number, *ids, lists, self.stamp, mark_fallback=self.fallback is not None)
        return self.described(directory, number)

    def described(self, directory: Place, number: int) -> Part:
        """The manifest's entry of part ``number``, which is complete.

        Raises:
            ArtifactError: another batch that started in the same folder deleted the file.
        """
        return parts.described(directory, number, len(self.users_of(number)))

    def manifest(self, made: tuple[Part, ...]) -> Manifest:
        """The manifest of the whole batch, with the entries of its parts in their order."""
        eligible, options = self._eligible.rows, self.options
        rules = Rules(self.data.n_items if eligible is None else len(eligible), options.k, self.told)
        about = options.model_dump(mode="json")
        return Manifest(self.model_version, self.data.fingerprint, self.stamp.fingerprint, about, made, rules)

    def _request(self, users: Rows) -> Request:
        """The users at rows ``users`` int64 [U], with their features and their histories before ``options.at``.

        Only the histories of this block are read from the memory-mapped interactions.
        """
        request, at = Request.from_dataset(self.data, users), self.options.at
        if at is None:
            return request
        earlier = [
            None if part is None else part.where(part.times < at) for part in (request.histories, request.also_seen)
        ]
        assert earlier[0] is not None
        return Request(request.users, request.items, earlier[0], np.full(len(users), at), earlier[1])


def _fingerprint(
    engine: Engine,
    data: Dataset,
    items: Vectors,
    options: RecommendOptions,
    version: str,
    chosen: tuple[Rows | None, Rows],
) -> str:
    """A digest of the options, the data and the model; it covers the item vectors, in case ``version`` is empty.

    The rows of the items and users that were ``chosen`` are in it, because files of ids may change under their names.
    """
    text = "/".join((engine.kind, version, data.fingerprint, options.model_dump_json()))
    sparse: Any = items.sparse
    pieces = [sparse.data, sparse.indices, sparse.indptr] if sp.issparse(sparse) else [sparse]
    arrays = (items.dense, items.valid, *pieces, *chosen)
    return short_digest([text, *(b"-" if array is None else np.ascontiguousarray(array).data for array in arrays)])
