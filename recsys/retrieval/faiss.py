"""Approximate search for large catalogues: Faiss, by inner product (needs the extra ``faiss``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.errors import ConfigError
from recsys.ranking import Ranked

_EXACT_UP_TO = 20_000


class Faiss:
    """A flat Faiss index for up to 20,000 items, an inverted file above.

    The inverted file clusters the items into about ``2 sqrt(I)`` cells and looks into ``probes`` of them, so it can
    miss an item that `recsys.ranking.Ranker` finds. Excluded items are removed after the search, which therefore asks
    for as many more as the longest exclusion list of the batch holds.

    Args:
        items: [I] vectors with a dense part only.
        candidates: item rows that may be returned; None is all of them.
        probes: cells that a search looks into.

    Raises:
        ConfigError: Faiss is not installed, or the vectors have a sparse part.
    """

    def __init__(self, items: Vectors, candidates: NDArray[np.integer] | None = None, probes: int = 32) -> None:
        if items.dense is None or items.sparse is not None:
            raise ConfigError("index 'faiss' needs vectors that are dense only; use index = 'exact' with this engine")
        rows = np.arange(len(items)) if candidates is None else np.unique(candidates)
        self._rows: Rows = (rows if items.valid is None else rows[items.valid[rows]]).astype(np.int64)
        self._n_items = len(items)
        self._index = _built(np.ascontiguousarray(items.dense[self._rows], np.float32), probes)

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """See `recsys.retrieval.index.Index`; equal scores are ordered by row among those that the search found."""
        assert users.dense is not None, "the items have a dense part only"
        k = min(k, self._n_items)
        longest = 0 if exclude is None or not len(exclude) else int(exclude.lengths.max())
        depth = min(k + longest, len(self._rows))
        rows = np.full((len(users), k), MISSING, np.int64)
        scores = np.full((len(users), k), -np.inf, np.float32)
        if not depth or not len(users):
            return rows, scores
        values, places = self._index.search(np.ascontiguousarray(users.dense, np.float32), depth)
        found = np.append(self._rows, MISSING)[places]
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


def _built(vectors: NDArray[np.float32], probes: int) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ConfigError("index 'faiss' needs Faiss: pip install 'recsys[faiss]', or use index = 'exact'") from error
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


def _excluded(found: Rows, exclude: Histories) -> NDArray[np.bool_]:
    """Whether each [U, F] found item is in its user's list; pairs are compared as one integer."""
    width = int(max(found.max(), exclude.items.max(initial=0))) + 2
    excluded = np.unique(exclude.users() * width + exclude.items + 1)
    pairs = np.arange(len(found))[:, None] * width + found + 1
    place = np.minimum(np.searchsorted(excluded, pairs), max(len(excluded) - 1, 0))
    return excluded[place] == pairs if len(excluded) else np.zeros(found.shape, bool)
