"""Approximate search for large catalogues: Faiss, by inner product (needs the extra ``faiss``)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.errors import ArtifactError, ConfigError
from recsys.ranking import Ranked, Ranker, check_finite, check_finite_scores

_EXACT_UP_TO = 20_000
_TUNED_AT = 10


class Faiss:
    """Maximum inner product search: a flat (exact) index for up to 20,000 items, an inverted file (IVF) above.

    The inverted file clusters the items into about ``2 sqrt(I)`` lists and searches ``probes`` of them, so it can miss
    an item that `recsys.ranking.Ranker` finds. Excluded items are removed after the search, so the search retrieves for
    each user ``k`` items plus as many as are excluded for that user, rounded up to a power of two above ``k``. A list
    that is short although more items may be returned is made by an exact scan.

    Args:
        items: [I] vectors with a dense part only.
        candidates: item rows that may be returned; None is all of them.
        probes: inverted lists that are searched for each user (``nprobe`` in Faiss).

    Raises:
        ConfigError: Faiss is not installed, or the vectors have a sparse part.
        ArtifactError: the vector of a candidate holds NaN or an infinite value.
    """

    def __init__(self, items: Vectors, candidates: NDArray[np.integer] | None = None, probes: int = 32) -> None:
        if items.dense is None or items.sparse is not None:
            raise ConfigError("index 'faiss' needs vectors that are dense only; use index = 'exact' with this engine")
        rows = np.arange(len(items)) if candidates is None else np.unique(candidates)
        self._rows: Rows = (rows if items.valid is None else rows[items.valid[rows]]).astype(np.int64)
        check_finite(items.take(self._rows), self._rows, "item rows")
        self._n_items, self._items = len(items), items
        self._index = _built(np.ascontiguousarray(items.dense[self._rows], np.float32), probes)

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """See `recsys.retrieval.index.Index`; equal scores are ordered by row among those that the search found.

        Raises:
            ArtifactError: the vector of a user, or a score, is NaN or infinite.
        """
        k = min(k, self._n_items)
        rows = np.full((len(users), k), MISSING, np.int64)
        scores = np.full((len(users), k), -np.inf, np.float32)
        if not len(self._rows) or not len(users):
            return rows, scores
        left_out = np.zeros(len(users), np.int64) if exclude is None else exclude.lengths
        depths = np.minimum(_rounded(k + left_out), len(self._rows))
        for depth in np.unique(depths):
            some = np.flatnonzero(depths == depth)
            part = None if exclude is None else exclude.take(some)
            found = self._best(users.take(some), k, int(depth), part)
            width = found[0].shape[1]
            rows[some, :width], scores[some, :width] = found
        short = self._short(rows, users)
        if len(short):
            part = None if exclude is None else exclude.take(short)
            rows[short], scores[short] = self._exact.top_k(users.take(short), k, part)
        return rows, scores

    def _best(self, users: Vectors, k: int, depth: int, exclude: Histories | None) -> Ranked:
        """The best ``k`` of ``depth`` items that are found for each user, without those that are left out."""
        found, values = self._search(users, depth)
        dropped = found == MISSING
        if exclude is not None:
            dropped |= _excluded(found, exclude)
        if users.valid is not None:
            dropped |= ~users.valid[:, None]
        values = np.where(dropped, -np.inf, values)
        order = np.lexsort((found, -values), axis=1)[:, :k]
        rows, scores = np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)
        rows[np.isneginf(scores)] = MISSING
        return rows, scores

    def _short(self, rows: Rows, users: Vectors) -> Rows:
        """The users whose lists have an empty place: the lists that were searched held too few items."""
        if len(self._rows) <= _EXACT_UP_TO:
            return np.zeros(0, np.int64)
        short = (rows != MISSING).sum(1) < min(rows.shape[1], len(self._rows))
        return np.flatnonzero(short if users.valid is None else short & users.valid)

    @cached_property
    def _exact(self) -> Ranker:
        return Ranker(self._items, self._rows)

    def _search(self, users: Vectors, depth: int) -> tuple[Rows, NDArray[np.float32]]:
        """Item rows and scores [U, depth] of the nearest candidates; MISSING where fewer were found."""
        assert users.dense is not None, "the items have a dense part only"
        check_finite(users, np.arange(len(users)), "user rows")
        queries = users.dense if users.valid is None else np.where(users.valid[:, None], users.dense, 0)
        scores, positions = self._index.search(np.ascontiguousarray(queries, np.float32), depth)
        rows = np.append(self._rows, MISSING)[positions]
        exact = len(self._rows) <= _EXACT_UP_TO
        if exact and (positions < 0).any():  # a flat index finds every candidate but those whose score is NaN or -inf
            raise ArtifactError(
                "the inner product of a user's and an item's vector is NaN or infinite, because their entries are too "
                "large; train the engine again, with a lower learning rate or more regularization"
            )
        check_finite_scores(rows, np.where(positions < 0, -np.inf, scores))
        return rows, scores


def _built(vectors: NDArray[np.float32], probes: int, half: bool = False) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            "index 'faiss' needs Faiss: pip install 'recsys-towers[faiss]', or use index = 'exact'"
        ) from error
    index: Any
    count, dim = vectors.shape
    if count <= _EXACT_UP_TO:
        index = faiss.IndexFlatIP(dim)
    else:
        cells = round(2 * count**0.5)
        lists, metric = faiss.IndexFlatIP(dim), faiss.METRIC_INNER_PRODUCT
        if half and float(np.abs(vectors).max(initial=0)) < np.finfo(np.float16).max:
            index = faiss.IndexIVFScalarQuantizer(lists, dim, cells, faiss.ScalarQuantizer.QT_fp16, metric)
        else:
            index = faiss.IndexIVFFlat(lists, dim, cells, metric)
        index.nprobe = probes
        index.train(vectors)
    index.add(vectors)
    return index


def write_index(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], path: Path, target: float = 0.99
) -> dict[str, object]:
    """Writes an index of ``vectors`` by inner product, whose ids are the rows.

    Up to 20,000 items it is flat. Above, it is an inverted file of half-precision vectors (scalar quantization), of
    which so many lists are searched that the recall of the exact top 10 of the queries reaches ``target``.

    Args:
        vectors: [n, D] of items.
        queries: [Q, D] vectors of users, which nothing else of the index depends on; without any, all lists are
            searched.
        path: of the file.
        target: recall@10 against the exact ranking.

    Returns:
        ``kind`` in Faiss, and for an inverted file ``nprobe`` and ``recall``, None without queries.

    Raises:
        ConfigError: Faiss is not installed.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if len(vectors) <= _EXACT_UP_TO:
        index, found = _built(vectors, 1), dict[str, object]()
    else:
        index = _built(vectors, 1, half=True)
        found = _tuned(index, vectors, np.ascontiguousarray(queries, np.float32), target)
    import faiss

    faiss.write_index(index, str(path))
    return {"kind": type(index).__name__} | found


