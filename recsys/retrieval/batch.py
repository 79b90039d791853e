"""One batch recommendation as a value: its model, data, rules and parts, each of which can be made by itself."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from recsys.data.dataset import Dataset
from recsys.data.moment import Moment
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.engine import Request, VectorModel, Vectors
from recsys.errors import DataError
from recsys.json_values import JsonObject
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.incremental.fingerprints import array_pieces, vector_pieces
from recsys.retrieval.incremental.reuse import Reuse
from recsys.retrieval.manifest import ID_COLUMNS, Manifest, Part, Rules
from recsys.retrieval.output import Place, parts
from recsys.retrieval.output.formats import Form, Format, Layout
from recsys.retrieval.recipients.users import NEW, Recipients, named_users
from recsys.retrieval.rules.eligible import ItemRules
from recsys.retrieval.rules.id_lists import IdList
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever


class RecommendOptions(ItemRules):
    """Options of a batch recommendation, and the `recsys.retrieval.rules.eligible.ItemRules` of its items.

    Args:
        k: items a user gets at most.
        filter_seen: whether items of a user's history are left out of the user's list.
        shard_size: users in one part.
        format: of the parts: Parquet, CSV, or JSON lines.
        layout: ``long`` has a row for each item; ``lists`` one for each user who has a list, with the ids of the items,
            best first, and their scores as lists, which in CSV are JSON in a cell.
        index: `exact`, or approximate search: `faiss` by inverted lists, `hnsw` by a graph of neighbours; see
            `recsys.retrieval.approximate.search.Approximate`.
        users: ids of the users who get a list, or a file of them (CSV, text or Parquet); None is all. Ids that are not
            in the data are passed over and counted. ``"new"`` is those who are new since the last run: whom no finished
            run into the output folder had; all where there was none.
        since: with ``users = "new"``, another folder or address whose last run counts.
        incremental: ranks again only for users whose history, columns, own lists or vector changed since the previous
            output, and takes the lists of the others from it, with the bytes of a full run. With another model, other
            items, other cells of the columns that rules name, or other rules all are ranked again.
        at: the time of the recommendation: a date, a datetime, ISO text or seconds since 1970 UTC, in data without
            timestamps a position. Later interactions are left out of the histories; None is now.
        rules: other rules of lists.
        id_columns: the names of the columns of users and items in the output.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("rules",)

    k: int = Field(default=100, gt=0)
    filter_seen: bool = True
    shard_size: int = Field(default=4096, gt=0)
    format: Format = "parquet"
    layout: Layout = "long"
    index: str = "exact"
    users: Literal["new"] | IdList | None = None
    since: str | None = Field(default=None, min_length=1)
    incremental: bool = False
    at: Moment | None = None
    rules: RuleOptions = RuleOptions()
    id_columns: tuple[str, str] = ID_COLUMNS

    def identity(self) -> JsonObject:
        """The options as JSON; those that came later than the first batches stand in it where they are not default."""
        later = {name: getattr(self, name) for name in _LATER}
        default = {name for name, value in later.items() if value == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude={*default, "incremental"})

    @model_validator(mode="after")
    def _increments_are_possible(self) -> RecommendOptions:
        if self.incremental and self.index != "exact":
            raise ValueError(f"incremental needs exact search, and index = {self.index!r}; set index = 'exact'")
        if self.incremental and self.users == NEW:
            raise ValueError("incremental with users = 'new': new users have no previous lists; leave one of them out")
        return self

    def identity_text(self) -> str:
        """`identity` as compact text."""
        return json.dumps(self.identity(), separators=(",", ":"), ensure_ascii=False)


