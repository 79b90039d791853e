"""Questions: what one request asks of a model, with its ids looked up in the model's data, and the list it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recsys.data.dataset import Dataset
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.data.feedback.given_history import GivenHistory
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.errors import DataError, FieldError, in_field
from recsys.retrieval.anonymous import check_columns, typed_attributes
from recsys.retrieval.recipients.asked import Asked, Id


@dataclass(frozen=True)
class Question:
    """One user, and what the list of this user may hold.

    Args:
        user_id: of a user of the data, or one that it does not have; None is an anonymous user.
        history: ids of items, oldest first; None is the history of ``user_id``.
        history_events: the types of the events of ``history``; None: all are likes.
        history_times: their times; see `recsys.data.feedback.given_history.GivenHistory`.
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
    history_events: Sequence[str] | None = None
    history_times: Sequence[int] | None = None


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
class Lookup(Asked):
    """A question with rows in place of ids.

    Args:
        question: as it was asked.
        attributes: one row of typed user columns; None where none is given.
    """

    question: Question
    attributes: pd.DataFrame | None

    def left_out(self, n_items: int) -> Rows:
        """The rows of ``n_items`` items that are not listed, besides the history."""
        if self.candidates is None:
            return self.excluded
        allowed = np.zeros(n_items, bool)
        allowed[self.candidates] = True
        allowed[self.excluded] = False
        return np.flatnonzero(~allowed)


def look_up(data: Dataset, question: Question, types: EventMeanings) -> Lookup:
    """The rows of the ids of ``question`` in ``data``.

    Args:
        data: the users and items.
        question: about one user.
        types: what the events of a given history mean and weigh.

    Raises:
        FieldError: an id is of the other type than those of the data, a column is no column of users, a cell is not
            of the kind of its column, or the events of the history are wrong.
    """
    items = data.items.vocabulary
    unknown: list[Id] = []
    parts: dict[str, Rows | None] = {}
    for name in ("history", "candidates", "exclude"):
        ids = getattr(question, name)
        parts[name] = None if ids is None else _item_rows(items, ids, name, unknown)
    history, candidates, excluded = parts["history"], parts["candidates"], parts["exclude"]
    assert excluded is not None
    row = MISSING if question.user_id is None else id_row(data.users.vocabulary, question.user_id, "user_id")
    own, others = None, Histories.of([[]])
    if history is not None:
        given = GivenHistory(history, question.history_events, question.history_times)
        own, others = given.read(data, types, question.at)
    only = None if candidates is None else np.unique(candidates[candidates != MISSING])
    sides = excluded[excluded != MISSING], only, tuple(unknown)
    return Lookup(row, question.user_id, own, others, *sides, question, _attributes(data, question))


def _item_rows(items: Vocabulary, ids: Sequence[Id], name: str, unknown: list[Id]) -> Rows:
    """The rows of ``ids``; MISSING for those that ``items`` does not have, which are added to ``unknown``."""
    found = np.array([id_row(items, key, f"{name}.{number}") for number, key in enumerate(ids)], np.int64)
    unknown += [ids[number] for number in np.flatnonzero(found == MISSING).tolist()]
    return found


def id_row(vocabulary: Vocabulary, key: Id, name: str) -> int:
    """The row of an id; MISSING where the vocabulary does not have it.

    Raises:
        FieldError: the id is a text and those of the vocabulary are integers, or the other way round; in ``name``.
    """
    if len(vocabulary) and isinstance(key, str) == vocabulary.holds_integers:
        kind = "integers" if vocabulary.holds_integers else "texts"
        example = vocabulary.ids[:1].tolist()[0]
        raise FieldError(f"{name} holds {ascii(key)[:80]}, and ids of the model are {kind}, such as {example!r}", name)
    return vocabulary.row(key)


def _attributes(data: Dataset, question: Question) -> pd.DataFrame | None:
    if not question.columns:
        return None
    try:
        return _typed(data, question.columns)
    except DataError:
        for name, cell in question.columns.items():  # which of them it was
            with in_field(f"columns.{name}"):
                _typed(data, {name: cell})
        raise


def _typed(data: Dataset, columns: Mapping[str, object]) -> pd.DataFrame:
    cells = pd.DataFrame({name: pd.Series([cell], dtype=object) for name, cell in columns.items()})
    check_columns(data.users.schema, cells, ())
    return typed_attributes(data.users.schema, cells, "columns")
