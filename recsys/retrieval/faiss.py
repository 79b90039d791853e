"""Approximate search for large catalogues: Faiss, by inner product (needs the extra ``faiss``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.errors import ArtifactError, ConfigError
from recsys.ranking import Ranked, check_finite, check_finite_scores

_EXACT_UP_TO = 20_000


class Faiss:
    """Maximum inner product search: a flat (exact) index for up to 20,000 items, an inverted file (IVF) above.

    The inverted file clusters the items into about ``2 sqrt(I)`` lists and searches ``probes`` of them, so it can miss
    an item that `recsys.ranking.Ranker` finds. Excluded items are removed after the search, so the search retrieves
    ``k`` items plus as many as the longest exclusion list of the batch.

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
        self._n_items = len(items)
        self._index = _built(np.ascontiguousarray(items.dense[self._rows], np.float32), probes)

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """See `recsys.retrieval.index.Index`; equal scores are ordered by row among those that the search found.

        Raises:
            ArtifactError: the vector of a user, or a score, is NaN or infinite.
        """
        k = min(k, self._n_items)
        longest = 0 if exclude is None or not len(exclude) else int(exclude.lengths.max())
        depth = min(k + longest, len(self._rows))
        rows = np.full((len(users), k), MISSING, np.int64)
        scores = np.full((len(users), k), -np.inf, np.float32)
        if not depth or not len(users):
            return rows, scores
        found, values = self._search(users, depth)
        dropped = found == MISSING
        if exclude is not None:
            dropped |= _excluded(found, exclude)
        if users.valid is not None:
            dropped |= ~users.valid[:, None]
        values = np.where(dropped, -np.inf, values)
        order = np.lexsort((found, -values), axis=1)[:, :k]
        kept = order.shape[1]
        rows[:, :kept] = np.take_along_axis(found, order, axis=1)
        scores[:, :kept] = np.take_along_axis(values, order, axis=1)
        rows[np.isneginf(scores)] = MISSING
        return rows, scores

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


def _built(vectors: NDArray[np.float32], probes: int) -> Any:
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
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
        index.nprobe = probes
        index.train(vectors)
    index.add(vectors)
    return index


def write_index(vectors: NDArray[np.float32], path: Path) -> str:
    """Writes an index of ``vectors`` [n, D] by inner product, whose ids are the rows; returns its kind in Faiss.

    Raises:
        ConfigError: Faiss is not installed.
    """
    index = _built(np.ascontiguousarray(vectors, np.float32), 32)
    import faiss

    faiss.write_index(index, str(path))
    return type(index).__name__


def _excluded(found: Rows, exclude: Histories) -> NDArray[np.bool_]:
    """Bool [U, F]: whether each found item is in its user's exclusion list.

    A pair is compared as the integer ``user * width + item + 1``, where ``width`` is above every item row plus 1.
    """
    width = int(max(found.max(), exclude.items.max(initial=0))) + 2
    excluded = np.unique(exclude.users() * width + exclude.items + 1)
    pairs = np.arange(len(found))[:, None] * width + found + 1
    position = np.minimum(np.searchsorted(excluded, pairs), max(len(excluded) - 1, 0))
    return excluded[position] == pairs if len(excluded) else np.zeros(found.shape, bool)
