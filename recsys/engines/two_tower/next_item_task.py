"""Next-item prediction: the training task of the two-tower and sequence engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.data.interactions import Interactions
from recsys.engines.two_tower.batches import SequenceBatch, Windows, cut_windows, group_by_length, to_batch
from recsys.engines.two_tower.first_interactions import FirstInteractions
from recsys.engines.two_tower.modality_dropout import ModalityDropout
from recsys.engines.two_tower.tower_inputs import HISTORY, ID
from recsys.losses import Loss, LossBatch, SeenRanges, own_targets
from recsys.models.feature_table import FeatureTable, Taken
from recsys.models.two_tower import TwoTowerModel
from recsys.negatives import Sampler
from recsys.training.ahead import moved


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The histories and features that a `NextItemTask` trains on.

    Args:
        train: the interactions; each user's are a history.
        n_users: size of the user vocabulary.
        items: inputs of all items.
        users: inputs of all users.
        has_timestamps: whether the times of ``train`` are timestamps, and not just an order.
        targets: bool [E], which interactions are targets; None all.
        firsts: first interactions of users with items, by which the items of a history are masked among the negatives
            of later targets; None masks none.
    """

    train: Interactions
    n_users: int
    items: FeatureTable
    users: FeatureTable
    has_timestamps: bool
    targets: NDArray[np.bool_] | None = None
    firsts: FirstInteractions | None = None


@dataclass(frozen=True, eq=False)
class PreparedBatch:
    """What the loss of a batch is computed from: B windows of length L, N targets, C candidates, R distinct items.

    Args:
        items: the inputs of the R distinct items, see `recsys.models.feature_table`.
        users: the inputs of the B users.
        hidden: the parts that modality dropout hides.
        columns: int64 [B, L], the places of the histories' items among the R; 0 at padding.
        padding_mask: bool [B, L].
        times: int64 [B, L]; None without timestamps.
        positions: int64 [N], as in `SequenceBatch`.
        candidates: int64 [C], item rows.
        candidate_columns: int64 [C], their places among the R.
        targets: int64 [N], item rows.
        target_columns: int64 [N], their places among the R.
        log_q: float32 [C], see `recsys.losses.LossBatch`.
        seen: see `recsys.losses.LossBatch`.
        weights: float32 [N]; None where all targets weigh alike.
        own: see `recsys.losses.LossBatch`.
    """

    items: Taken
    users: Taken
    hidden: frozenset[str]
    columns: Tensor
    padding_mask: Tensor
    times: Tensor | None
    positions: Tensor
    candidates: Tensor
    candidate_columns: Tensor
    targets: Tensor
    target_columns: Tensor
    log_q: Tensor | None
    seen: SeenRanges | None
    weights: Tensor | None
    own: SeenRanges


@dataclass(frozen=True)
class WindowConfig:
    """How histories are cut into training windows and batches.

    Args:
        length: targets per window.
        overlap: number of events of the preceding window that are repeated at the start of the next one as context,
            without loss.
        max_tokens: positions per batch.
    """

    length: int
    overlap: int
    max_tokens: int


