"""Questions: what one request asks of a model, with its ids looked up in the model's data, and the list it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.errors import DataError
from recsys.retrieval.anonymous import check_columns, typed_attributes

Id = int | str


@dataclass(frozen=True)
class Question:
    """One user, and what the list of this user may hold.

    Args:
        user_id: of a user of the data, or one that it does not have; None is an anonymous user.
        history: ids of items, oldest first; None is the history of ``user_id``.
        columns: cells of user columns, which replace those of the data.
        k: the length of the list.
        filter_seen: whether items of the history are left out; None is as the model is served.
        candidates: the only items that may be listed; None is all that the rules of the service allow.
        exclude: items that are not listed.
        at: the time of the recommendation, in seconds since 1970, or a position in data without times; None is now.
    """

    user_id: Id | None = None
    history: Sequence[Id] | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    k: int = 10
    filter_seen: bool | None = None
    candidates: Sequence[Id] | None = None
    exclude: Sequence[Id] = ()
    at: int | None = None


@dataclass(frozen=True)
class Listed:
    """The list of one user.

    Args:
        item_ids: best first.
        scores: never rising, but under rules that order items.
        fallback: of each item, whether it is of the fallback.
        unknown_user: whether a user was named whom the model's data does not have.
        unknown_items: ids of the question that the data does not have.
        reasons: the rules that each item owes its place to, where they are asked for, see `RuleOptions.reasons`.
    """

    item_ids: tuple[Id, ...]
    scores: tuple[float, ...]
    fallback: tuple[bool, ...]
    unknown_user: bool
    unknown_items: tuple[Id, ...]
    reasons: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Lookup:
    """A question with rows in place of ids.

    Args:
        question: as it was asked.
        user: the row of the user; MISSING for one whom the data does not have.
        history: item rows of the given history; None is the history of the user.
        excluded: item rows that are not listed, besides the history.
        candidates: the only item rows that may be listed, ascending; None is all.
        attributes: one row of typed user columns; None where none is given.
        unknown_items: ids that the data does not have; they are passed over.
    """

    question: Question
    user: int
    history: Rows | None
    excluded: Rows
    candidates: Rows | None
    attributes: pd.DataFrame | None
    unknown_items: tuple[Id, ...]

    def left_out(self, n_items: int) -> Rows:
        """The rows of ``n_items`` items that are not listed, besides the history."""
        if self.candidates is None:
            return self.excluded
        allowed = np.zeros(n_items, bool)
        allowed[self.candidates] = True
        allowed[self.excluded] = False
        return np.flatnonzero(~allowed)

    @property
    def unknown_user(self) -> bool:
        return self.question.user_id is not None and self.user == MISSING


def look_up(data: Dataset, question: Question) -> Lookup:
    """The rows of the ids of ``question`` in ``data``.

    Raises:
        DataError: an id is of the other type than those of the data, a column is no column of users, or a cell is not
            of the kind of its column.
    """
    items = data.items.vocabulary
    unknown: list[Id] = []
    parts: dict[str, Rows | None] = {}
    for name in ("history", "candidates", "exclude"):
        ids = getattr(question, name)
        parts[name] = None if ids is None else known_items(items, ids, name, unknown)
    excluded, candidates = parts["exclude"], parts["candidates"]
    assert excluded is not None
    row = MISSING if question.user_id is None else id_row(data.users.vocabulary, question.user_id, "user_id")
    found = parts["history"], excluded, None if candidates is None else np.unique(candidates)
    return Lookup(question, row, *found, _attributes(data, question), tuple(unknown))


def known_items(items: Vocabulary, ids: Sequence[Id], name: str, unknown: list[Id]) -> Rows:
    """The rows of those of ``ids`` that ``items`` has, in their order; the others are added to ``unknown``.

    Raises:
        DataError: an id is of the other type than those of ``items``.
    """
    found = []
    for key in ids:
        row = id_row(items, key, name)
        if row == MISSING:
            unknown.append(key)
        else:
            found.append(row)
    return np.array(found, np.int64)


def id_row(vocabulary: Vocabulary, key: Id, name: str) -> int:
    """The row of an id; MISSING where the vocabulary does not have it.

    Raises:
        DataError: the id is a text and those of the vocabulary are integers, or the other way round.
    """
    if len(vocabulary) and isinstance(key, str) == vocabulary.holds_integers:
        kind = "integers" if vocabulary.holds_integers else "texts"
        example = vocabulary.ids[:1].tolist()[0]
        raise DataError(f"{name} holds {ascii(key)[:80]}, and ids of the model are {kind}, such as {example!r}")
    return vocabulary.row(key)


def _attributes(data: Dataset, question: Question) -> pd.DataFrame | None:
    if not question.columns:
        return None
    cells = pd.DataFrame({name: pd.Series([cell], dtype=object) for name, cell in question.columns.items()})
    check_columns(data.users.schema, cells, ())
    return typed_attributes(data.users.schema, cells, "columns")


def ragged(parts: Sequence[Rows]) -> Histories:
    """Item rows of several users as `Histories`; times count up from zero.

    Example:
        >>> ragged([np.array([3, 1]), np.array([], int)]).lengths.tolist()
        [2, 0]
    """
    lengths = [len(part) for part in parts]
    items = np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = np.arange(len(items)) - np.repeat(offsets[:-1], lengths)
    return Histories(offsets, items, times, np.ones(len(items), np.float32))
