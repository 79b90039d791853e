"""Recommendations, scores, similar items and embeddings of a fitted engine as DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.data.vocabulary import Ids as IdArray
from recsys.engine import Request, VectorModel, Vectors
from recsys.errors import ArtifactError, DataError
from recsys.ranking import Ranker, check_finite
from recsys.retrieval.filters import allowed_rows
from recsys.retrieval.similar import cosine_to, find_item

_BLOCK = 4096
"""Users or items at a time; memory beside the result does not grow with their number."""

Ids = Sequence[int | str]


@dataclass(frozen=True)
class _Askers:
    """Users of a dataset, or anonymous ones with histories of their own; requests are made a block at a time."""

    data: Dataset
    ids: Vocabulary
    rows: Rows | None
    events: Interactions

    @classmethod
    def of(cls, data: Dataset, users: Ids | None, histories: Sequence[Ids] | None) -> _Askers:
        if histories is None:
            rows = np.arange(data.n_users) if users is None else known_rows(data.users.vocabulary, users, "user")
            return cls(data, Vocabulary(data.users.vocabulary.ids[rows]), rows, data.interactions)
        if users is not None:
            raise DataError("give users of the data or histories of anonymous people, not both")
        lengths = np.array([len(history) for history in histories], np.int64)
        items = known_rows(data.items.vocabulary, [item for history in histories for item in history], "item")
        place = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        events = Interactions.of(np.repeat(np.arange(len(histories)), lengths), items, place)
        return cls(data, Vocabulary(np.arange(len(histories))), None, events)

    def requests(self) -> Iterator[tuple[Rows, Request]]:
        """Blocks of positions, and the `Request` of each."""
        for start in range(0, len(self.ids), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(self.ids)))
            if self.rows is not None:
                yield places, Request.from_dataset(self.data, self.rows[places])
                continue
            blank = self.data.users.take(np.zeros(0, np.int64)).columns.reindex(range(len(places)))
            users = EntityTable(Vocabulary(_nobody(self.data, places)), blank, self.data.users.schema)
            yield places, Request(users, self.data.items, Histories.from_interactions(self.events, places))


def recommend(
    engine: VectorModel,
    data: Dataset,
    users: Ids | None = None,
    k: int = 10,
    *,
    histories: Sequence[Ids] | None = None,
    items: Ids | None = None,
    exclude: Ids = (),
    filter_seen: bool = True,
) -> pd.DataFrame:
    """The ``k`` best items of each user, exact, ties by the order of the item ids.

    Args:
        engine: a fitted engine.
        data: whose users and items are meant; histories are its interactions.
        users: ids; None is everybody.
        k: length of a list; shorter where less can be recommended.
        histories: instead of ``users``, the item ids of anonymous people, oldest first; they are called 0 to n - 1.
        items: ids that may be recommended; None is all.
        exclude: ids that may not, for anybody.
        filter_seen: whether items of the history are left out.

    Returns:
        ``user_id, item_id, rank`` (from 1) and ``score``; users without a vector have no rows.

    Raises:
        DataError: an id is unknown, ``users`` and ``histories`` are both given, or nothing may be recommended.
        ArtifactError: a vector holds NaN or an infinite value.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> engine = EASE().fit(data)
        >>> recommend(engine, data, ["u003"], k=2)[["user_id", "rank"]].values.tolist()
        [['u003', 1], ['u003', 2]]
        >>> recommend(engine, data, histories=[[100, 102]], k=3)["user_id"].tolist()
        [0, 0, 0]
    """
    if k < 1:
        raise DataError(f"k = {k}: a list has at least one place")
    known_rows(data.items.vocabulary, exclude, "item")
    askers = _Askers.of(data, users, histories)
    ranker = Ranker(_item_vectors(engine, data), allowed_rows(data.items.vocabulary, items, exclude))
    blocks = []
    for places, request in askers.requests():
        seen = request.histories if filter_seen else None
        rows, scores = ranker.top_k(_user_vectors(engine, request), k, seen)
        user, place = np.nonzero(rows != MISSING)
        columns = {"user": places[user], "item": rows[user, place], "rank": place + 1, "score": scores[user, place]}
        blocks.append(pd.DataFrame(columns))
    found = pd.concat(blocks, ignore_index=True) if blocks else _no_rows()
    ids = {"user_id": askers.ids.ids[found["user"]], "item_id": data.items.vocabulary.ids[found["item"]]}
    return pd.DataFrame({**ids, "rank": found["rank"], "score": found["score"]})


def score(engine: VectorModel, data: Dataset, pairs: pd.DataFrame) -> pd.DataFrame:
    """``pairs`` (``user_id, item_id``) with a column ``score``; NaN where the user or the item has no vector.

    Scores of one user order items; scores of different users need not be comparable.

    Raises:
        DataError: a column is missing, or an id is unknown.
        ArtifactError: a vector holds NaN or an infinite value.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> pairs = pd.DataFrame({"user_id": ["u000", "u001"], "item_id": [100, 101]})
        >>> score(EASE().fit(data), data, pairs).columns.tolist()
        ['user_id', 'item_id', 'score']
    """
    if missing := [name for name in ("user_id", "item_id") if name not in pairs]:
        raise DataError(f"pairs lack the column {missing[0]!r}; they have: {', '.join(map(str, pairs.columns))}")
    user = known_rows(data.users.vocabulary, pairs["user_id"].tolist(), "user")
    item = known_rows(data.items.vocabulary, pairs["item_id"].tolist(), "item")
    items, found = _item_vectors(engine, data), np.full(len(pairs), np.nan, np.float32)
    distinct, place = np.unique(user, return_inverse=True)
    for start in range(0, len(distinct), _BLOCK):
        vectors = _user_vectors(engine, Request.from_dataset(data, distinct[start : start + _BLOCK]))
        inside = np.flatnonzero((place >= start) & (place < start + _BLOCK))
        for part in np.array_split(inside, max(1, -(-len(inside) // _BLOCK))):
            found[part] = _paired(vectors.take(place[part] - start), items.take(item[part]))
    return pairs.assign(score=found)


def similar_items(engine: VectorModel, data: Dataset, item: int | str, k: int = 10) -> pd.DataFrame:
    """The ``k`` items whose vectors have the highest cosine with that of ``item``: ``item_id, rank, similarity``.

    Args:
        engine: a fitted engine.
        data: whose items are meant.
        item: an id, or a title, or a part of a title.
        k: how many.

    Raises:
        DataError: there is no such item, or the engine has no vector for it.
        ArtifactError: a vector holds NaN or an infinite value.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> similar_items(EASE().fit(data), data, 100, k=3)["rank"].tolist()
        [1, 2, 3]
    """
    vectors = _item_vectors(engine, data)
    row = find_item(data.items, str(item))
    valid = np.ones(len(vectors), bool) if vectors.valid is None else vectors.valid
    if not valid[row]:
        raise DataError(f"{type(engine).__name__} has no vector for the item {item!r}; it was not in its training data")
    similarity = np.where(valid, cosine_to(vectors, row), -np.inf)
    similarity[row] = -np.inf
    best = np.argsort(-similarity, kind="stable")[: min(k, int(valid.sum()) - 1)]
    ids = data.items.vocabulary.ids[best]
    return pd.DataFrame({"item_id": ids, "rank": np.arange(len(best)) + 1, "similarity": similarity[best]})


def embeddings(engine: VectorModel, data: Dataset, of: Literal["items", "users"]) -> pd.DataFrame:
    """``item_id`` or ``user_id`` and ``vector`` (float32 [D]); ids without a vector are left out.

    Raises:
        ArtifactError: the vectors of the engine are sparse, as those of a linear item-item model, or not finite.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.als import ALS
        >>> data = BlockTaste(users=30).dataset()
        >>> embeddings(ALS(factors=4).fit(data), data, "items").columns.tolist()
        ['item_id', 'vector']
    """
    if of == "items":
        return _vector_frame(engine, "item_id", [(data.items.vocabulary, _item_vectors(engine, data))])
    requests = _Askers.of(data, None, None).requests()
    blocks = ((request.users.vocabulary, _user_vectors(engine, request)) for _, request in requests)
    return _vector_frame(engine, "user_id", blocks)


def known_rows(vocabulary: Vocabulary, ids: Ids, what: str) -> Rows:
    """The rows of ``ids``.

    Raises:
        DataError: names those that the data does not hold.
    """
    if not len(ids):
        return np.zeros(0, np.int64)
    rows = vocabulary.rows(list(ids))
    unknown = [key for key, row in zip(ids, rows, strict=True) if row == MISSING]
    if unknown:
        raise DataError(
            f"{len(unknown)} {what} ids are not in the data, first {unknown[:5]!r}; its {what} ids look like "
            f"{vocabulary.ids[:2].tolist()!r}"
        )
    return rows


def _item_vectors(engine: VectorModel, data: Dataset) -> Vectors:
    vectors = engine.item_vectors(data.items)
    check_finite(vectors, data.items.vocabulary.ids, f"items of {type(engine).__name__}")
    return vectors


def _user_vectors(engine: VectorModel, request: Request) -> Vectors:
    vectors = engine.user_vectors(request)
    check_finite(vectors, request.users.vocabulary.ids, f"users of {type(engine).__name__}")
    return vectors


def _nobody(data: Dataset, places: Rows) -> IdArray:
    """Ids that no user of ``data`` has."""
    if not data.users.vocabulary.holds_integers:
        return np.array([f"anonymous\0{place}" for place in places], object)
    lowest = int(data.users.vocabulary.ids.min(initial=0))
    return np.asarray(lowest - 1 - places, np.int64)


def _paired(users: Vectors, items: Vectors) -> NDArray[np.float32]:
    """float32 [n]: the score of each user with the item of the same position."""
    total = np.zeros(len(users), np.float32)
    for left, right in ((users.dense, items.dense), (users.sparse, items.sparse)):
        if left is None or right is None:
            continue
        if sp.issparse(left) or sp.issparse(right):
            total += np.ravel(sp.csr_array(left).multiply(sp.csr_array(right)).sum(axis=1)).astype(np.float32)
        else:
            total += np.einsum("nd,nd->n", left, right)
    for part in (users, items):
        if part.valid is not None:
            total[~part.valid] = np.nan
    return total


def _vector_frame(engine: VectorModel, column: str, blocks: Iterable[tuple[Vocabulary, Vectors]]) -> pd.DataFrame:
    ids: list[object] = []
    rows: list[NDArray[np.float32]] = []
    for vocabulary, vectors in blocks:
        if vectors.dense is None or vectors.sparse is not None:
            raise ArtifactError(f"the vectors of {type(engine).__name__} are sparse; it has no embeddings")
        kept = np.arange(len(vectors)) if vectors.valid is None else np.flatnonzero(vectors.valid)
        ids += vocabulary.ids[kept].tolist()
        rows += list(vectors.dense[kept])
    return pd.DataFrame({column: ids, "vector": pd.Series(rows, dtype=object)})


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame({"user": np.zeros(0, int), "item": np.zeros(0, int), "rank": [], "score": []})
