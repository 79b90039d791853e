"""Evaluation: full-catalogue ranking metrics of an engine on a holdout, in blocks of users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.interactions import pair_keys
from recsys.data.splits.split import Holdout
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, VectorModel, Vectors
from recsys.errors import DataError
from recsys.evaluation.metrics import BLOCK, METRICS, ListMetrics, check_lengths, parse_metric
from recsys.ranking import Ranker, check_finite, check_fitted, check_k, device_of

SHOWN = 10
"""Places of a list that are kept beside its metrics: those that coverage, popularity and examples look at."""


@dataclass(frozen=True, eq=False)
class Result:
    """The metrics of what an engine recommends to the evaluation users, and the first places of its lists.

    A user takes some 80 bytes with lists of 100 items, so that the results of several engines are held together.

    Args:
        users: int32 [U], rows of the evaluation users.
        values: ``"recall@10"`` -> float64 [U].
        items: int32 [U, 10], the first recommended item rows, best first, MISSING after the end of a short list.
        history_lengths: int64 [U], number of items in each history.
        targets: int32 [T], relevant items of all users, user by user.
        target_counts: int64 [U], number of targets of each user.
        found: bool [T], whether each of ``targets`` is in the first ten of its user's list.
        users_without_vector: users that the engine has no vector for; their metrics are 0.
        items_without_vector: candidates that the engine has no vector for.
    """

    users: NDArray[np.int32]
    values: ListMetrics
    items: NDArray[np.int32]
    history_lengths: NDArray[np.int64]
    targets: NDArray[np.int32]
    target_counts: NDArray[np.int64]
    found: NDArray[np.bool_]
    users_without_vector: int
    items_without_vector: int

    def mean(self, metric: str) -> float:
        return float(self.values[metric].mean())


def evaluate(
    engine: VectorModel,
    data: Dataset,
    holdout: Holdout,
    *,
    ks: Sequence[int] = (1, 5, 10, 20, 50, 100),
    block: int = BLOCK,
) -> Result:
    """Ranking metrics of ``engine`` on ``holdout``, over the whole catalogue or its candidates.

    Args:
        engine: a fitted engine.
        data: the dataset that the holdout's rows refer to.
        holdout: the evaluation users and their targets.
        ks: list lengths of the metrics.
        block: number of users per batch; of each no more than `Result` has is kept in memory.

    Raises:
        DataError: the engine is not fitted, the holdout has no users, or a list length is no whole number above 0.
        ConfigError: there are too many list lengths, or one is too large; see `check_lengths`.
        ArtifactError: a vector of the engine holds NaN or an infinite value.
    """
    ranker = BlockRanker(engine, data, holdout, ks, block)
    return joined((result for _, result in ranker.measured_blocks(range(len(ranker)))), len(holdout))


def count_blocks(holdout: Holdout, block: int = BLOCK) -> int:
    """The number of blocks that `BlockRanker` measures a holdout in.

    Raises:
        DataError: the holdout has no users.
    """
    if not len(holdout):
        raise DataError("the holdout has no users, so nothing can be measured; hold out interactions of some users")
    return -(-len(holdout) // block)


class BlockRanker:
    """Ranks the catalogue for the users of a holdout, a block at a time; a block is the same whoever ranks it.

    Args:
        engine: a fitted engine.
        data: the dataset that the holdout's rows refer to.
        holdout: the evaluation users.
        ks: list lengths of the metrics; lists are as long as the largest.
        block: number of users of a block.

    Raises:
        DataError: as `evaluate`.
        ConfigError: as `evaluate`.
        ArtifactError: a vector of an item holds NaN or an infinite value.
    """

    def __init__(
        self, engine: VectorModel, data: Dataset, holdout: Holdout, ks: Sequence[int], block: int = BLOCK
    ) -> None:
        check_fitted(engine)
        check_lengths(ks)
        for k in ks:
            check_k(k)
        self._count = count_blocks(holdout, block)
        self._engine, self._data, self._holdout, self._ks, self._block = engine, data, holdout, ks, block
        vectors = engine.item_vectors(data.items)
        check_finite(vectors, data.items.vocabulary.ids, f"items of {type(engine).__name__}")
        self._ranker = Ranker(vectors, holdout.candidates, device=device_of(engine))
        self._depth = min(max(ks), data.n_items)
        candidates = slice(None) if holdout.candidates is None else holdout.candidates
        self.items_without_vector = 0 if vectors.valid is None else int((~vectors.valid[candidates]).sum())

    @property
    def n_users(self) -> int:
        """The number of users of all blocks."""
        return len(self._holdout)

    def __len__(self) -> int:
        """The number of blocks."""
        return self._count

    def measured_blocks(self, numbers: Iterable[int]) -> Iterator[tuple[int, Result]]:
        """The number and the metrics of each of some blocks, one after the other."""
        return ((number, self.measured(number)) for number in numbers)

    def measured(self, number: int) -> Result:
        """The metrics of the users of block ``number``.

        Raises:
            ArtifactError: a vector of a user holds NaN or an infinite value.
        """
        rows = self._holdout.users[number * self._block : (number + 1) * self._block]
        request = Request.from_dataset(self._data, rows, self._holdout.history)
        users = self._engine.user_vectors(request)
        check_finite(users, request.users.vocabulary.ids, f"users of {type(self._engine).__name__}")
        without = 0 if users.valid is None else int((~users.valid).sum())
        seen = request.histories if self._holdout.filter_seen else None
        items = self._ranker.top_k(users, self._depth, seen)[0]
        without_vector = without, self.items_without_vector
        wanted = relevant(self._holdout, rows)
        return measure(rows, items, request.histories.lengths, wanted, self._ks, self._data.n_items, without_vector)


def measure(
    users: NDArray[np.int32],
    items: Rows,
    history_lengths: NDArray[np.int64],
    wanted: Histories,
    ks: Sequence[int],
    n_items: int,
    without_vector: tuple[int, int] = (0, 0),
) -> Result:
    """Ranking metrics of top-k lists.

    Args:
        users: int32 [U], rows of the users.
        items: int64 [U, K], item rows, best first, MISSING after the end of a short list.
        history_lengths: int64 [U], number of items in each history.
        wanted: [U] their targets, see `relevant`.
        ks: list lengths of the metrics.
        n_items: size of the catalogue.
        without_vector: number of users and of candidates without a vector.
    """
    hits = is_relevant(items, wanted, n_items)
    top = items[:, :SHOWN]
    shown = np.sort((top + np.arange(len(items))[:, None] * (n_items + 1)).ravel())
    keys = wanted.items + wanted.users() * (n_items + 1)
    return Result(
        users,
        ListMetrics.of(hits, wanted.lengths, ks),
        top.astype(np.int32),
        history_lengths,
        wanted.items,
        wanted.lengths,
        np.isin(keys, shown),
        *without_vector,
    )


def joined(parts: Iterable[Result], n_users: int) -> Result:
    """The result of ``n_users`` users from those of blocks of them, in their order; one block is held at a time."""
    users, lengths = np.empty(n_users, np.int32), np.empty(n_users, np.int64)
    items, values = np.empty((n_users, 0), np.int32), list[ListMetrics]()
    targets, found = list[NDArray[np.int32]](), list[NDArray[np.bool_]]()
    start = users_without_vector = items_without_vector = 0
    for part in parts:
        if not values:
            items = np.empty((n_users, part.items.shape[1]), np.int32)
        block = slice(start, start + len(part.users))
        users[block], items[block], lengths[block] = part.users, part.items, part.history_lengths
        start = block.stop
        values.append(part.values)
        targets.append(part.targets)
        found.append(part.found)
        users_without_vector += part.users_without_vector
        items_without_vector = part.items_without_vector
    assert start == n_users, "a block is missing"
    metrics = ListMetrics.joined(values)
    wanted = np.concatenate(targets), metrics.relevant, np.concatenate(found)
    return Result(users, metrics, items, lengths, *wanted, users_without_vector, items_without_vector)


def score_metric(
    users: Vectors, items: Vectors, holdout: Holdout, metric: str, device: torch.device | None = None
) -> float:
    """The mean of one metric over the evaluation users, from vectors; the validation metric during training.

    Arguments as of `score_values`.
    """
    return float(score_values(users, items, holdout, metric, device).mean())


def score_values(
    users: Vectors, items: Vectors, holdout: Holdout, metric: str, device: torch.device | None = None
) -> NDArray[np.float64]:
    """float64 [U]: one metric of each evaluation user, from vectors.

    Args:
        users: vectors of ``holdout.users`` [U].
        items: vectors of the whole catalogue.
        holdout: the evaluation users and their targets.
        metric: such as ``"ndcg@10"``.
        device: see `recsys.ranking.Ranker`.
    """
    name, k = parse_metric(metric)
    lists = Ranker(items, holdout.candidates, device=device).top_k(users, k, holdout.seen)[0]
    targets = relevant(holdout, holdout.users)
    hits = is_relevant(lists, targets, len(items))
    return METRICS[name](hits, targets.lengths, k)


def relevant(holdout: Holdout, users: NDArray[np.int32]) -> Histories:
    """The targets of each of ``users`` [U], each item once even if the user interacted with it several times."""
    targets = Histories.from_interactions(holdout.targets, users)
    first = np.zeros(len(targets.items), bool)
    first[np.unique(pair_keys(targets.users(), targets.items), return_index=True)[1]] = True
    return targets.where(first)


def is_relevant(items: Rows, targets: Histories, n_items: int) -> NDArray[np.bool_]:
    """Bool [U, K]: whether each listed item is among the user's targets."""
    width = n_items + 1
    wanted = np.sort(targets.items + targets.users() * width)
    listed = np.where(items == MISSING, n_items, items) + np.arange(len(items))[:, None] * width
    place = np.minimum(np.searchsorted(wanted, listed), max(len(wanted) - 1, 0))
    found: NDArray[np.bool_] = wanted[place] == listed if len(wanted) else np.zeros(items.shape, bool)
    return found
