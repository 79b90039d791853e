"""Given train and test files; the validation targets are held out of the train file."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split, counts_of_share
from recsys.seeding import stream

Cut = Literal["last", "random", "blocks"]
_RANK = 64
"""Singular vectors that similarities of items are computed from, at most a quarter of the smaller side of the matrix.

With all of them, every two distinct items would have the cosine 0.
"""


def given(
    train: Interactions,
    test: Interactions,
    n_users: int,
    validation: float = 0.1,
    cut: Cut = "random",
    seed: int = 0,
) -> Split:
    """Split of given train and test files: test targets from the test file, validation targets from the train file.

    The test histories are the train file. Users of the test file who are not in it are not evaluated.

    Random validation targets resemble the items that are left in the history, so models that memorize co-occurrence
    score too well on them. ``blocks`` holds out a random item together with the items most similar to it, as block
    cross-validation does with places (Roberts et al., 2017, Ecography). Take it for a test file of later interactions
    without timestamps.

    Args:
        train: the given training interactions.
        test: the given test interactions.
        n_users: size of the user vocabulary.
        validation: share of each user's training interactions that is held out: at least one, and all but one at
            most; none of users with a single interaction.
        cut: which ones: the ``last``, ``random`` ones, or ``blocks``: a random one and those whose items are the most
            similar to its item.
        seed: of the random choice.

    Example:
        >>> train = Interactions.of(np.repeat([0, 1], 3), np.arange(6), np.tile(np.arange(3), 2))
        >>> test = Interactions.of(np.array([0, 1]), np.array([3, 0]))
        >>> split = given(train, test, 2, validation=0.3, cut="last")
        >>> split.train.item.tolist(), split.validation.targets.item.tolist(), split.test.targets.item.tolist()
        ([0, 1, 3, 4], [2, 5], [3, 0])
    """
    counts = train.user_counts(n_users)
    n_targets = np.where(counts >= 2, counts_of_share(counts, validation), 0)
    is_target = _rank(train, n_users, cut, seed) < n_targets[train.user]
    inner = train.select(~is_target)
    with_history = test.select(counts[test.user] > 0)
    holdout = Holdout.of_targets(train, with_history)
    return Split(
        "given",
        inner,
        Holdout.of_targets(inner, train.select(is_target)),
        train,
        holdout,
        {"validation": validation, "cut": cut, "seed": seed},
        len(np.unique(test.user)) - len(holdout),
    )


def _rank(train: Interactions, n_users: int, cut: Cut, seed: int) -> NDArray[np.int64]:
    """int64 [n]: the rank of each interaction among those of its user; the lowest are held out first."""
    priority = stream(seed, "given").random(len(train))
    keys: tuple[NDArray[Any], ...] = (priority, train.user)
    if cut == "last":
        keys = (-np.arange(len(train)), train.user)
    elif cut == "blocks":
        keys = (priority, _distances(train, n_users, priority), train.user)
    rank = np.empty(len(train), np.int64)
    rank[np.lexsort(keys)] = train.positions(n_users)
    return rank


def _distances(train: Interactions, n_users: int, priority: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""float64 [n]: the distance of each interaction's item to the user's anchor, the item of lowest ``priority``.

    The distance is minus the cosine between rows of the first right singular vectors of the degree-normalized matrix
    :math:`D_u^{-1/2} R D_i^{-1/2}` without those of singular value 0, and -2 for the anchor itself. It is rounded to
    five decimals, so that items at equal distances tie on every machine.
    """
    matrix = train.to_csr(n_users, int(train.item.max(initial=0)) + 1)
    scales = [sp.diags_array(np.maximum(matrix.sum(axis), 1) ** -0.5) for axis in (1, 0)]
    smaller = min(matrix.shape)
    if smaller < 2:
        return priority
    rank, start = min(_RANK, max(smaller // 4, 1)), np.ones(smaller)
    _, values, right = svds(scales[0] @ matrix @ scales[1], rank, v0=start)
    vectors = right[values > 1e-4 * values.max(initial=0)].T
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    anchor = np.full(n_users, -1)
    order = np.lexsort((-priority, train.user))
    anchor[train.user[order]] = train.item[order]
    distance = np.empty(len(train))
    for block in range(0, len(train), 1 << 18):
        rows = slice(block, block + (1 << 18))
        distance[rows] = -np.einsum("nd,nd->n", vectors[train.item[rows]], vectors[anchor[train.user[rows]]])
    distance = np.round(distance, 5)
    distance[train.item == anchor[train.user]] = -2
    return distance
