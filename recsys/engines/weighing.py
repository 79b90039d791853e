"""The weights of a hybrid, chosen on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.data.dataset import Dataset
from recsys.data.split import Holdout
from recsys.data.vocabulary import MISSING
from recsys.engine import Engine, Request, Vectors
from recsys.evaluation.evaluate import is_relevant, relevant
from recsys.evaluation.metrics import METRICS, parse_metric
from recsys.ranking import Ranker, best_columns, block_rows

Weights = NDArray[np.float64]
Worth = Callable[[Weights], NDArray[np.float64]]
"""float64 [C], what each of C weightings [C, P] is worth."""

_LEAST_GAIN = 1e-4
"""Relative; what the validation questions tell is coarser."""


@dataclass(frozen=True, eq=False)
class _Block:
    """What B users may be shown.

    Args:
        scores: float32 [B, W, P], of each part in units of its spread.
        barred: bool [B, W], places that hold no item.
        relevant: bool [B, W].
        asked: int64 [B], how many items are relevant.
    """

    scores: Tensor
    barred: Tensor
    relevant: NDArray[np.bool_]
    asked: NDArray[np.int64]


class Pool:
    """The validation questions, and for each user the items that may come first under any weights.

    These are the first items of each part, ten times as many as the metric looks at (at least 100). What is in none of
    these lists is taken to be in no mix's list, so that a weighting costs the product of a small table with the weights
    and not a pass over the catalogue.

    Args:
        parts: P fitted engines.
        spreads: of their scores.
        items: their item vectors, zero where not placed.
        data: whose users are asked.
        holdout: the questions.
        users: rows of those who are asked.
        metric: what a weighting is worth.
        seen_filtered: whether lists leave out what the history holds.
    """

    def __init__(
        self,
        parts: Sequence[Engine],
        spreads: Sequence[float],
        items: Sequence[Vectors],
        data: Dataset,
        holdout: Holdout,
        users: NDArray[np.int32],
        metric: str,
        seen_filtered: bool,
    ) -> None:
        self.metric, self.k = parse_metric(metric)
        self.parts, self.spreads, self.seen_filtered = parts, spreads, seen_filtered
        self.data, self.history, self.n_users = data, holdout.history, len(users)
        self.rankers = [Ranker(vectors, holdout.candidates) for vectors in items]
        asked, size = relevant(holdout, users), block_rows(data.n_items)
        blocks = (slice(start, min(start + size, len(users))) for start in range(0, len(users), size))
        self.blocks = []
        for block in blocks:
            pooled, scores = self._pooled(users[block])
            wanted = asked.take(block)
            barred = torch.from_numpy(pooled == MISSING)
            self.blocks.append(_Block(scores, barred, is_relevant(pooled, wanted, data.n_items), wanted.lengths))

    def values(self, weightings: Weights) -> NDArray[np.float64]:
        """float64 [C]: the metric under each of ``weightings`` [C, P]."""
        total = np.zeros(len(weightings))
        for block in self.blocks:
            k = min(self.k, block.barred.shape[1])
            for row, weights in enumerate(torch.from_numpy(weightings).float()):
                mixed = (block.scores @ weights).masked_fill_(block.barred, -torch.inf)
                hits = np.take_along_axis(block.relevant, best_columns(mixed, k)[0], 1)
                total[row] += METRICS[self.metric](hits, block.asked, self.k).sum()
        return total / max(self.n_users, 1)

    def _pooled(self, users: NDArray[np.int32]) -> tuple[NDArray[np.int64], Tensor]:
        """Item rows int64 [B, W], ascending and MISSING at the end, and the parts' scores of them."""
        request = Request.from_dataset(self.data, users, self.history)
        seen = request.histories if self.seen_filtered else None
        tables, lists = [], []
        for part, ranker in zip(self.parts, self.rankers, strict=True):
            vectors = cleared(part.user_vectors(request))
            table = ranker.scores(vectors)
            depth = min(max(10 * self.k, 100), table.shape[1])
            lists.append(ranker.ranked(table.clone(), vectors, depth, seen)[0])
            tables.append(table)
        pooled = _distinct(np.concatenate(lists, 1))
        columns = torch.from_numpy(np.maximum(self.rankers[0].columns(pooled), 0))
        spreads = zip(tables, self.spreads, strict=True)
        return pooled, torch.stack([table.gather(1, columns) / spread for table, spread in spreads], 2)


def search(values: Worth, n_parts: int, steps: int) -> Iterator[tuple[Weights, float]]:
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
    weights, best = np.eye(n_parts)[int(alone.argmax())], float(alone.max())
    yield weights, best
    shares = np.linspace(0, 1, steps + 1)[:, None]
    since = 0  # parts whose share was looked at in vain
    part = int(alone.argmax())
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


def cleared(part: Vectors) -> Vectors:
    """Zero where not placed."""
    if part.placed is None or part.placed.all():
        return part
    kept = part.placed.astype(np.float32)
    dense, sparse = part.dense, part.sparse
    if dense is not None and dense[~part.placed].any():
        dense = dense * kept[:, None]
    if sparse is not None and abs(sparse[~part.placed]).sum():
        sparse = sp.csr_array(sp.diags_array(kept) @ sparse) if sp.issparse(sparse) else sparse * kept[:, None]
    return Vectors(dense, sparse, part.placed)


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
