"""Item vectors of length one, dense or sparse, of which a few rows are compared."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.engine import Vectors
from recsys.retrieval.similar import Neighbours

Matrix: TypeAlias = "NDArray[np.float32] | sp.csr_array"


class UnitVectors:
    """The vectors of all items for their cosines; rows are scaled when they are taken.

    Args:
        neighbours: with the vectors [I] of all items.

    Example:
        >>> from recsys.engine import Vectors
        >>> unit = UnitVectors(Neighbours(Vectors(np.float32([[3, 0], [0, 2], [1, 1]]))))
        >>> unit.cosines(np.array([0]), np.array([0, 1, 2])).round(2)
        array([[1.  , 0.  , 0.71]], dtype=float32)
    """

    def __init__(self, neighbours: Neighbours) -> None:
        self.valid, self._length, self._vectors = neighbours.valid, neighbours.length, neighbours.vectors

    @property
    def compares(self) -> bool:
        """See `compares`."""
        return compares(self._vectors)

    def take(self, rows: Rows) -> Matrix:
        """[n, D]: the vectors at ``rows``; zero where an item has none."""
        part = self._vectors.take(rows)
        scale = self.valid[rows] / np.maximum(self._length[rows], 1e-12)
        parts = [each for each in (part.dense, part.sparse) if each is not None]
        if any(sp.issparse(each) for each in parts):
            wide = sp.hstack([sp.csr_array(each) for each in parts], format="csr")
            return sp.csr_array(sp.diags_array(scale) @ wide)
        return np.concatenate(parts, 1) * scale[:, None].astype(np.float32)

    def dense(self, rows: Rows) -> NDArray[np.float32]:
        """[n, D] of a few ``rows``, as an array."""
        return _as_array(self.take(rows))

    def cosines(self, rows: Rows, others: Rows) -> NDArray[np.float32]:
        """float32 [n, m]: the cosine similarity of each of ``rows`` with each of ``others``."""
        return _as_array(self.take(rows) @ self.take(others).T)


def compares(vectors: Vectors) -> bool:
    """Whether cosines of ``vectors`` tell items apart, which those of one dimension, as of popularity, do not."""
    dims = [each.shape[1] for each in (vectors.dense, vectors.sparse) if each is not None]
    return bool(sum(dims) > 1)


def _as_array(values: Any) -> NDArray[np.float32]:
    """Of a sparse matrix or an array."""
    return np.asarray(values.toarray() if sp.issparse(values) else values, np.float32)