class NextItemTask:
    """Predicts every interaction of a history from those before it (or, with a masked encoder, masked ones).

    Each step encodes the distinct items of the batch once (histories, targets and negatives), or the whole catalogue
    where there is no sampler; user features are encoded once per user and gathered to the positions. Where interactions
    have weights, the loss of a target is multiplied by its weight, divided by the mean of all.

    Args:
        module: the model.
        data: histories and features.
        windows: how histories become batches.
        loss: see `recsys.losses`.
        sampler: of shared negatives; None scores the whole catalogue.
        validation: computes the metric to maximize; None without validation.
        dropout: modality dropout; None without.
    """

    def __init__(
        self,
        module: TwoTowerModel,
        data: TrainingData,
        windows: WindowConfig,
        loss: Loss,
        sampler: Sampler | None,
        validation: Callable[[], float] | None,
        dropout: ModalityDropout | None = None,
    ) -> None:
        self.module, self.data, self.windows = module, data, windows
        self.compute_loss, self.sampler = loss, sampler
        self.validation, self.dropout = validation, dropout
        self.weights = _relative_weights(data.train, data.targets)
        self.catalogue = np.flatnonzero(data.train.item_counts(len(data.items.values[ID])) > 0)

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Windows]:
        data, config = self.data, self.windows
        phase = int(rng.integers(config.length))
        windows = cut_windows(data.train, data.n_users, config.length, config.overlap, phase, data.targets)
        return group_by_length(windows, config.max_tokens, rng)

    def loss(self, batch: Windows, rng: np.random.Generator) -> Tensor:
        device = self.module.project.weight.device
        return self.prepared_loss(moved(self.prepare(batch, rng), lambda part: part.to(device)))

    def prepare(self, batch: Windows, rng: np.random.Generator) -> PreparedBatch:
        sequence = self._masked_targets(to_batch(self.data.train, batch, self.data.targets), rng)
        candidates, log_q = self._candidates(sequence, rng)
        in_histories = sequence.items.reshape(-1)
        rows = _distinct(np.concatenate([in_histories[in_histories >= 0], candidates]))
        padding_mask, device = sequence.items < 0, self.module.project.weight.device
        both = torch.from_numpy(candidates), torch.from_numpy(sequence.targets)
        return PreparedBatch(
            items=self.data.items.take(rows, device),
            users=self.data.users.take(sequence.users, device),
            hidden=frozenset[str]() if self.dropout is None else self.dropout.draw(rng),
            columns=torch.from_numpy(np.where(padding_mask, 0, np.searchsorted(rows, sequence.items))),
            padding_mask=torch.from_numpy(padding_mask),
            times=torch.from_numpy(sequence.times) if self.data.has_timestamps else None,
            positions=torch.from_numpy(sequence.positions),
            candidates=both[0],
            candidate_columns=torch.from_numpy(np.searchsorted(rows, candidates)),
            targets=both[1],
            target_columns=torch.from_numpy(np.searchsorted(rows, sequence.targets)),
            log_q=None if log_q is None else torch.from_numpy(log_q),
            seen=self._seen(batch, sequence, candidates),
            weights=None if self.weights is None else torch.from_numpy(self.weights[_sources(batch, sequence)]),
            own=own_targets(*both),
        )

    def prepared_loss(self, prepared: PreparedBatch) -> Tensor:
        items, users = self.data.items.gather(prepared.items), self.data.users.gather(prepared.users)
        if self.dropout is not None:
            self.dropout.hide(items, prepared.hidden, self.dropout.items)
            self.dropout.hide(users, prepared.hidden, self.dropout.users)
        vectors = self.module.item_vectors(items)
        scored = self.module.with_bias(vectors, items)
        return self.compute_loss(
            LossBatch(
                self._users(prepared, vectors, self.module.encode_users(users)),
                scored[prepared.candidate_columns],
                scored[prepared.target_columns],
                prepared.candidates,
                prepared.targets,
                prepared.log_q,
                seen=prepared.seen,
                weights=prepared.weights,
                own=prepared.own,
            )
        )

    def examples(self, batch: Windows) -> float:
        return float((batch.stop - batch.first).sum())

    def validate(self) -> float | None:
        return None if self.validation is None else self.validation()

    def _candidates(
        self, sequence: SequenceBatch, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        if self.sampler is None:
            return self.catalogue, None
        drawn = self.sampler.sample(sequence.targets, rng)
        return drawn.rows, drawn.log_q

    def _seen(self, windows: Windows, sequence: SequenceBatch, candidates: NDArray[np.int64]) -> SeenRanges | None:
        """The candidates that each target's whole history holds."""
        if self.data.firsts is None:
            return None
        found = self.data.firsts.seen_candidates(windows, sequence, candidates)
        start, stop, candidate = map(torch.from_numpy, found)
        return SeenRanges(start, stop, candidate)

    def _users(self, prepared: PreparedBatch, vectors: Tensor, static: Tensor) -> Tensor:
        """The user vector of each target, from the ``vectors`` of the distinct items and the users' encoded inputs."""
        length = prepared.columns.shape[1]
        owner = prepared.positions // length if static.shape[1] else torch.zeros_like(prepared.positions)
        history = self.empty_history(len(owner)) if HISTORY in prepared.hidden else self._histories(prepared, vectors)
        return self.module.user_vectors(history, static[owner])

    def _histories(self, prepared: PreparedBatch, vectors: Tensor) -> Tensor:
        """[N, H * D]: the encoded history before each target."""
        masked = None
        if self.module.history.mask_probability:
            masked = torch.zeros_like(prepared.padding_mask)
            masked.view(-1)[prepared.positions] = True
        encoded: Tensor = self.module.pooling(vectors[prepared.columns], prepared.padding_mask, prepared.times, masked)
        return encoded.flatten(0, 1)[prepared.positions]

    def empty_history(self, n: int) -> Tensor:
        """[n, H * D]: the encoding of an empty history."""
        weight = self.module.project.weight
        none, length = (torch.zeros(size, dtype=torch.long, device=weight.device) for size in (0, 1))
        times = none if self.data.has_timestamps else None
        return self.module.history.encode_last(weight.new_zeros(0, len(weight)), none, length, times).expand(n, -1)

    def _masked_targets(self, sequence: SequenceBatch, rng: np.random.Generator) -> SequenceBatch:
        """For a masked encoder: the batch with a random share of its targets, at least one; else the batch itself."""
        mask_probability = self.module.history.mask_probability
        if not mask_probability:
            return sequence
        drawn = rng.random(len(sequence.positions))
        chosen = drawn <= max(mask_probability, drawn.min())
        return replace(sequence, positions=sequence.positions[chosen], targets=sequence.targets[chosen])


def _relative_weights(train: Interactions, targets: NDArray[np.bool_] | None) -> NDArray[np.float32] | None:
    """float32 [E]: the weights divided by the mean of those of the targets; None where all are equal."""
    if not train.has_weights:
        return None
    mean = (train.weight if targets is None else train.weight[targets]).mean(dtype=np.float64)
    relative: NDArray[np.float32] = (train.weight / mean).astype(np.float32)
    return relative


def _sources(windows: Windows, batch: SequenceBatch) -> NDArray[np.int64]:
    """int64 [N]: the position of each target in the interactions."""
    window, step = np.divmod(batch.positions, batch.items.shape[1])
    sources: NDArray[np.int64] = windows.start[window] + step
    return sources


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct rows, ascending; at this size a sort takes an eighth of the time of `np.unique`."""
    ordered = np.sort(rows)
    first = np.append(True, ordered[1:] != ordered[:-1])
    distinct: NDArray[np.int64] = ordered[first]
    return distinct
