"""EASE: the linear item-item model in closed form (Steck, WWW 2019, "Embarrassingly Shallow Autoencoders")."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Request, Resources, Vectors
from recsys.engines.storage import decayed_history, known_rows, load_arrays, save_arrays
from recsys.errors import DataError
from recsys.tracking import Tracker

_LARGEST = 40_000


class EaseConfig(Config):
    """A ridge regression of every item on all others.

    Args:
        regularisation: of the squared weights.
        decay: weight of a step when a user's history is scored; 1 forgets the order.
    """

    regularisation: float = Field(100.0, gt=0)
    decay: float = Field(1.0, gt=0, le=1)


class Ease:
    r"""Weights :math:`B = I - P / \mathrm{diag}(P)` with :math:`P = (X^\top X + \lambda I)^{-1}`, zero on the diagonal.

    Learnt from the binary matrix X; a user is scored by the history whose items weigh ``decay ** steps_ago``, which
    turns a model without order into one that follows what the user did last. Memory is I x I floats.
    """

    kind: ClassVar[str] = "ease"
    Config: ClassVar[type[Config]] = EaseConfig
    can_place_new_users: ClassVar[bool] = True
    can_place_new_items: ClassVar[bool] = False

    items: Vocabulary
    weights: NDArray[np.float32]
    counts: NDArray[np.int64]

    def __init__(self, config: Any = None, resources: Resources | None = None) -> None:
        self.config: EaseConfig = config or EaseConfig()

    def fit(self, data: Dataset, train: Interactions, tracker: Tracker) -> None:
        if data.n_items > _LARGEST:
            raise DataError(
                f"EASE needs a matrix of {data.n_items:,} x {data.n_items:,}, over the {_LARGEST:,} items it is meant "
                "for; use als, or an item-kNN, whose weights are sparse"
            )
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        matrix = train.to_csr(data.n_users, data.n_items)
        tracker.progress(f"ease: the Gram matrix of {data.n_items:,} items")
        gram = (matrix.T @ matrix).toarray()
        tracker.progress(f"ease: inverting {data.n_items:,} x {data.n_items:,}")
        self.weights = item_weights(gram, self.config.regularisation)

    def user_vectors(self, request: Request) -> Vectors:
        history = decayed_history(request, self.items, self.counts, self.config.decay)
        return Vectors(sparse=history, placed=np.diff(history.indptr) > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = known_rows(items, self.items, self.counts)
        whole = np.array_equal(rows, np.arange(len(self.items)))
        vectors = self.weights if whole else np.where((rows >= 0)[:, None], self.weights[rows], np.float32(0))
        return Vectors(sparse=vectors, placed=rows >= 0)

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.config, self.items, {"weights": self.weights, "counts": self.counts})

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, EaseConfig)
        engine = cls(config)
        engine.items, engine.weights, engine.counts = items, arrays["weights"], arrays["counts"]
        return engine


def item_weights(gram: NDArray[np.float32], regularisation: float) -> NDArray[np.float32]:
    """float32 [I, I]; row i holds what every item adds to the score of item i.

    The inverse is taken by Cholesky in the memory of ``gram``, which is overwritten; single precision is enough, for
    the regularisation bounds the condition number.
    """
    from scipy.linalg import lapack

    np.fill_diagonal(gram, gram.diagonal() + np.float32(regularisation))
    factor, failed = lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    assert failed == 0, "a Gram matrix plus a positive diagonal is positive definite"
    inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    assert failed == 0, "the factor has a positive diagonal"
    weights: NDArray[np.float32] = inverse.T
    _mirror(weights)
    weights /= -weights.diagonal().copy()[:, None]
    np.fill_diagonal(weights, 0)
    return weights


def _mirror(matrix: NDArray[np.float32], block: int = 1024) -> None:
    """Copies the upper triangle into the lower one, block by block."""
    n = len(matrix)
    for start in range(0, n, block):
        stop = min(start + block, n)
        matrix[stop:, start:stop] = matrix[start:stop, stop:].T
        square = matrix[start:stop, start:stop]
        lower = np.tril_indices(stop - start, -1)
        square[lower] = square.T[lower]
