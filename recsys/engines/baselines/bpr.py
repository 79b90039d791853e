"""Bayesian personalized ranking, through the library implicit."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits

from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary, row_counts
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.sparse import as_matrix
from recsys.engines.storage import dense_vectors, known_rows, load_arrays, save_arrays, seen_table
from recsys.errors import ConfigError
from recsys.seeding import stream_seed


class BPRConfig(EngineConfig):
    """Options of the pairwise matrix factorization.

    Args:
        factors: D.
        learning_rate: of stochastic gradient descent.
        regularization: L2 penalty of the factors.
        iterations: passes over the interactions.
    """

    factors: int = Field(64, ge=1)
    learning_rate: float = Field(0.01, gt=0)
    regularization: float = Field(0.01, ge=0)
    iterations: int = Field(100, ge=1)


class BPR(Engine):
    """Matrix factorization with a pairwise ranking loss (Rendle et al., UAI 2009).

    Factors of users and items, and a bias of each item as a last column, which a user's last component of 1 adds to the
    score. A user that training saw has trained factors; a new user gets the mean of the item factors of the history,
    which usually ranks worse: it is in the same space, but no training made it a user's vector.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> BPR(factors=4, iterations=2).fit(data).item_factors.shape
        (14, 5)
    """

    kind = "bpr"
    Config = BPRConfig
    config: BPRConfig

    items: Vocabulary
    users: Vocabulary
    item_factors: NDArray[np.float32]
    user_factors: NDArray[np.float32]
    item_counts: NDArray[np.int64]
    user_counts: NDArray[np.int64]

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking
        from implicit.recommender_base import ModelFitError

        self.items, self.users = data.items.vocabulary, data.users.vocabulary
        self.item_counts = train.item_counts(data.n_items)
        self.user_counts = row_counts(train.user, data.n_users)
        context.tracker.progress(f"bpr: {self.config.iterations} passes over {len(train):,} interactions")
        with threadpool_limits(1, "blas"):
            model = BayesianPersonalizedRanking(
                factors=self.config.factors,
                learning_rate=self.config.learning_rate,
                regularization=self.config.regularization,
                iterations=self.config.iterations,
                random_state=stream_seed(context.seed, "bpr") % 2**31,
                num_threads=1,  # with more threads the result depends on their order
            )
            try:
                model.fit(as_matrix(train.to_csr(data.n_users, data.n_items)), show_progress=False)
            except ModelFitError as error:
                raise ConfigError(
                    f"training of bpr diverged ({error}); lower learning_rate ({self.config.learning_rate:g}) or "
                    f"regularization ({self.config.regularization:g})"
                ) from error
        self.item_factors = np.asarray(model.item_factors, np.float32)
        self.user_factors = np.asarray(model.user_factors, np.float32)

    def user_vectors(self, request: Request) -> Vectors:
        rows = known_rows(request.users, self.users, self.user_counts)
        dense = self.user_factors[rows].copy()
        histories = request.histories.remap_items(known_rows(request.items, self.items, self.item_counts))
        for user in np.flatnonzero(rows < 0):
            history = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
            dense[user] = self.item_factors[history].mean(0) if len(history) else 0
            dense[user, -1] = 1
        return Vectors(dense=dense, valid=(rows >= 0) | (histories.lengths > 0))

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return dense_vectors(items, self.items, self.item_counts, self.item_factors)

    def item_table(self) -> EmbeddingTable:
        """The factors, without the bias, of the items that training saw."""
        return seen_table(self.kind, self.config, self.items, self.item_counts > 0, self.item_factors[:, :-1])

    def save(self, directory: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            "item_factors": self.item_factors,
            "user_factors": self.user_factors,
            "item_counts": self.item_counts,
            "user_counts": self.user_counts.astype(np.int64),
        }
        save_arrays(directory, self.config, self.items, arrays)
        self.users.save(directory / "users.parquet")

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, BPRConfig, ("item_factors", "item_counts"))
        engine = cls(config)
        engine.items, engine.users = items, Vocabulary.load(directory / "users.parquet")
        engine.item_factors, engine.user_factors = arrays["item_factors"], arrays["user_factors"]
        engine.item_counts, engine.user_counts = arrays["item_counts"], arrays["user_counts"]
        return engine