def _tuned(index: Any, vectors: NDArray[np.float32], queries: NDArray[np.float32], target: float) -> dict[str, object]:
    """Doubles ``nprobe`` until the recall of the queries reaches ``target``, or all lists are searched."""
    if not len(queries):
        index.nprobe = index.nlist
        return {"nprobe": index.nlist, "recall": None}
    exact, _ = Ranker(Vectors(vectors)).top_k(Vectors(queries), _TUNED_AT)
    while True:
        rows = index.search(queries, exact.shape[1])[1]
        hits = (exact[:, :, None] == rows[:, None, :]).any(2)
        recall = float(hits.mean())
        if recall >= target or index.nprobe >= index.nlist:
            return {"nprobe": int(index.nprobe), "recall": round(recall, 4)}
        index.nprobe = min(2 * index.nprobe, index.nlist)


def _rounded(depths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The shortest depth plus a power of two, at least each of ``depths``: a batch is searched in a few groups.

    Example:
        >>> _rounded(np.array([10, 11, 13, 30])).tolist()
        [10, 11, 14, 42]
    """
    least = depths.min()
    more = depths - least
    rounded: NDArray[np.int64] = least + 2 ** np.ceil(np.log2(np.maximum(more, 1))).astype(np.int64)
    return np.where(more > 0, rounded, least)


def _excluded(found: Rows, exclude: Histories) -> NDArray[np.bool_]:
    """Bool [U, F]: whether each found item is in its user's exclusion list.

    A pair is compared as the integer ``user * width + item + 1``, where ``width`` is above every item row plus 1.
    """
    width = int(max(found.max(), exclude.items.max(initial=0))) + 2
    excluded = np.unique(exclude.users() * width + exclude.items + 1)
    pairs = np.arange(len(found))[:, None] * width + found + 1
    position = np.minimum(np.searchsorted(excluded, pairs), max(len(excluded) - 1, 0))
    return excluded[position] == pairs if len(excluded) else np.zeros(found.shape, bool)
