"""Implicit alternating least squares, through the library implicit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits

from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.sparse import as_matrix
from recsys.engines.storage import dense_vectors, known_rows, load_arrays, save_arrays, seen_table
from recsys.errors import ConfigError, DataError, RecsysError
from recsys.seeding import stream_seed
from recsys.tracking import Tracker

_FAR_APART = 1000
"""The ratio of weights above which they explain why a system has no solution."""


class ALSConfig(EngineConfig):
    """Options of the weighted matrix factorization.

    Args:
        factors: D.
        regularization: L2 penalty of the factors.
        alpha: confidence of an interaction of weight 1, where a missing pair has confidence 1.
        iterations: alternations between user and item factors.
    """

    factors: int = Field(64, ge=1)
    regularization: float = Field(1.0, gt=0)
    alpha: float = Field(10.0, ge=1)
    iterations: int = Field(15, ge=1)


class ALS(Engine):
    """Weighted matrix factorization of implicit feedback (Hu, Koren & Volinsky, ICDM 2008, "iALS").

    Item factors come from training; a user's factors are solved from the history of the request, so that new users are
    served like any other. The confidence of a pair is ``alpha`` times the largest weight of its interactions, and at
    least 1.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> ALS(factors=4, iterations=2).fit(data).factors.shape
        (14, 4)
    """

    kind = "als"
    Config = ALSConfig
    config: ALSConfig

    items: Vocabulary
    factors: NDArray[np.float32]
    counts: NDArray[np.int64]

    _gram: torch.Tensor | None = None

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.recommender_base import ModelFitError

        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        matrix = self._confidence(Histories.from_interactions(train, np.arange(data.n_users)))
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=self.config.factors,
                regularization=self.config.regularization,
                iterations=self.config.iterations,
                random_state=stream_seed(context.seed, "als") % 2**31,
            )
            try:
                model.fit(
                    as_matrix(matrix), show_progress=False, callback=_progress(context.tracker, self.config.iterations)
                )
            except ModelFitError as error:
                raise self._unsolvable(train.weight) from error
        self.factors, self._gram = np.asarray(model.item_factors, np.float32), None

    def user_vectors(self, request: Request) -> Vectors:
        rows = known_rows(request.items, self.items, self.counts)
        histories = request.histories.remap_items(rows)
        return Vectors(dense=self._solved(histories), valid=histories.lengths > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return dense_vectors(items, self.items, self.counts, self.factors)

    def item_table(self) -> EmbeddingTable:
        """The factors of the items that training saw."""
        return seen_table(self.kind, self.config, self.items, self.counts > 0, self.factors)

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.config, self.items, {"factors": self.factors, "counts": self.counts})

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, ALSConfig, ("factors", "counts"))
        engine = cls(config)
        engine.items, engine.factors, engine.counts = items, arrays["factors"], arrays["counts"]
        return engine

    def _confidence(self, histories: Histories) -> sp.csr_array:
        """The confidence C float32 [U, I] of each pair; 0 where there is no interaction."""
        return histories.to_csr(len(self.items), np.maximum(self.config.alpha * histories.weights, 1))

    def _solved(self, histories: Histories, block: int = 128) -> NDArray[np.float32]:
        r"""Users' factors float32 [U, D]: :math:`(Y^\top Y + \lambda I + Y_u^\top (C_u - I) Y_u)^{-1} Y_u^\top C_u 1`.

        Solved in double precision, for beside large weights single precision loses the regularization.
        """
        factors = torch.from_numpy(self.factors)
        if self._gram is None:
            self._gram = self.config.regularization * torch.eye(factors.shape[1], dtype=torch.float64)
            for block_of_items in torch.split(factors, 1 << 16):
                self._gram += block_of_items.double().T @ block_of_items.double()
        solved = torch.zeros(len(histories), factors.shape[1])
        confidence = self._confidence(histories)
        for start in range(0, len(histories), block):
            part = confidence[start : start + block]
            systems = self._gram.repeat(part.shape[0], 1, 1)
            sides = self._gram.new_zeros(part.shape[0], factors.shape[1])
            for user in range(part.shape[0]):
                entries = slice(part.indptr[user], part.indptr[user + 1])
                y, c = factors[part.indices[entries]].double(), torch.from_numpy(part.data[entries]).double()
                systems[user].addmm_(y.T * (c - 1), y)
                sides[user] = c @ y
            roots, failed = torch.linalg.cholesky_ex(systems)
            if failed.any():
                raise self._unsolvable(histories.weights)
            solved[start : start + block] = torch.cholesky_solve(sides[..., None], roots).squeeze(-1)
        return solved.numpy()

    def _unsolvable(self, weights: NDArray[np.float32]) -> RecsysError:
        """The error of a linear system without a solution: weights that lie far apart, or else an extreme option."""
        lowest, highest = weights.min(initial=1), weights.max(initial=1)
        if highest > _FAR_APART * lowest:
            return DataError(
                f"als cannot solve for weights from {lowest:g} to {highest:g}, which lie too far apart; give their "
                "logarithm, or another column as the weight"
            )
        return ConfigError(
            f"als cannot solve with alpha = {self.config.alpha:g} and regularization = {self.config.regularization:g}; "
            "set them closer to their defaults (10 and 1)"
        )


def _progress(tracker: Tracker, iterations: int) -> Callable[..., None]:
    def report(iteration: int, seconds: float, *loss: float) -> None:
        tracker.progress(f"als {iteration + 1}/{iterations}  {seconds * (iterations - iteration - 1):.0f} s left")

    return report