ROWS = 32
"""Scores are computed for a multiple of so many users, so that those of a user do not depend on the others."""
_LATER = ("rules", "id_columns", "format", "layout", "since")
"""Options that the identity of a batch leaves out where they are not given, so that it stays what it was."""


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
        now: seconds since 1970 UTC, for rules by time where ``options.at`` is None.
        recipients: the users who get a list, where ``options.users`` depends on an output folder; None finds them.
        of_users: whether they are users of the data, whom the folder remembers; sessions and items are not.
        beside: the folder of the bundle, beside which an approximate index is kept; None keeps it in memory.
        device: that ranks, ``cpu`` or ``cuda``, where other processes do; empty is that of this one. The stamp names
            CUDA, whose scores differ in their last bits.

    Raises:
        DataError: the dataset has no users or no items.
    """

    engine: VectorModel
    data: Dataset
    options: RecommendOptions
    model_version: str = ""
    made_from: str = ""
    fallback: Fallback | None = None
    now: float = field(default_factory=time.time)
    recipients: Recipients | None = None
    of_users: bool = True
    beside: Path | None = None
    device: str = ""

    def __post_init__(self) -> None:
        if not self.data.n_users or not self.data.n_items:
            raise DataError(
                f"dataset {self.data.name!r} has {self.data.n_users} users and {self.data.n_items} items; nothing to "
                "recommend"
            )

    def __len__(self) -> int:
        """The number of parts."""
        return -(-len(self._recipients.rows) // self.options.shard_size)

    @cached_property
    def _plan(self) -> RulePlan:
        return RulePlan.of(self.data, self.options, self.options.rules, self.options.at, self.now)

    @cached_property
    def _recipients(self) -> Recipients:
        return named_users(self.data, self.options.users) if self.recipients is None else self.recipients

    @property
    def told(self) -> tuple[str, ...]:
        """What the rules leave out or pass over, and how widely an approximate index searches, one line each.

        Raises:
            DataError: the rules leave no item or user, or a rule is wrong.
        """
        of_index = () if self.options.index == "exact" else self._retriever.told
        return (*self._plan.told, *self._recipients.told, *of_index)

    @cached_property
    def _retriever(self) -> RuledRetriever:
        fallback = self.fallback
        given = None if fallback is None else (lambda: fallback)
        return RuledRetriever.of(self.engine, self._plan, self.options.index, self.options.at, given, ROWS, self.beside)

    @cached_property
    def stamp(self) -> parts.Stamp:
        """What the parts are made from, the vectors of the items included.

        Raises:
            ArtifactError: the vector of an item is NaN or infinite.
            ConfigError: the index is unknown or does not support the engine's vectors, or a rule does not.
        """
        versions = [self.model_version, self.made_from]
        versions += [] if self.fallback is None else [self.fallback.fingerprint]
        versions += [self._plan.fingerprint] if self._plan.fingerprint else []
        version = "/".join([*versions, *([] if self._device is None else [self._device])])
        chosen, items = (self._plan.eligible.rows, self._recipients.rows), self._retriever.item_vectors
        fingerprint = _fingerprint(self.engine, self.data, items, self.options, version, chosen)
        return parts.Stamp(self.model_version, self.data.fingerprint, fingerprint)

    @property
    def _device(self) -> str | None:
        """The type of the device that ranks; None is the CPU."""
        if self.device:
            return None if self.device == "cpu" else self.device
        here = self._retriever.retriever.device
        return None if here is None else here.type

    @property
    def rows(self) -> Rows:
        """Of the users who get a list."""
        return self._recipients.rows

    def users_of(self, number: int) -> Rows:
        """int64 [U], the rows of the users of part ``number``."""
        start = number * self.options.shard_size
        return self._recipients.rows[start : start + self.options.shard_size]

    @property
    def names(self) -> list[str]:
        """Of the files of the parts."""
        return [parts.name_of(number, self.options.format) for number in range(len(self))]

    @cached_property
    def form(self) -> Form:
        """Of the parts."""
        tables = zip(self.options.id_columns, (self.data.users, self.data.items), strict=True)
        columns = [(name, "int64" if table.vocabulary.holds_integers else "string") for name, table in tables]
        columns += [("rank", "int32"), ("score", "float")]
        columns += [("fallback", "bool")] if self.fallback is not None else []
        columns += [("reason", "string")] if self.options.rules.reasons else []
        return Form(self.options.format, self.options.layout, tuple(columns))

    def make_part(self, directory: Place, number: int) -> parts.Written:
        """Writes part ``number`` atomically and returns its entry.

        Raises:
            ArtifactError: the vector of a user, or a score, is NaN or infinite; or another batch started in the folder.
        """
        request = self._request(self.users_of(number))
        ids = request.users.vocabulary, self.data.items.vocabulary
        if self.options.incremental:
            lists, reused = self.reuse.lists((directory, number), request)
        else:
            lists, reused = self._retriever.top_k(request, self._k, self.options.filter_seen), 0
        return parts.Written(parts.write(directory, number, *ids, lists, self.stamp, self.form), reused)

    @property
    def _k(self) -> int:
        """A longer list would only be padding."""
        return min(self.options.k, self.data.n_items)

    @cached_property
    def reuse(self) -> Reuse:
        """Takes lists from the previous output."""
        common = self._common()
        return Reuse(self._retriever, self._plan, self._k, self.options.filter_seen, common, self.stamp.fingerprint)

    def _common(self) -> dict[str, str]:
        """Digests of what the lists of all users are made from, by name."""
        data, options, plan = self.data, self.options, self._plan
        fallback = "" if self.fallback is None else self.fallback.fingerprint
        model = [self.engine.kind, self.model_version, self.made_from, fallback, str(self._device)]
        rules = options.rules.model_dump(mode="json", exclude={"candidates", "exclusions"})
        has = [plan.candidates is not None, plan.exclusions is not None, len(data.non_likes) > 0, plan.by_user_text]
        given = [rules, options.at, options.filter_seen, self._k, data.has_timestamps, data.has_order, has]
        return {
            "model": short_digest(["/".join(model), *vector_pieces(self._retriever.item_vectors)]),
            "items": plan.items_fingerprint,
            "rules": short_digest([json.dumps(given)]),
            "users": short_digest([repr(data.users.schema)]),
        }

    def manifest(self, made: tuple[Part, ...]) -> Manifest:
        """The manifest of the whole batch, with the entries of its parts in their order."""
        rules, about = Rules(int(self._plan.mask.sum()), self.options.k, self.told), self.options.identity()
        return Manifest(
            self.model_version, self.data.fingerprint, self.stamp.fingerprint, about, made, rules, self.form
        )

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
    text = "/".join((engine.kind, version, data.fingerprint, options.identity_text()))
    return short_digest([text, *vector_pieces(items), *array_pieces(chosen)])
