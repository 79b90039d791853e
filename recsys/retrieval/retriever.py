"""Top-k retrieval with a fitted engine: the path that data frames, batches and online prediction share."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Engine, Request, VectorModel, Vectors
from recsys.errors import DataError
from recsys.ranking import Ranker, check_finite, device_of
from recsys.retrieval import INDEXES
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.index import BuildIndex, Index
from recsys.retrieval.similar import SimilarityModel, squarable
from recsys.retrieval.top_up import Lists, TopUp, unknown_users


class Subset(NamedTuple):
    """A part of the catalogue that is ranked by itself.

    Args:
        rows: of the items, ascending.
        ranking: of their vectors.
        top_up: fills short lists with them; None without a fallback.
    """

    rows: Rows
    ranking: Index
    top_up: TopUp | None


@dataclass(frozen=True, eq=False)
class EncodedUsers:
    """Users as `Retriever.rank` takes them.

    Args:
        vectors: [U].
        unknown: bool [U], of whom the engine knows nothing, so that the fallback makes their lists.
    """

    vectors: Vectors
    unknown: NDArray[np.bool_]

    def take(self, rows: Rows) -> EncodedUsers:
        """The users at ``rows``."""
        return EncodedUsers(self.vectors.take(rows), self.unknown[rows])


class Retriever:
    """An engine with an index over its item vectors, which returns the top-k items of each user of a request.

    Args:
        engine: a fitted engine.
        items: [I] the catalogue.
        index: a name in `recsys.retrieval.INDEXES`, or what builds an index from item vectors and candidates.
        candidates: rows of ``items`` that may be returned; None is all of them.
        at: the time for which item vectors are computed, in the unit of the dataset's timestamps; None is now.
        fallback: returns the fallback, which ranks for users of whom the engine knows nothing and fills short lists; it
            is called when the first of them is met. None leaves their lists empty or short.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
        ConfigError: the index is unknown, not installed, or does not support the engine's vectors.

    Example:
        >>> import numpy as np
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> retriever = Retriever(EASE().fit(data), data.items)
        >>> lists = retriever.top_k(Request.from_dataset(data, np.array([0, 3])), k=5)
        >>> lists.rows.shape, lists.scores.shape
        ((2, 5), (2, 5))
    """

    def __init__(
        self,
        engine: VectorModel,
        items: EntityTable,
        index: str | BuildIndex = "exact",
        candidates: Rows | None = None,
        at: int | None = None,
        fallback: Callable[[], Fallback] | None = None,
    ) -> None:
        self._engine, self._items, self._candidates = engine, items, candidates
        self.item_vectors = item_vectors(engine, items, at)
        self.device = device_of(engine)
        build: BuildIndex = INDEXES[index] if isinstance(index, str) else index
        if build is Ranker:
            build = partial(Ranker, device=self.device)
        self.build = build
        self.index = build(self.item_vectors, candidates)
        self.top_up = None if fallback is None else TopUp(fallback, items, candidates)

    def top_k(
        self,
        request: Request,
        k: int,
        filter_seen: bool = True,
        excluded: Histories | None = None,
        users: Vectors | None = None,
    ) -> Lists:
        """The ``k`` items with the highest scores for each user of ``request``.

        Args:
            request: [U] users and their histories.
            k: length of a list; at most the size of the catalogue.
            filter_seen: whether items of a user's history are left out of the user's list.
            excluded: [U] other items that are left out of the list of each user.
            users: [U] the vectors of the users, where they are known already.

        Returns:
            Item rows and scores [U, k], best first, and which items are of the fallback; with a fallback, a list is
            shorter than ``k`` only where fewer items are eligible.

        Raises:
            ArtifactError: the vector of a user, or a score, is NaN or infinite.
        """
        seen = seen_items(request) if filter_seen else None
        if excluded is not None and len(excluded.items):
            seen = excluded if seen is None else seen.joined(excluded)
        encoded = self.encode(request) if users is None else self._encoded(request, users)
        return self.rank(encoded, k, seen, lambda: request)

    def encode(self, request: Request) -> EncodedUsers:
        """The vectors of the users of ``request``, and of whom the engine knows nothing.

        Raises:
            ArtifactError: the vector of a user is NaN or infinite.
        """
        return self._encoded(request, user_vectors(self._engine, request))

    def _encoded(self, request: Request, users: Vectors) -> EncodedUsers:
        return EncodedUsers(users, np.zeros(len(users), bool) if self.top_up is None else self.unknown(request, users))

    def rank(self, users: EncodedUsers, k: int, left_out: Histories | None, request: Callable[[], Request]) -> Lists:
        """The ``k`` items with the highest scores for each of ``users`` [U].

        Args:
            users: what `encode` returned; vectors of earlier calls may be used again.
            k: length of a list.
            left_out: [U] the items that are not in each list; None leaves out none.
            request: returns the request of the same users; called where a list is short, for the fallback.

        Raises:
            ArtifactError: a score is NaN or infinite.
        """
        rows, scores = self.index.top_k(users.vectors, k, left_out)
        if self.top_up is None:
            return Lists(rows, scores, np.zeros(rows.shape, bool))
        rows[users.unknown], scores[users.unknown] = MISSING, -np.inf
        if not len(self.top_up.short(rows)):
            return Lists(rows, scores, np.zeros(rows.shape, bool))
        return self.top_up.fill(request(), (rows, scores), left_out)

    def within(self, rows: Rows) -> Subset:
        """The items at ``rows`` alone, with the same vectors."""
        return Subset(rows, self.build(self.item_vectors, rows), self.top_up and self.top_up.within(rows))

    def narrowed(self, rows: Rows | None, build: BuildIndex | None = None) -> Retriever:
        """The same engine with the items at ``rows`` alone, None is all; ``build`` makes another index of them."""
        own = self._candidates
        same = rows is own if rows is None or own is None else np.array_equal(rows, own)
        if same and build is None:
            return self
        made = copy(self)
        made.build, made._candidates = build or self.build, rows
        made.index = made.build(self.item_vectors, rows)
        made.top_up = self.top_up and self.top_up.within(rows)
        return made

    def unknown(self, request: Request, users: Vectors) -> NDArray[np.bool_]:
        """Bool [U]: the users of whom the engine knows nothing, see `recsys.retrieval.top_up.unknown_users`."""
        return unknown_users(request, users, self.item_vectors, lambda asked: user_vectors(self._engine, asked))


class HasSeen(Protocol):
    """Users with what they have seen, such as a `Request`."""

    @property
    def histories(self) -> Histories: ...

    @property
    def also_seen(self) -> Histories | None: ...


def seen_items(users: HasSeen) -> Histories:
    """[U] what the seen filter masks: the histories of ``users``, and what is also seen."""
    return users.histories if users.also_seen is None else users.histories.joined(users.also_seen)


def check_ranks_seen(engine: Engine, filter_seen: bool) -> None:
    """Checks that an engine whose lists keep seen items was trained to rank them.

    Raises:
        DataError: it was not.
    """
    if not filter_seen and not engine.ranks_seen_items():
        raise DataError(
            "filter_seen is false, and the model was trained to rank unseen items alone; leave filter_seen out, or "
            "train with evaluate.filter_seen = false"
        )


def item_vectors(engine: VectorModel, items: EntityTable, at: int | None = None) -> Vectors:
    """[I] the engine's vectors of ``items``, checked.

    Raises:
        ArtifactError: one holds NaN or an infinite value.
    """
    return _checked(engine.item_vectors(items, at), items, f"items of {type(engine).__name__}")


def similarity_vectors(engine: SimilarityModel, items: EntityTable) -> Vectors:
    """[I] the engine's vectors of ``items`` whose cosines are similarities, checked, with squares that are finite.

    Raises:
        ArtifactError: one holds NaN or an infinite value.
    """
    return squarable(_checked(engine.similarity_vectors(items), items, f"items of {type(engine).__name__}"))


def user_vectors(engine: VectorModel, request: Request) -> Vectors:
    """[U] the engine's vectors of the users of ``request``, checked.

    Raises:
        ArtifactError: one holds NaN or an infinite value.
    """
    return _checked(engine.user_vectors(request), request.users, f"users of {type(engine).__name__}")


def _checked(vectors: Vectors, table: EntityTable, what: str) -> Vectors:
    check_finite(vectors, table.vocabulary.ids, what)
    return vectors
