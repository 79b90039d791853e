"""The weights of a hybrid, chosen on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.splits.split import Holdout
from recsys.data.vocabulary import MISSING
from recsys.engine import Engine, Request, Vectors
from recsys.evaluation.evaluate import is_relevant, relevant
from recsys.evaluation.metrics import METRICS, parse_metric
from recsys.ranking import Ranker, best_columns, block_rows

Weights = NDArray[np.float64]
Objective = Callable[[Weights], NDArray[np.float64]]
"""From C weightings [C, P] to the value of each, float64 [C]."""

_LEAST_GAIN = 1e-4
"""The relative gain below which `search` stops; the validation metric is not estimated more precisely."""


@dataclass(frozen=True, eq=False)
class _Block:
    """The W pooled candidates of each of B users, padded.

    Args:
        scores: float32 [B, W, P], the standardized scores of each part.
        valid: bool [B, W, P], whether a part has a vector of the item; False at padding.
        users: bool [B, 1, P], whether a part has a vector of the user.
        relevant: bool [B, W], whether the candidate is a target.
        n_relevant: int64 [B], the number of targets of each user.
    """

    scores: Tensor
    valid: Tensor
    users: Tensor
    relevant: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]

    def excluded(self, used: Tensor) -> Tensor:
        """Bool [B, W]: where none of the parts ``used`` (bool [P]) has a vector of the item, or none of the user."""
        return ~(self.valid[:, :, used].any(2) & self.users[:, :, used].any(2))


@dataclass(frozen=True)
class ScoreMean:
    """The mean item vector of a part, whose product with a user's vector is the user's mean score.

    Args:
        dense: float32 [D], or None.
        sparse: float32 [S], or None.
    """

    dense: NDArray[np.float32] | None
    sparse: NDArray[np.float32] | None

    @classmethod
    def of(cls, items: Vectors) -> Self:
        """The mean over the valid rows of ``items``, whose other rows must be zero."""
        count = max(int(valid_mask(items).sum()), 1)
        sums = (None if part is None else np.asarray(part.sum(0), np.float64) for part in (items.dense, items.sparse))
        return cls(*(None if part is None else (part / count).astype(np.float32) for part in sums))

    def means(self, users: Vectors) -> NDArray[np.float32]:
        """[U]: the users' mean scores."""
        means = np.zeros(len(users), np.float32)
        if self.dense is not None and users.dense is not None:
            means += users.dense @ self.dense
        if self.sparse is not None and users.sparse is not None:
            means += users.sparse @ self.sparse
        return means

    def arrays(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """The parts that are not None, by name."""
        both = {"dense": self.dense, "sparse": self.sparse}
        return ((name, array) for name, array in both.items() if array is not None)


@dataclass(frozen=True, eq=False)
class ScoredParts:
    """P fitted engines with the means and standard deviations that standardize their scores.

    Args:
        engines: the parts.
        score_stds: P standard deviations of their scores, see `recsys.engines.ensemble.hybrid.score_std`.
        score_means: P means of their item vectors.
        items: P item vectors, zero where an item has none.
    """

    engines: Sequence[Engine]
    score_stds: Sequence[float]
    score_means: Sequence[ScoreMean]
    items: Sequence[Vectors]


def candidate_depth(k: int) -> int:
    """How many items of each part are candidates for lists of length ``k``: at least 100, and ten or three times ``k``.

    Example:
        >>> [candidate_depth(k) for k in (5, 10, 20, 50, 100, 1000)]
        [100, 100, 200, 300, 300, 3000]
    """
    return max(100, min(10 * k, 300), 3 * k)


class CandidatePool:
    """Candidate items of each validation user, on which weightings of the parts are evaluated.

    The candidates are the top items of each part, see `candidate_depth`. Items outside the pool are assumed never to
    enter the list of any mix, so that evaluating a weighting costs the product of a small table with the weights, and
    not a pass over the catalogue.

    Args:
        parts: the P engines to be weighted.
        data: the dataset that the rows of ``users`` refer to.
        holdout: the validation targets.
        users: rows of the validation users.
        metric: what the weights maximize, such as ``ndcg@10``.
    """

    def __init__(
        self, parts: ScoredParts, data: Dataset, holdout: Holdout, users: NDArray[np.int32], metric: str
    ) -> None:
        self.metric, self.k = parse_metric(metric)
        self.parts, self.filter_seen = parts, holdout.filter_seen
        self.valid = np.stack([valid_mask(vectors) for vectors in parts.items], 1)
        self.data, self.history, self.n_users = data, holdout.history, len(users)
        self.rankers = [Ranker(vectors, holdout.candidates) for vectors in parts.items]
        targets, size = relevant(holdout, users), block_rows(data.n_items)
        blocks = (slice(start, min(start + size, len(users))) for start in range(0, len(users), size))
        self.blocks = [self._block(users[block], targets.take(block)) for block in blocks]

    def values(self, weightings: Weights) -> NDArray[np.float64]:
        """float64 [C]: the metric under each of ``weightings`` [C, P]."""
        total = np.zeros(len(weightings))
        used, which = np.unique(weightings > 0, axis=0, return_inverse=True)
        for block in self.blocks:
            k = min(self.k, block.relevant.shape[1])
            excluded = [block.excluded(torch.from_numpy(parts)) for parts in used]
            for row, (weights, kind) in enumerate(
                zip(torch.from_numpy(weightings).float(), which.ravel(), strict=True)
            ):
                mixed = (block.scores @ weights).masked_fill_(excluded[kind], -torch.inf)
                columns, scores = best_columns(mixed, k)
                hits = np.take_along_axis(block.relevant, columns, 1) & (scores > -np.inf)
                total[row] += METRICS[self.metric](hits, block.n_relevant, self.k).sum()
        return total / max(self.n_users, 1)

    def _block(self, users: NDArray[np.int32], targets: Histories) -> _Block:
        request = Request.from_dataset(self.data, users, self.history)
        seen = request.histories if self.filter_seen else None
        tables, lists, user_vectors = [], [], []
        for part, ranker in zip(self.parts.engines, self.rankers, strict=True):
            vectors = zero_invalid(part.user_vectors(request))
            table = ranker.scores(vectors)
            depth = min(candidate_depth(self.k), table.shape[1])
            lists.append(ranker.ranked(table.clone(), vectors, depth, seen)[0])
            tables.append(table)
            user_vectors.append(vectors)
        pooled = _distinct(np.concatenate(lists, 1))
        columns = torch.from_numpy(np.maximum(self.rankers[0].columns(pooled), 0))
        valid = torch.from_numpy(self.valid[pooled] & (pooled != MISSING)[:, :, None])
        scores = []
        for table, user, score_std, mean in zip(
            tables, user_vectors, self.parts.score_stds, self.parts.score_means, strict=True
        ):
            scores.append((table.gather(1, columns) - torch.from_numpy(mean.means(user))[:, None]) / score_std)
        return _Block(
            torch.stack(scores, 2) * valid,
            valid,
            torch.from_numpy(np.stack([valid_mask(user) for user in user_vectors], 1))[:, None],
            is_relevant(pooled, targets, self.data.n_items),
            targets.lengths,
        )


def search(values: Objective, n_parts: int, steps: int) -> Iterator[tuple[Weights, float]]:
    """Coordinate ascent on weights that sum to one; yields improving weights with their values, the best last.

    Starts from the best part alone. Each part in turn is tried with every share from 0 to 1 in ``steps`` steps, while
    the ratios of the others stay as they are; stops when no part's share improves the value by more than 0.01 %.

    Args:
        values: the objective to maximize.
        n_parts: P.
        steps: of the grid of a part's share.

    Example:
        >>> def values(weightings):
        ...     return -np.abs(weightings - [0.5, 0.0, 0.5]).sum(1)
        >>> list(search(values, 3, steps=10))[-1][0].tolist()
        [0.5, 0.0, 0.5]
    """
    alone = values(np.eye(n_parts))
    part = int(alone.argmax())
    weights, best = np.eye(n_parts)[part], float(alone[part])
    yield weights, best
    shares = np.linspace(0, 1, steps + 1)[:, None]
    since = 0  # parts tried since the last improvement
    while since < n_parts:
        part = (part + 1) % n_parts
        since += 1
        others = np.where(np.arange(n_parts) == part, 0, weights)
        if others.any():
            line = shares * np.eye(n_parts)[part] + (1 - shares) * others / others.sum()
            found = values(line)
            if found.max() > best + _LEAST_GAIN * abs(best):
                weights, best, since = line[int(found.argmax())], float(found.max()), 0
        yield weights, best


def valid_mask(part: Vectors) -> NDArray[np.bool_]:
    """Bool [n]: which rows have a vector."""
    return np.ones(len(part), bool) if part.valid is None else part.valid


def zero_invalid(part: Vectors) -> Vectors:
    """The same vectors, with zeros in the rows that are not valid."""
    if part.valid is None or part.valid.all():
        return part
    kept = part.valid.astype(np.float32)
    dense, sparse = part.dense, part.sparse
    if dense is not None and dense[~part.valid].any():
        dense = dense * kept[:, None]
    if sparse is not None and abs(sparse[~part.valid]).sum():
        sparse = sp.csr_array(sp.diags_array(kept) @ sparse) if sp.issparse(sparse) else sparse * kept[:, None]
    return Vectors(dense, sparse, part.valid)


def _distinct(lists: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct entries of each row, ascending, padded with MISSING.

    Example:
        >>> _distinct(np.array([[3, 1, 3, -1], [2, 2, 2, 2]])).tolist()
        [[1, 3], [2, -1]]
    """
    last = np.iinfo(np.int64).max
    rows = np.sort(np.where(lists == MISSING, last, lists), 1)
    rows[:, 1:][rows[:, 1:] == rows[:, :-1]] = last
    rows.sort(1)
    width = max(int((rows != last).sum(1).max(initial=0)), 1)
    return np.where(rows[:, :width] == last, MISSING, rows[:, :width])
