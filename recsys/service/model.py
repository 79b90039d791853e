"""A served model: one version of a model with its data, which answers questions and keeps the vectors of its users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING
from recsys.engine import Request, Vectors
from recsys.errors import DataError, FieldError, RecsysError, in_field
from recsys.registry.bundle import Bundle
from recsys.retrieval.approximate.choice import index_builder
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.recipients.asked import Id, ragged
from recsys.retrieval.retriever import EncodedUsers, Retriever, check_ranks_seen, similarity_vectors
from recsys.retrieval.rules.block import of_users
from recsys.retrieval.rules.by_user import UserCondition
from recsys.retrieval.rules.eligible import eligible_items
from recsys.retrieval.rules.reasons import reason_texts
from recsys.retrieval.similar import Neighbours
from recsys.retrieval.top_up import Lists
from recsys.service.groups import Group, Groups
from recsys.service.live_histories import LiveHistories
from recsys.service.questions import Listed, Lookup, Question, id_row, look_up
from recsys.service.text_search import NO_TEXT, TextSearch
from recsys.service.vector_cache import VectorCache


class ServedModel:
    """One version of a model, ready to answer.

    Args:
        bundle: the fitted engine and its fallback.
        data: the users, their histories and the items; None is that of the bundle.
        version: what answers call it.
        options: which items may be listed, the index, and whether items of the history are left out where a question
            does not say it; `recsys.service.rules.ruled_model.RuledModel` follows their ``rules``.
        text: finds items by a text; None answers that the model has no text.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
        DataError: the options leave no item, or keep seen items, which the engine was not trained to rank.
    """

    def __init__(
        self,
        bundle: Bundle,
        data: Dataset | None = None,
        version: str = "",
        options: RecommendOptions | None = None,
        text: TextSearch | None = None,
    ) -> None:
        self.bundle, self.data = bundle, bundle.data if data is None else data
        self.version, self.text = version or bundle.version, text
        self.options = options = options or RecommendOptions()
        check_ranks_seen(bundle.engine, options.filter_seen)
        self._listed = eligible_items(self.data.items, options).rows
        self._by_user = UserCondition.of(self.data.items, self.data.users, options.where)
        fallback = fallback_of(bundle, self.data)
        build = index_builder(options.index, bundle.engine, self.data, bundle.folder)
        self.retriever = Retriever(bundle.engine, self.data.items, build, self._listed, fallback=fallback)
        self._groups = Groups(self.data)
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
        return self.listed(questions, live, self._rank)

    def listed(
        self, questions: Sequence[Question], live: LiveHistories, rank: Callable[[Group, int], Lists]
    ) -> list[Listed | RecsysError]:
        """See `recommend`; ``rank`` makes the lists of a group, of the given length, one group at a time."""
        answers, asked = self._looked_up(questions, live.types)
        with self._lock:
            for numbers, group in self._groups.all(asked, live):
                k = min(max(each.question.k for each in group.asked), len(self.data.items))
                try:
                    answers |= zip(numbers, self._answers(group, rank(group, k)), strict=True)
                except RecsysError as error:
                    answers |= dict.fromkeys(numbers, error)
        return [answers[number] for number in range(len(questions))]

    def renew(self) -> None:
        """Brings what depends on the time of the day up to date, beside the requests; see `RuledModel`."""

    def user_vectors(self, questions: Sequence[Question], live: LiveHistories) -> list[list[float] | RecsysError]:
        """The dense vector of each question's user; the order and the errors are those of `recommend`.

        Raises:
            DataError: the vectors of the engine are sparse.
        """
        answers, asked = self._looked_up(questions, live.types)
        found: dict[int, list[float] | RecsysError] = {n: e for n, e in answers.items() if isinstance(e, RecsysError)}
        for numbers, group in self._groups.all(asked, live):
            with self._lock:
                vectors = self._dense(self.encoded(group).vectors)
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
        rows = np.array([self._item(key, f"item_ids.{number}") for number, key in enumerate(ids)], np.int64)
        vectors = self._dense(self.retriever.item_vectors).take(rows)
        assert vectors.dense is not None
        valid = np.ones(len(ids), bool) if vectors.valid is None else vectors.valid
        return [row if known else None for row, known in zip(vectors.dense.tolist(), valid.tolist(), strict=True)]

    def similar(
        self, item_id: Id, k: int, candidates: Sequence[Id] | None = None, exclude: Sequence[Id] = ()
    ) -> tuple[list[Id], list[float]]:
        """The ``k`` items with the highest cosine similarity with an item, as `recsys.retrieval.frames.similar_items`.

        They are of the items that the rules let through for everybody; rules of single users do not count.

        Args:
            item_id: of the item, which the rules may leave out.
            k: how many.
            candidates: the only items that may be listed; None is all that the rules allow.
            exclude: items that are not listed.

        Raises:
            DataError: the item is unknown, or the engine has no vector for it; or an id is of the other type.
        """
        row, limits = self._item(item_id), Question(candidates=candidates, exclude=exclude)
        if not self.neighbours.has(row):
            raise DataError(f"{self.bundle.kind} has no vector for this item; it was not in its training data")
        among = self.eligible()
        among[look_up(self.data, limits, EventMeanings()).left_out(len(among))] = False
        rows, similarity = self.neighbours.of(row, k, among)
        return self.data.items.vocabulary.ids[rows].tolist(), similarity.tolist()

    def eligible(self) -> NDArray[np.bool_]:
        """Bool [I]: the items that the rules let through for everybody now."""
        met = np.zeros(len(self.data.items), bool)
        met[slice(None) if self._listed is None else self._listed] = True
        return met

    def check_dense(self) -> None:
        """Checks that users and items have dense vectors.

        Raises:
            DataError: the vectors of the engine are sparse, as those of a linear item-item model.
        """
        self._dense(self.retriever.item_vectors)

    def search(self, text: str, k: int) -> tuple[list[Id], list[float]]:
        """The ``k`` items nearest to a text, of those that may be listed now, and their cosine similarities.

        Raises:
            DataError: there is no vector for the text, or the model has no text.
        """
        if self.text is None:
            raise DataError(NO_TEXT)
        with in_field("text"):
            ids, similarity = self.text(text)
        rows = self.data.items.vocabulary.rows(ids)
        best = np.flatnonzero(np.append(self.eligible(), False)[rows])[:k]
        return self.data.items.vocabulary.ids[rows[best]].tolist(), similarity[best].tolist()

    def request(self, question: Question, live: LiveHistories) -> Request:
        """The user of ``question`` as the engine is asked, with the history that feedback has extended."""
        return self._groups.of([look_up(self.data, question, live.types)], live).request

    @cached_property
    def neighbours(self) -> Neighbours:
        return Neighbours(similarity_vectors(self.bundle.engine, self.data.items))

    def _item(self, key: Id, name: str = "item_id") -> int:
        row = id_row(self.data.items.vocabulary, key, name)
        if row == MISSING:
            raise FieldError(f"the model has no item {ascii(key)[:80]}; ask for an id of the items that it lists", name)
        return row

    def _dense(self, vectors: Vectors) -> Vectors:
        if vectors.dense is None or vectors.sparse is not None:
            raise DataError(f"the vectors of {self.bundle.kind} are sparse; it has no embeddings")
        return vectors

    def _looked_up(
        self, questions: Sequence[Question], types: EventMeanings
    ) -> tuple[dict[int, Listed | RecsysError], dict[int, Lookup]]:
        errors: dict[int, Listed | RecsysError] = {}
        asked: dict[int, Lookup] = {}
        for number, question in enumerate(questions):
            try:
                self._check(question)
                asked[number] = look_up(self.data, question, types)
            except RecsysError as error:
                errors[number] = error
        return errors, asked

    def _filters(self, question: Question) -> bool:
        return self.options.filter_seen if question.filter_seen is None else question.filter_seen

    def _check(self, question: Question) -> None:
        """Checks what is asked, before it is ranked beside other questions."""
        with in_field("filter_seen"):
            check_ranks_seen(self.bundle.engine, self._filters(question))

    def _rank(self, group: Group, k: int) -> Lists:
        return self.retriever.rank(self.encoded(group), k, self._left_out(group), lambda: group.request)

    def encoded(self, group: Group) -> EncodedUsers:
        """The vectors of the users; those of users of the data are kept until their history changes."""
        return self._cache.get(group.keys, lambda new: self.retriever.encode(group.take(new).request))

    def filters(self, group: Group) -> NDArray[np.bool_]:
        """Bool [U]: whose seen items are left out."""
        return np.array([self._filters(each.question) for each in group.asked], bool)

    def _left_out(self, group: Group) -> Histories | None:
        """The items that are not in each list."""
        filtered = self.filters(group)
        left_out = ragged([each.left_out(len(self.data.items)) for each in group.asked])
        if self._by_user is not None:
            groups = self._by_user.groups(group.users)
            unmet = {row: np.flatnonzero(~mask) for rows, mask in groups for row in rows.tolist()}
            left_out = left_out.joined(ragged([unmet[row] for row in range(len(group.asked))]))
        always = np.ones(len(filtered), bool)
        for part, of in ((group.histories, filtered), (group.also_seen, filtered), (group.blocked, always)):
            if part is not None and of.any():
                seen = of_users(part, of)
                left_out = seen if not len(left_out.items) else left_out.joined(seen)
        return left_out if len(left_out.items) else None

    def _answers(self, group: Group, lists: Lists) -> Iterator[Listed]:
        """The list of each question of a group."""
        ids = self.data.items.vocabulary.ids
        for row, each in enumerate(group.asked):
            found = lists.rows[row, : each.question.k]
            n = int((found != MISSING).sum())
            scores, fallback = lists.scores[row, :n].tolist(), lists.fallback[row, :n].tolist()
            reasons = None if lists.reasons is None else tuple(reason_texts(lists.reasons[row, :n]))
            unknown = each.unknown_user, each.unknown_items
            yield Listed(tuple(ids[found[:n]].tolist()), tuple(scores), tuple(fallback), *unknown, reasons)
