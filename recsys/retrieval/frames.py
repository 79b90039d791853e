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
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.data.vocabulary import Ids as IdArray
from recsys.engine import Request, VectorModel, Vectors
from recsys.errors import ArtifactError, DataError
from recsys.retrieval.anonymous import with_anonymous
from recsys.retrieval.filters import allowed_rows
from recsys.retrieval.retriever import Retriever, item_vectors, user_vectors
from recsys.retrieval.similar import find_item, most_similar

_BLOCK = 4096
"""Users or items at a time; memory beside the result does not grow with their number."""

Ids = Sequence[int | str]


@dataclass(frozen=True)
class _Users:
    """The users that a call is about: users of ``data``, or anonymous users with the histories of ``events``.

    Args:
        data: the dataset.
        ids: [U] their ids; anonymous users are numbered from 0.
        rows: [U] their rows in ``data.users``; None where they are anonymous.
        events: the interactions that hold their histories.
    """

    data: Dataset
    ids: IdArray
    rows: Rows | None
    events: Interactions

    @classmethod
    def of(cls, data: Dataset, users: Ids | None = None, histories: Sequence[Ids] | None = None) -> _Users:
        """Users by id (None: all of ``data``), or anonymous users by their histories."""
        if histories is None:
            rows = np.arange(data.n_users) if users is None else known_rows(data.users.vocabulary, users, "user")
            return cls(data, Vocabulary(data.users.vocabulary.ids[rows]).ids, rows, data.interactions)
        if users is not None:
            raise DataError("users and histories are both given; give users of the data or histories of others")
        lengths = np.array([len(history) for history in histories], np.int64)
        items = known_rows(data.items.vocabulary, [item for history in histories for item in history], "item")
        position = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        events = Interactions.of(np.repeat(np.arange(len(histories)), lengths), items, position)
        return cls(data, np.arange(len(histories)), None, events)

    def requests(self) -> Iterator[tuple[Rows, Request]]:
        """Blocks of at most `_BLOCK` users: their positions in ``ids``, and their `Request`."""
        for start in range(0, len(self.ids), _BLOCK):
            block = np.arange(start, min(start + _BLOCK, len(self.ids)))
            if self.rows is not None:
                yield block, Request.from_dataset(self.data, self.rows[block])
                continue
            users = with_anonymous(self.data.users, np.full(len(block), MISSING))
            yield block, Request(users, self.data.items, Histories.from_interactions(self.events, block))


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
    """Top-k recommendation: the ``k`` items with the highest scores of each user, by exact search.

    Equal scores are ordered as the items are in ``data``.

    Args:
        engine: a fitted engine.
        data: the dataset that the ids refer to; its interactions are the histories of its users.
        users: user ids; None is all users.
        k: items a user gets at most.
        histories: instead of ``users``, the histories of anonymous users: item ids, oldest first. Their user ids are
            0 to n - 1.
        items: ids of items that may be recommended; None is all.
        exclude: ids of items that are not recommended to any user.
        filter_seen: whether items of a user's history are left out of the user's list.

    Returns:
        ``user_id, item_id, rank`` (from 1) and ``score``; users without a vector have no rows.

    Raises:
        DataError: an id is unknown, ``users`` and ``histories`` are both given, or no item may be recommended.
        ArtifactError: a vector or a score is NaN or infinite.

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
        raise DataError(f"k = {k}; k must be at least 1")
    known_rows(data.items.vocabulary, exclude, "item")
    chosen = _Users.of(data, users, histories)
    retriever = Retriever(engine, data.items, candidates=allowed_rows(data.items.vocabulary, items, exclude))
    blocks = []
    for block, request in chosen.requests():
        rows, scores = retriever.top_k(request, k, filter_seen)
        user, column = np.nonzero(rows != MISSING)
        columns = {"user": block[user], "item": rows[user, column], "rank": column + 1, "score": scores[user, column]}
        blocks.append(pd.DataFrame(columns))
    found = pd.concat(blocks, ignore_index=True) if blocks else _no_rows()
    ids = {"user_id": chosen.ids[found["user"]], "item_id": data.items.vocabulary.ids[found["item"]]}
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
    items, found = item_vectors(engine, data.items), np.full(len(pairs), np.nan, np.float32)
    distinct, position = np.unique(user, return_inverse=True)
    for start in range(0, len(distinct), _BLOCK):
        vectors = user_vectors(engine, Request.from_dataset(data, distinct[start : start + _BLOCK]))
        inside = np.flatnonzero((position >= start) & (position < start + _BLOCK))
        for part in np.array_split(inside, max(1, -(-len(inside) // _BLOCK))):
            found[part] = _paired(vectors.take(position[part] - start), items.take(item[part]))
    return pairs.assign(score=found)


def similar_items(engine: VectorModel, data: Dataset, item: int | str, k: int = 10) -> pd.DataFrame:
    """The ``k`` items whose vectors have the highest cosine with that of ``item``: ``item_id, rank, similarity``.

    Args:
        engine: a fitted engine.
        data: the dataset that the item ids refer to.
        item: an id, a title or a part of a title.
        k: the number of items, at most.

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
    vectors, row = item_vectors(engine, data.items), find_item(data.items, str(item))
    if vectors.valid is not None and not vectors.valid[row]:
        raise DataError(f"{type(engine).__name__} has no vector for the item {item!r}; it was not in its training data")
    rows, similarity = most_similar(vectors, row, k)
    ids = data.items.vocabulary.ids[rows]
    return pd.DataFrame({"item_id": ids, "rank": np.arange(len(rows)) + 1, "similarity": similarity})


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
        return _vector_frame(engine, "item_id", [(data.items.vocabulary, item_vectors(engine, data.items))])
    requests = _Users.of(data).requests()
    blocks = ((request.users.vocabulary, user_vectors(engine, request)) for _, request in requests)
    return _vector_frame(engine, "user_id", blocks)


def known_rows(vocabulary: Vocabulary, ids: Ids, what: str) -> Rows:
    """int64 [n]: the row of each id.

    Args:
        vocabulary: of the users or the items.
        ids: [n].
        what: ``"user"`` or ``"item"``, for the message.

    Raises:
        DataError: some ids are not in the data; names the first five.
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


def _paired(users: Vectors, items: Vectors) -> NDArray[np.float32]:
    """float32 [n]: the score of ``users[i]`` and ``items[i]``; NaN where either has no vector."""
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
