"""A served model: one version of a model with its data, which answers questions and keeps the vectors of its users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories, concatenated
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, Vectors
from recsys.errors import DataError, RecsysError
from recsys.registry.bundle import Bundle
from recsys.retrieval.anonymous import with_anonymous, with_attributes, without_repeats
from recsys.retrieval.approximate.choice import index_builder
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.retriever import EncodedUsers, Retriever, check_ranks_seen, similarity_vectors
from recsys.retrieval.rules.by_user import UserCondition
from recsys.retrieval.rules.eligible import ItemRules, eligible_items
from recsys.retrieval.similar import Neighbours
from recsys.service.live_histories import LiveHistories, extended, unchanged
from recsys.service.questions import Id, Listed, Lookup, Question, id_row, look_up, ragged
from recsys.service.vector_cache import VectorCache, cache_key


@dataclass(frozen=True, eq=False)
class _Group:
    """Questions of different users, all with a time or all without: what one `Request` holds."""

    asked: list[Lookup]
    keys: list[tuple[Id, int] | None]
    histories: Histories
    also_seen: Histories | None
    blocked: Histories | None
    at: NDArray[np.int64] | None

    @property
    def rows(self) -> Rows:
        return np.array([each.user for each in self.asked], np.int64)


class ServedModel:
    """One version of a model, ready to answer.

    Args:
        bundle: the fitted engine and its fallback.
        data: the users, their histories and the items; None is that of the bundle.
        version: what answers call it.
        rules: which items may be listed.
        index: a name in `recsys.retrieval.INDEXES`.
        filter_seen: whether items of the history are left out where a question does not say it.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
        DataError: the rules leave no item, or ``filter_seen`` is off and the engine was not trained to rank seen items.
    """

    def __init__(
        self,
        bundle: Bundle,
        data: Dataset | None = None,
        version: str = "",
        rules: ItemRules | None = None,
        index: str = "exact",
        filter_seen: bool = True,
    ) -> None:
        self.bundle, self.data = bundle, bundle.data if data is None else data
        self.version = version or bundle.version
        self.rules, self.filter_seen = rules or ItemRules(), filter_seen
        self._check(Question())
        self._listed = eligible_items(self.data.items, self.rules).rows
        self._by_user = UserCondition.of(self.data.items, self.data.users, self.rules.where)
        fallback = fallback_of(bundle, self.data)
        build = index_builder(index, bundle.engine, self.data, bundle.folder)
        self._retriever = Retriever(bundle.engine, self.data.items, build, self._listed, fallback=fallback)
        self._newest = int(self.data.interactions.time.max(initial=0))
        self._cache = VectorCache()
        self._lock = Lock()  # the scores of a block of users share a buffer

    def warm(self) -> None:
        """Computes what a first request would wait for: the fallback, and an anonymous user's list."""
        some = self.data.items.vocabulary.ids[:1].tolist()
        for question in (Question(), Question(history=some)):
            self.recommend([question], LiveHistories())

    def recommend(self, questions: Sequence[Question], live: LiveHistories) -> list[Listed | RecsysError]:
        """The list of each question, or the error of a question that cannot be answered.

        The list of one question does not depend on the others.

        Args:
            questions: of any users, each any number of times.
            live: events that extend the histories.
        """
        answers, asked = self._looked_up(questions)
        with self._lock:
            for numbers, group in self._groups(asked, live):
                k = min(max(each.question.k for each in group.asked), len(self.data.items))
                request = partial(self._request, group)
                lists = self._retriever.rank(self._encoded(group), k, self._left_out(group), request)
                for number, each, *columns in zip(numbers, group.asked, *lists[:3], strict=True):
                    answers[number] = self._answer(each, *columns)
        return [answers[number] for number in range(len(questions))]

    def user_vectors(self, questions: Sequence[Question], live: LiveHistories) -> list[list[float] | RecsysError]:
        """The dense vector of each question's user; the order and the errors are those of `recommend`.

        Raises:
            DataError: the vectors of the engine are sparse.
        """
        answers, asked = self._looked_up(questions)
        found: dict[int, list[float] | RecsysError] = {n: e for n, e in answers.items() if isinstance(e, RecsysError)}
        for numbers, group in self._groups(asked, live):
            with self._lock:
                vectors = self._dense(self._encoded(group).vectors)
            valid = np.ones(len(vectors), bool) if vectors.valid is None else vectors.valid
            assert vectors.dense is not None
            for number, has_one, vector in zip(numbers, valid.tolist(), vectors.dense.tolist(), strict=True):
                found[number] = vector if has_one else DataError("the engine has no vector for this user")
        return [found[number] for number in range(len(questions))]

    def item_vectors(self, ids: Sequence[Id]) -> list[list[float] | None]:
        """The dense vector of each item, as in scores; None where the engine has none.

        Raises:
            DataError: an item is unknown, or the vectors of the engine are sparse.
        """
        vectors = self._dense(self._retriever.item_vectors).take(np.array([self._item(key) for key in ids], np.int64))
        assert vectors.dense is not None
        valid = np.ones(len(ids), bool) if vectors.valid is None else vectors.valid
        return [row if known else None for row, known in zip(vectors.dense.tolist(), valid.tolist(), strict=True)]

    def similar(self, item_id: Id, k: int) -> tuple[list[Id], list[float]]:
        """The ``k`` items with the highest cosine similarity with an item, as `recsys.retrieval.frames.similar_items`.

        Raises:
            DataError: the item is unknown, or the engine has no vector for it.
        """
        row = self._item(item_id)
        if not self.neighbours.has(row):
            raise DataError(f"{self.bundle.kind} has no vector for this item; it was not in its training data")
        rows, similarity = self.neighbours.of(row, k)
        return self.data.items.vocabulary.ids[rows].tolist(), similarity.tolist()

    def check_dense(self) -> None:
        """Checks that users and items have dense vectors.

        Raises:
            DataError: the vectors of the engine are sparse, as those of a linear item-item model.
        """
        self._dense(self._retriever.item_vectors)

    def is_listed(self, item_id: Id) -> bool:
        """Whether the item is one of the catalogue that the rules let through."""
        row = self.data.items.vocabulary.row(item_id)
        return row != MISSING and (self._listed is None or bool(np.isin(row, self._listed)))

    def request(self, question: Question, live: LiveHistories) -> Request:
        """The user of ``question`` as the engine is asked, with the history that feedback has extended."""
        return self._request(self._group([look_up(self.data, question)], live))

    def left_out(self, question: Question, live: LiveHistories) -> Histories | None:
        """[1] the items that the list of ``question`` leaves out; None for none.

        Raises:
            RecsysError: the model cannot answer the question.
        """
        self._check(question)
        return self._left_out(self._group([look_up(self.data, question)], live))

    @cached_property
    def neighbours(self) -> Neighbours:
        return Neighbours(similarity_vectors(self.bundle.engine, self.data.items))

    def _item(self, key: Id) -> int:
        row = id_row(self.data.items.vocabulary, key, "item_id")
        if row == MISSING:
            raise DataError(f"the model has no item {ascii(key)[:80]}; ask for an id of the items that it lists")
        return row

    def _dense(self, vectors: Vectors) -> Vectors:
        if vectors.dense is None or vectors.sparse is not None:
            raise DataError(f"the vectors of {self.bundle.kind} are sparse; it has no embeddings")
        return vectors

    def _looked_up(self, questions: Sequence[Question]) -> tuple[dict[int, Listed | RecsysError], dict[int, Lookup]]:
        errors: dict[int, Listed | RecsysError] = {}
        asked: dict[int, Lookup] = {}
        for number, question in enumerate(questions):
            try:
                self._check(question)
                asked[number] = look_up(self.data, question)
            except RecsysError as error:
                errors[number] = error
        return errors, asked

    def _filters(self, question: Question) -> bool:
        return self.filter_seen if question.filter_seen is None else question.filter_seen

    def _check(self, question: Question) -> None:
        check_ranks_seen(self.bundle.engine, self._filters(question))

    def _groups(self, asked: dict[int, Lookup], live: LiveHistories) -> Iterator[tuple[list[int], _Group]]:
        """The questions in groups that one request can hold, each with its numbers."""
        for timed in (False, True):
            numbers = [number for number, each in asked.items() if (each.question.at is not None) == timed]
            rows = np.array([asked[number].user for number in numbers], np.int64)
            for positions in without_repeats(rows) if numbers else ():
                chosen = [numbers[position] for position in positions]
                yield chosen, self._group([asked[number] for number in chosen], live)

    def _group(self, asked: list[Lookup], live: LiveHistories) -> _Group:
        keys = [cache_key(each, live) for each in asked]  # before the events: a vector is never older than its key
        rows = np.array([each.user for each in asked], np.int64)
        histories = Histories.from_interactions(self.data.interactions, rows)
        also_seen = self.data.also_seen(rows)
        changed = {n: live.events(e.question.user_id) for n, e in enumerate(asked)}
        blocked = None
        if any(changed.values()) or any(each.history is not None for each in asked):
            parts = []
            for number, each in enumerate(asked):
                own = histories.take(slice(number, number + 1)) if each.history is None else self._given(each.history)
                events = changed[number] if each.history is None else ()
                parts.append(extended(own, events, self.data, live.types) if events else unchanged(own))
            histories = concatenated([each.history for each in parts])
            blocked = concatenated([each.blocked for each in parts])
            others = concatenated([each.also_seen for each in parts]).joined(blocked)
            if len(others.items):
                also_seen = others if also_seen is None else also_seen.joined(others)
        if asked[0].question.at is None:
            return _Group(asked, keys, histories, also_seen, blocked, None)
        at = np.array([each.question.at for each in asked], np.int64)
        histories = histories.where(histories.times < at[histories.users()])
        return _Group(asked, keys, histories, also_seen, blocked, at)

    def _given(self, items: Rows) -> Histories:
        """A given history has no times: its items are a second apart, the last at the newest time of the data."""
        history = ragged([items])
        return history.ending_at(self._newest) if self.data.has_timestamps else history

    def _request(self, group: _Group) -> Request:
        return Request(self._users(group), self.data.items, group.histories, group.at, group.also_seen)

    def _users(self, group: _Group) -> EntityTable:
        """The users with the columns that questions give."""
        users = with_anonymous(self.data.users, group.rows)
        cells = [pd.DataFrame(index=[0]) if each.attributes is None else each.attributes for each in group.asked]
        if any(len(frame.columns) for frame in cells):
            users = with_attributes(users, pd.concat(cells, ignore_index=True))
        return users

    def _encoded(self, group: _Group) -> EncodedUsers:
        """The vectors of the users; those of users of the data are kept until their history changes."""
        return self._cache.get(group.keys, lambda new: self._retriever.encode(self._request(_part(group, new))))

    def _left_out(self, group: _Group) -> Histories | None:
        """The items that are not in each list."""
        filtered = np.array([self._filters(each.question) for each in group.asked])
        left_out = ragged([each.left_out for each in group.asked])
        if self._by_user is not None:
            groups = self._by_user.groups(self._users(group))
            unmet = {row: np.flatnonzero(~mask) for rows, mask in groups for row in rows.tolist()}
            left_out = left_out.joined(ragged([unmet[row] for row in range(len(group.asked))]))
        always = np.ones(len(filtered), bool)
        for part, of in ((group.histories, filtered), (group.also_seen, filtered), (group.blocked, always)):
            if part is not None and of.any():
                seen = part if of.all() else part.where(of[part.users()])
                left_out = seen if not len(left_out.items) else left_out.joined(seen)
        return left_out if len(left_out.items) else None

    def _answer(self, each: Lookup, items: Rows, scores: NDArray[np.float32], fallback: NDArray[np.bool_]) -> Listed:
        found = items[: each.question.k]
        n = int((found != MISSING).sum())
        ids = tuple(self.data.items.vocabulary.ids[found[:n]].tolist())
        return Listed(
            ids, tuple(scores[:n].tolist()), tuple(fallback[:n].tolist()), each.unknown_user, each.unknown_items
        )


def _part(group: _Group, rows: Rows) -> _Group:
    return _Group(
        [group.asked[row] for row in rows],
        [group.keys[row] for row in rows],
        group.histories.take(rows),
        group.also_seen and group.also_seen.take(rows),
        group.blocked and group.blocked.take(rows),
        None if group.at is None else group.at[rows],
    )
