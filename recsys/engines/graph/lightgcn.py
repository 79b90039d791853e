"""LightGCN: embeddings propagated on the user-item graph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable, row_norms, unit_rows
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.learning import TrainedConfig, run_training, validation_metric
from recsys.engines.singular import by_degrees, degrees, truncated_svd
from recsys.engines.storage import decayed_history, dense_vectors, load_arrays, save_arrays, seen_table
from recsys.errors import DataError
from recsys.losses import LOSSES, LossBatch
from recsys.models.propagation import Bags, Propagation, product
from recsys.negatives import NEGATIVES
from recsys.seeding import stream
from recsys.training.loop import LoopOptions

Floats = NDArray[np.float32]
Users = NDArray[np.int64]
"""int64 [B]: rows of the users of a step, ascending."""


class LightGCNConfig(TrainedConfig):
    """Options of the light graph convolution.

    Args:
        dim: D.
        layers: L, products with the graph on the way to a user's vector.
        user_vectors: whether a user has a learned embedding beside the propagated history.
        temperature: scores are cosines divided by it.
        popularity_exponent: scores are multiplied by the item's degree to this power, for a cosine is independent
            of popularity.
        loss: ``sampled_softmax``, ``bpr`` or ``gbce``, against shared negatives.
        n_negatives: C, negatives a batch.
        sampling_exponent: negatives are drawn by popularity to this power.
        held_out: share of a user's interactions that a training step predicts from the others; at 0, as in the paper,
            all are predicted from all.
        batch: interactions a step, in whole users.
        metric: what validation maximizes.
        validation_users: at most so many random users are evaluated in validation.
        training: the training loop. An epoch has a bounded number of steps, for every step propagates over the whole
            graph, and an epoch of all batches would grow with the square of the interactions; a large
            ``steps_per_epoch`` takes all.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    dim: int = Field(64, ge=2)
    layers: int = Field(3, ge=1)
    user_vectors: bool = True
    temperature: float = Field(0.1, gt=0)
    popularity_exponent: float = Field(0.1, ge=0)
    loss: Literal["sampled_softmax", "bpr", "gbce"] = "sampled_softmax"
    n_negatives: int = Field(4096, ge=1)
    sampling_exponent: float = Field(0.75, ge=0)
    held_out: float = Field(0.0, ge=0, lt=1)
    batch: int = Field(8192, ge=1)
    metric: str = "ndcg@20"
    validation_users: int = Field(10_000, ge=1)
    training: LoopOptions = LoopOptions(epochs=20, steps_per_epoch=128, learning_rate=5e-3, weight_decay=0.5, warmup=20)


