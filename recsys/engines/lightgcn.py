"""LightGCN: embeddings propagated on the user-item graph, learnt with a softmax (He et al., SIGIR 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embeddings import EmbeddingTable
from recsys.engine import Request, Resources, Vectors
from recsys.engines.spectral import degrees, truncated_svd
from recsys.engines.storage import decayed_history, known_rows, load_arrays, save_arrays
from recsys.evaluation.evaluate import score_metric
from recsys.losses import LOSSES
from recsys.models.propagation import Propagation
from recsys.negatives import NEGATIVES
from recsys.seeding import stream
from recsys.tracking import Tracker
from recsys.training.loop import LoopOptions
from recsys.training.loop import train as run_loop

Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]
"""int64 [N]: rows of the training interactions."""


class LightGcnConfig(Config):
    """A graph convolution without weights of its own.

    Args:
        dim: D.
        layers: L, products with the graph on the way to a user's vector.
        user_vectors: whether a user has a learned vector beside what flows in from the history.
        temperature: scores are cosines divided by it.
        loss: ``sampled_softmax``, ``bpr`` or ``gbce``, against shared negatives.
        n_negatives: C, negatives a batch.
        alpha: negatives are drawn by popularity to this power.
        batch: interactions a step; a step propagates the whole graph, whatever its size.
        metric: what validation maximises.
        training: the loop.
    """

    dim: int = Field(64, ge=2)
    layers: int = Field(3, ge=1)
    user_vectors: bool = False
    temperature: float = Field(0.1, gt=0)
    loss: str = "sampled_softmax"
    n_negatives: int = Field(2048, ge=1)
    alpha: float = Field(0.75, ge=0)
    batch: int = Field(16_384, ge=1)
    metric: str = "ndcg@20"
    training: LoopOptions = LoopOptions(epochs=20, learning_rate=0.02, warmup=20)


class LightGcn:
    r"""A user is the history: :math:`u = |h|^{-1/2} \sum_{i \in h} d_i^{-1/2} \sum_{l<L} I^l_i`, scored by cosine.

    That sum is exactly what the propagation gives a user of the graph, so that a user whom training never saw is
    placed by the same formula. While training predicts an interaction, its own edge is left out of the sum, or the
    model would learn to find what it was given. Item vectors start from the first singular vectors of the normalised
    matrix, the propagation's own fixed directions.
    """

    kind: ClassVar[str] = "lightgcn"
    Config: ClassVar[type[Config]] = LightGcnConfig
    can_place_new_users: ClassVar[bool] = True
    can_place_new_items: ClassVar[bool] = False

    items: Vocabulary
    users: Vocabulary
    counts: NDArray[np.int64]
    into: Floats
    """float32 [I, D]: what an item of a history adds to the user's vector."""
    out: Floats
    """float32 [I, D]: unit vectors that are scored."""
    own: Floats
    """float32 [U, D]: users' learned vectors, no rows where there are none."""

    def __init__(self, config: Any = None, resources: Resources | None = None) -> None:
        self.config: LightGcnConfig = config or LightGcnConfig()
        self.resources = resources or Resources()
        self.best_epoch: int | None = None

    def fit(self, data: Dataset, train: Interactions, tracker: Tracker) -> None:
        self.items, self.users = data.items.vocabulary, data.users.vocabulary
        self.counts = train.item_counts(data.n_items)
        torch.manual_seed(self.resources.seed)
        task = _Task(self, train, data)
        progress = run_loop(
            task,
            self.config.training,
            self.resources.seed,
            tracker,
            epochs=self.resources.epochs,
            directory=self.resources.directory,
            identity=f"lightgcn/{train.fingerprint}/{self.config.model_dump_json()}/{self.resources.seed}",
        )
        self.best_epoch = progress.best_epoch
        self._take(task.module)

    def user_vectors(self, request: Request) -> Vectors:
        history = decayed_history(request, self.items, 1.0)
        lengths = np.diff(history.indptr)
        dense = (history @ self.into) / np.sqrt(np.maximum(lengths, 1))[:, None]
        if len(self.own):
            rows = self.users.rows(request.users.vocabulary.ids)
            dense[rows >= 0] += self.own[rows[rows >= 0]]
        norms = np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12) * self.config.temperature
        return Vectors(dense=(dense / norms).astype(np.float32), placed=lengths > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = known_rows(items, self.items, self.counts)
        return Vectors(dense=np.where((rows >= 0)[:, None], self.out[rows], np.float32(0)), placed=rows >= 0)

    def item_table(self) -> EmbeddingTable:
        """The unit vectors of the items that training saw."""
        seen = self.counts > 0
        provenance = {"engine": self.kind, "config": self.config.model_dump(mode="json")}
        return EmbeddingTable(Vocabulary(self.items.ids[seen]), self.out[seen], provenance)

    def save(self, directory: Path) -> None:
        arrays: dict[str, NDArray[Any]] = {"into": self.into, "out": self.out, "own": self.own, "counts": self.counts}
        save_arrays(directory, self.config, self.items, {**arrays, "best_epoch": np.array([self.best_epoch or 0])})
        self.users.save(directory / "users.parquet")

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, LightGcnConfig)
        engine = cls(config)
        engine.items, engine.users = items, Vocabulary.load(directory / "users.parquet")
        engine.into, engine.out, engine.own = arrays["into"], arrays["out"], arrays["own"]
        engine.counts, engine.best_epoch = arrays["counts"], int(arrays["best_epoch"][0]) or None
        return engine

    @torch.no_grad()
    def _take(self, module: _Module) -> None:
        _, items, into = (part.cpu() for part in module())
        self.into, self.out = into.numpy(), normalize(items, dim=1).numpy()
        own = torch.zeros(0, self.config.dim) if module.users is None else module.users.detach().cpu()
        self.own = (own / (self.config.layers + 1)).numpy()


