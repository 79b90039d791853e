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
"""float64 [C], what each of C weightings [C, P] is worth."""

_LEAST_GAIN = 1e-4
"""Relative; what the validation questions tell is coarser."""


@dataclass(frozen=True, eq=False)
class _Block:
    """What B users may be shown.

    Args:
        scores: float32 [B, W, P], of each part above the user's mean, in units of its spread.
        valid: bool [B, W, P], whether a part places the item; nothing places where no item is.
        users: bool [B, 1, P], whether a part places the user.
        relevant: bool [B, W].
        asked: int64 [B], how many items are relevant.
    """

    scores: Tensor
    valid: Tensor
    users: Tensor
    relevant: NDArray[np.bool_]
    asked: NDArray[np.int64]

    def barred(self, used: Tensor) -> Tensor:
        """Bool [B, W]: where none of the parts ``used`` (bool [P]) places the item, or none the user."""
        return ~(self.valid[:, :, used].any(2) & self.users[:, :, used].any(2))


@dataclass(frozen=True)
class ScoreMean:
    """The mean of a part's placed item vectors, which gives each user's mean score.

    Args:
        dense: float32 [D], or None.
        sparse: float32 [S], or None.
    """

    dense: NDArray[np.float32] | None
    sparse: NDArray[np.float32] | None

    @classmethod
    def of(cls, items: Vectors) -> Self:
        """Of item vectors that are zero where not placed."""
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
        """What there is, by name."""
        both = {"dense": self.dense, "sparse": self.sparse}
        return ((name, array) for name, array in both.items() if array is not None)


@dataclass(frozen=True, eq=False)
class ScoredParts:
    """P fitted engines, and what brings their scores to one scale.

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


class CandidatePool:
    """The validation questions, and for each user the items that may come first under any weights.

    These are the first items of each part, ten times as many as the metric looks at (at least 100). What is in none of
    these lists is taken to be in no mix's list, so that a weighting costs the product of a small table with the weights
    and not a pass over the catalogue.

    Args:
        parts: the P engines to be weighted.
        data: the dataset that the rows of ``users`` belong to.
        holdout: the validation targets.
        users: rows of the evaluation users.
        metric: what the weights are chosen by, such as ``ndcg@10``.
    """

    def __init__(
        self, parts: ScoredParts, data: Dataset, holdout: Holdout, users: NDArray[np.int32], metric: str
    ) -> None:
        self.metric, self.k = parse_metric(metric)
        self.parts, self.filter_seen = parts, holdout.filter_seen
        self.valid = np.stack([valid_mask(vectors) for vectors in parts.items], 1)
        self.data, self.history, self.n_users = data, holdout.history, len(users)
        self.rankers = [Ranker(vectors, holdout.candidates) for vectors in parts.items]
        asked, size = relevant(holdout, users), block_rows(data.n_items)
        blocks = (slice(start, min(start + size, len(users))) for start in range(0, len(users), size))
        self.blocks = [self._block(users[block], asked.take(block)) for block in blocks]

    def values(self, weightings: Weights) -> NDArray[np.float64]:
        """float64 [C]: the metric under each of ``weightings`` [C, P]."""
        total = np.zeros(len(weightings))
        used, which = np.unique(weightings > 0, axis=0, return_inverse=True)
        for block in self.blocks:
            k = min(self.k, block.relevant.shape[1])
            barred = [block.barred(torch.from_numpy(parts)) for parts in used]
            for row, (weights, kind) in enumerate(
                zip(torch.from_numpy(weightings).float(), which.ravel(), strict=True)
            ):
                mixed = (block.scores @ weights).masked_fill_(barred[kind], -torch.inf)
                columns, scores = best_columns(mixed, k)
                hits = np.take_along_axis(block.relevant, columns, 1) & (scores > -np.inf)
                total[row] += METRICS[self.metric](hits, block.asked, self.k).sum()
        return total / max(self.n_users, 1)

    def _block(self, users: NDArray[np.int32], asked: Histories) -> _Block:
        request = Request.from_dataset(self.data, users, self.history)
        seen = request.histories if self.filter_seen else None
        tables, lists, vectors_of = [], [], []
        for part, ranker in zip(self.parts.engines, self.rankers, strict=True):
            vectors = zero_invalid(part.user_vectors(request))
            table = ranker.scores(vectors)
            depth = min(max(10 * self.k, 100), table.shape[1])
            lists.append(ranker.ranked(table.clone(), vectors, depth, seen)[0])
            tables.append(table)
            vectors_of.append(vectors)
        pooled = _distinct(np.concatenate(lists, 1))
        columns = torch.from_numpy(np.maximum(self.rankers[0].columns(pooled), 0))
        valid = torch.from_numpy(self.valid[pooled] & (pooled != MISSING)[:, :, None])
        scores = []
        for table, own, score_std, level in zip(
            tables, vectors_of, self.parts.score_stds, self.parts.score_means, strict=True
        ):
            scores.append((table.gather(1, columns) - torch.from_numpy(level.means(own))[:, None]) / score_std)
        return _Block(
            torch.stack(scores, 2) * valid,
            valid,
            torch.from_numpy(np.stack([valid_mask(own) for own in vectors_of], 1))[:, None],
            is_relevant(pooled, asked, self.data.n_items),
            asked.lengths,
        )


def search(values: Objective, n_parts: int, steps: int) -> Iterator[tuple[Weights, float]]:
    """Better and better weights that sum to one, each with what it is worth; the last are the best.

    From the best part alone, one part after the other is given each share from nothing to all, in ``steps`` steps, the
    others sharing the rest as they did, until no part's share can be changed for (more than minutely) better.

    Args:
        values: what is to be high.
        n_parts: P.
        steps: see above.

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
    since = 0  # parts whose share was looked at in vain
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
    """Bool [n]."""
    return np.ones(len(part), bool) if part.valid is None else part.valid


def zero_invalid(part: Vectors) -> Vectors:
    """Zero where not placed."""
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
    """Each row's entries once, ascending, then MISSING.

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