class LightGCN(Engine):
    r"""Light graph convolution trained with a sampled softmax (He et al., SIGIR 2020; loss of Wu et al., TOIS 2024).

    .. math:: u = |h|^{-1/2} \sum_{i \in h} d_i^{-1/2} \sum_{l<L} I^l_i + e_u, \quad
        s(u, i) = \cos(u, \sum_l I^l_i) \, d_i^t / \tau

    for the history h of a user, layers :math:`I^l` of the item embeddings, degrees d in units of their mean over the
    interactions, and a learned vector :math:`e_u`. The propagation gives a user of the graph the same sum, so a user
    whom training never saw gets a vector by the same formula, without :math:`e_u`. Item embeddings start from the
    singular vectors of `Spectral`, which saves most of the training.

    Shapes:
        ``history_factors`` [I, D], ``item_factors`` [I, D], ``user_embeddings`` [U, D] or [0, D].

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> LightGCN(dim=4, epochs=1).fit(data).item_factors.shape
        (14, 4)
    """

    kind = "lightgcn"
    Config = LightGCNConfig
    config: LightGCNConfig

    items: Vocabulary
    users: Vocabulary
    counts: NDArray[np.int64]
    history_factors: Floats
    """float32 [I, D]: summed over the history, the user's vector."""
    item_factors: Floats
    """float32 [I, D]: the item vectors of the score."""
    user_embeddings: Floats
    """float32 [U, D]: users' learned embeddings; [0, D] without them."""

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.items, self.users = data.items.vocabulary, data.users.vocabulary
        self.counts = train.item_counts(data.n_items)
        torch.manual_seed(context.seed)
        task = _Task(self, train, data, context)
        progress = run_training(self, task, data, train, context)
        self.epochs_, self.curve_ = progress.best_epoch, progress.curve
        self._read_factors(task.module)

    def user_vectors(self, request: Request) -> Vectors:
        history = decayed_history(request, self.items, self.counts, 1.0)
        lengths = np.diff(history.indptr)
        dense = (history @ self.history_factors) / np.sqrt(np.maximum(lengths, 1))[:, None]
        if len(self.user_embeddings):
            rows = self.users.rows(request.users.vocabulary.ids)
            dense[rows >= 0] += self.user_embeddings[rows[rows >= 0]]
        norms = row_norms(dense) * self.config.temperature
        return Vectors(dense=(dense / norms).astype(np.float32), valid=lengths > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return dense_vectors(items, self.items, self.counts, self.item_factors)

    def item_table(self) -> EmbeddingTable:
        """The unit vectors of the items that training saw."""
        return seen_table(self.kind, self.config, self.items, self.counts > 0, unit_rows(self.item_factors))

    def save(self, directory: Path) -> None:
        arrays: dict[str, NDArray[np.generic]] = {
            "history_factors": self.history_factors,
            "item_factors": self.item_factors,
            "user_embeddings": self.user_embeddings,
            "counts": self.counts,
        }
        save_arrays(directory, self.config, self.items, {**arrays, "epochs": np.array([self.epochs_ or 0])})
        self.users.save(directory / "users.parquet")

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, LightGCNConfig, ("history_factors", "item_factors", "counts"))
        engine = cls(config)
        engine.items, engine.users = items, Vocabulary.load(directory / "users.parquet")
        engine.history_factors, engine.item_factors = arrays["history_factors"], arrays["item_factors"]
        engine.user_embeddings = arrays["user_embeddings"]
        engine.counts, engine.epochs_ = arrays["counts"], int(arrays["epochs"][0]) or None
        return engine

    @torch.no_grad()
    def _read_factors(self, module: _Module) -> None:
        items, below = module()
        history = below * module.propagation.item_scale
        self.history_factors, self.item_factors = history.cpu().numpy(), module.scored(items).cpu().numpy()
        users = (
            torch.zeros(0, self.config.dim) if module.users is None else module.users.detach().cpu() * module.trained
        )
        self.user_embeddings = (users / (self.config.layers + 1)).numpy()


class _Module(nn.Module):
    """The embeddings of items and users at layer 0, and their propagation."""

    def __init__(self, config: LightGCNConfig, matrix: sp.csr_array, rng: np.random.Generator) -> None:
        super().__init__()
        self.propagation = Propagation(matrix, config.layers)
        self.items = nn.Parameter(torch.from_numpy(_starts(matrix, config.dim, rng)))
        lengths = torch.from_numpy(_popularity(matrix) ** config.popularity_exponent).float()[:, None]
        self.register_buffer("lengths", lengths, persistent=False)
        self.lengths: Tensor
        users = torch.from_numpy(rng.standard_normal((matrix.shape[0], config.dim), np.float32)) * 0.01
        self.users = nn.Parameter(users) if config.user_vectors else None
        self.trained = torch.from_numpy(np.diff(matrix.indptr) > 0)[:, None]
        """bool [U, 1]: users with training interactions, whose embeddings are trained."""

    def forward(self) -> tuple[Tensor, Tensor]:
        """See `Propagation`."""
        result: tuple[Tensor, Tensor] = self.propagation(self.items, self.users)
        return result

    def scored(self, items: Tensor, rows: Tensor | None = None) -> Tensor:
        """The item vectors of the score, of all items or of ``rows`` alone."""
        if rows is None:
            return normalize(items, dim=1) * self.lengths
        return normalize(items[rows], dim=1) * self.lengths[rows]


def _popularity(matrix: sp.csr_array) -> NDArray[np.float64]:
    """float64 [I]: the degrees, at least one, in units of their mean over the interactions."""
    counts: NDArray[np.float64] = np.asarray(matrix.sum(0), np.float64).ravel()
    return np.maximum(counts, 1) / float(max((counts**2).sum() / max(counts.sum(), 1), 1))


def _starts(matrix: sp.csr_array, dim: int, rng: np.random.Generator) -> Floats:
    """float32 [I, D]: the initial item embeddings, the low-pass filter of `Spectral` at rank D plus small noise."""
    smooth, _ = truncated_svd(by_degrees(matrix, -0.4, -0.4), dim, rng)
    starts = rng.standard_normal((len(smooth), dim), np.float32) * np.float32(0.1 * len(smooth) ** -0.5)
    starts[:, : smooth.shape[1]] += smooth
    result: Floats = degrees(matrix, 0, 0.25) @ starts
    return result * np.float32(0.1 / result.std())