class _Module(nn.Module):
    """Layer 0 and its propagation."""

    def __init__(self, config: LightGcnConfig, train: Interactions, data: Dataset, rng: np.random.Generator) -> None:
        super().__init__()
        matrix = train.to_csr(data.n_users, data.n_items)
        start, _ = truncated_svd(degrees(matrix, 1, -0.5) @ matrix @ degrees(matrix, 0, -0.5), config.dim, rng)
        items = rng.standard_normal((data.n_items, config.dim), np.float32) * np.float32(0.01)
        items[:, : start.shape[1]] += start * np.float32(0.1 * np.sqrt(len(start)))
        self.items = nn.Parameter(torch.from_numpy(items))
        own = torch.from_numpy(rng.standard_normal((data.n_users, config.dim), np.float32)) * 0.01
        self.users = nn.Parameter(own) if config.user_vectors else None
        self.propagation = Propagation(train, data.n_users, data.n_items, config.layers)

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        """See `Propagation`."""
        result: tuple[Tensor, Tensor, Tensor] = self.propagation(self.items, self.users)
        return result


class _Task:
    """All interactions in random order, a large batch a step, against shared negatives."""

    def __init__(self, engine: LightGcn, train: Interactions, data: Dataset) -> None:
        config, seed = engine.config, engine.resources.seed
        self.engine, self.config, self.train = engine, config, train
        self.module = _Module(config, train, data, stream(seed, "lightgcn"))
        self.compute_loss = LOSSES[config.loss]()
        self.sampler = NEGATIVES["popularity"](engine.counts, config.n_negatives, alpha=config.alpha)
        self.metric = _metric(engine, data)

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Pairs]:
        order = rng.permutation(len(self.train))
        return [order[start : start + self.config.batch] for start in range(0, len(order), self.config.batch)]

    def loss(self, batch: Pairs, rng: np.random.Generator) -> Tensor:
        users, items, into = self.module()
        user, item = (column[batch].astype(np.int64) for column in (self.train.user, self.train.item))
        drawn = self.sampler.sample(item, rng)
        arrays = (user, item, drawn.rows, drawn.log_q)
        user_rows, targets, candidates, log_q = (torch.from_numpy(array).to(items.device) for array in arrays)
        asking = users[user_rows] - into[targets] * self.module.propagation.user_scale[user_rows]
        scored = normalize(items, dim=1)
        return self.compute_loss(
            normalize(asking, dim=1) / self.config.temperature,
            scored[candidates],
            scored[targets],
            candidates,
            targets,
            log_q,
        )

    def validate(self) -> float | None:
        if self.metric is None:
            return None
        self.engine._take(self.module)
        return self.metric()


def _metric(engine: LightGcn, data: Dataset) -> Callable[[], float] | None:
    holdout = engine.resources.validation
    if holdout is None:
        return None
    request = Request.from_dataset(data, holdout.users, holdout.history)

    def metric() -> float:
        users, items = engine.user_vectors(request), engine.item_vectors(data.items)
        return score_metric(users, items, holdout, request.histories, engine.config.metric)

    return metric
