"""The nearest items of an item, with all that does not depend on the item computed once."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.embedding_table import rank_neighbours
from recsys.engine import Vectors


class Neighbours:
    """Cosine neighbours of items, as `recsys.retrieval.similar.most_similar`.

    Args:
        vectors: [n]; rows that are not valid are no neighbours.

    Attributes:
        vectors: as given.
        valid: bool [n], which rows have one.
        length: float64 [n], of the vectors.

    Example:
        >>> rows, similarity = Neighbours(Vectors(np.float32([[1, 0], [0, 1], [2, 0]]))).of(0, k=2)
        >>> rows.tolist(), similarity.tolist()
        ([2, 1], [1.0, 0.0])
    """

    def __init__(self, vectors: Vectors) -> None:
        self.valid = np.ones(len(vectors), bool) if vectors.valid is None else vectors.valid
        self.vectors, self._dense = vectors, vectors.dense
        self._sparse = None if vectors.sparse is None else sp.csr_array(vectors.sparse)
        squares = np.zeros(len(vectors))
        if self._dense is not None:
            squares += np.einsum("nd,nd->n", self._dense, self._dense, dtype=np.float64)
        if self._sparse is not None:
            squares += np.ravel(self._sparse.multiply(self._sparse).sum(axis=1))
        self.length = np.sqrt(squares)

    def has(self, row: int) -> bool:
        """Whether the item at ``row`` has a vector."""
        return bool(self.valid[row])

    def of(self, row: int, k: int) -> tuple[Rows, NDArray[np.float64]]:
        """The ``k`` rows most similar to that at ``row`` and their cosines, highest first and equal ones by row."""
        product = np.zeros(len(self.length))
        if self._dense is not None:
            product += self._dense @ self._dense[row]
        if self._sparse is not None:
            product += np.ravel((self._sparse @ self._sparse[[row]].T).toarray())
        similarity = product / np.maximum(self.length * self.length[row], 1e-12)
        similarity[~self.valid] = -np.inf
        best = rank_neighbours(similarity[None], np.array([row]), min(k, int(self.valid.sum()) - 1))[0]
        return best, similarity[best]