class _Task:
    """Training on batches of whole users: the held-out items of each are predicted from the others."""

    def __init__(self, engine: LightGCN, train: Interactions, data: Dataset, context: FitContext) -> None:
        config, seed = engine.config, context.seed
        self.engine, self.config = engine, config
        matrix = train.to_csr(data.n_users, data.n_items)
        self.matrix = sp.csr_array(matrix @ degrees(matrix, 0, -0.5))
        self.users = np.flatnonzero(np.diff(self.matrix.indptr) > (config.held_out > 0))
        if not len(self.users):
            raise DataError(
                f"lightgcn predicts {config.held_out:.0%} of a user's training interactions from the others, and no "
                "user has two; set held_out = 0"
            )
        self.module = _Module(config, matrix, stream(seed, "lightgcn"))
        self.compute_loss = LOSSES[config.loss]()
        self.sampler = NEGATIVES["popularity"](
            engine.counts, config.n_negatives, sampling_exponent=config.sampling_exponent
        )
        update = partial(engine._read_factors, self.module)
        self.metric = validation_metric(engine, data, context, config.metric, config.validation_users, update)

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Users]:
        order = rng.permutation(self.users)
        ends = np.cumsum(np.diff(self.matrix.indptr)[order])
        parts = np.split(order, np.flatnonzero(np.diff(ends // self.config.batch)) + 1)
        return [np.sort(part) for part in parts if len(part)]

    def loss(self, batch: Users, rng: np.random.Generator) -> Tensor:
        items, below = self.module()
        history, held_out = split_rows(self.matrix[batch], self.config.held_out, rng)
        drawn = self.sampler.sample(held_out.indices, rng)
        distinct, inverse = np.unique(np.concatenate([drawn.rows, held_out.indices]), return_inverse=True)
        owner = np.repeat(np.arange(len(batch)), np.diff(held_out.indptr))
        arrays = (distinct, inverse, owner, drawn.log_q)
        rows, columns, owners, log_q = (torch.from_numpy(array).to(items.device) for array in arrays)
        candidates, targets = columns[: len(log_q)], columns[len(log_q) :]
        scored = self.module.scored(items, rows)
        vectors = (self._user_vectors(batch, history, below), scored[candidates], scored[targets])
        return self.compute_loss(LossBatch(*vectors, candidates, targets, log_q, owners))

    def _user_vectors(self, batch: Users, history: sp.csr_array, below: Tensor) -> Tensor:
        """[B, D]: the vectors of the users of a batch, by the formula of `LightGCN`."""
        bags, transposed = (Bags(part).to(below.device) for part in (history, sp.csr_array(history.T)))
        sums = product(below, bags, transposed)
        if self.module.users is not None:
            rows, lengths = (torch.from_numpy(array).to(below.device) for array in (batch, np.diff(history.indptr)))
            sums = sums * lengths[:, None] ** -0.5 + self.module.users[rows] / (self.config.layers + 1)
        return normalize(sums, dim=1) / self.config.temperature

    def examples(self, batch: Users) -> float:
        return len(batch)

    def validate(self) -> float | None:
        """The validation metric of the current embeddings."""
        return None if self.metric is None else self.metric()


def split_rows(matrix: sp.csr_array, share: float, rng: np.random.Generator) -> tuple[sp.csr_array, sp.csr_array]:
    """Splits the entries of each row at random into inputs and targets.

    Args:
        matrix: [B, I], at least two entries a row; at least one is an input and one a target.
        share: share of the entries that are targets; with 0 nothing is split, and both results are ``matrix``.
        rng: draws the targets.

    Returns:
        The inputs and the targets, [B, I] each.
    """
    if not share:
        return matrix, matrix
    lengths = np.diff(matrix.indptr)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    take = np.clip(np.round(share * lengths), 1, lengths - 1)
    rank = np.empty(len(owner), np.int64)
    rank[np.lexsort((rng.random(len(owner)), owner))] = np.arange(len(owner)) - matrix.indptr[owner]
    is_target = rank < take[owner]
    return _where(matrix, ~is_target), _where(matrix, is_target)


def _where(matrix: sp.csr_array, kept: NDArray[np.bool_]) -> sp.csr_array:
    offsets = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], offsets), shape=matrix.shape)
