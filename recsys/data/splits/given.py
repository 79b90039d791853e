"""Given train and test files; validation is cut from train."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.seeding import stream

Cut = Literal["last", "random", "blocks"]
_RANK = 64
"""Dimensions in which items are alike, a quarter of the items at most: in as many as there are, none would be."""


def given(
    train: Interactions,
    test: Interactions,
    n_users: int,
    validation: float = 0.1,
    cut: Cut = "random",
    seed: int = 0,
) -> Split:
    """A given test file, evaluated with the train file as history; a share of each user's train is for validation.

    A random cut asks for items that lie amid those that are known, which flatters whatever remembers co-occurrence.
    ``blocks`` holds out items that are alike, which asks a model to generalise, as block cross-validation does in
    space (Roberts et al., Ecography 2017). It suits a test file of later interactions whose times are lost.

    Args:
        train: the given training interactions.
        test: the given test interactions.
        n_users: size of the user vocabulary.
        validation: share of each user's training interactions, of users with at least two; at least one is left.
        cut: which of a user's interactions: the ``last`` ones, ``random`` ones, or ``blocks``, a random one and those
            whose items are most like its item in the graph of ``train``.
        seed: draws them.

    Example:
        >>> train = Interactions.of(np.repeat([0, 1], 3), np.arange(6), np.tile(np.arange(3), 2))
        >>> test = Interactions.of(np.array([0, 1]), np.array([3, 0]))
        >>> split = given(train, test, 2, validation=0.3, cut="last")
        >>> split.train.item.tolist(), split.validation.targets.item.tolist(), split.test.targets.item.tolist()
        ([0, 1, 3, 4], [2, 5], [3, 0])
    """
    lengths = np.bincount(train.user, minlength=n_users)
    take = np.where(lengths >= 2, np.clip(np.round(lengths * validation), 1, np.maximum(lengths - 1, 1)), 0)
    lots = stream(seed, "given").random(len(train))
    keys: tuple[NDArray[Any], ...] = (lots, train.user)
    if cut == "last":
        keys = (-np.arange(len(train)), train.user)
    elif cut == "blocks":
        keys = (lots, _distances(train, n_users, lots), train.user)
    order = np.lexsort(keys)
    rank = np.empty(len(train), np.int64)
    rank[order] = np.arange(len(train)) - train.offsets(n_users)[:-1][train.user]
    out = rank < take[train.user]
    inner, targets = train.select(~out), train.select(out)
    known = lengths[test.user] > 0
    asked = test.select(known)
    return Split(
        "given",
        inner,
        Holdout(np.unique(targets.user), inner, targets),
        train,
        Holdout(np.unique(asked.user), train, asked),
        {"validation": validation, "cut": cut, "seed": seed},
        len(np.unique(test.user)) - len(np.unique(asked.user)),
    )


def _distances(train: Interactions, n_users: int, lots: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 [n]: how far each interaction's item is from that of the user's interaction with the lowest lot.

    Minus the cosine between the rows of the first right singular vectors of the degree-normalised matrix, null
    directions left out; interactions with that item itself are nearest. Rounded, so that equal ones tie on any
    machine; between equal singular values the last of the vectors are not determined.
    """
    matrix = train.to_csr(n_users, int(train.item.max(initial=0)) + 1)
    scales = [sp.diags_array(np.maximum(matrix.sum(axis), 1) ** -0.5) for axis in (1, 0)]
    smaller = min(matrix.shape)
    if smaller < 2:
        return lots
    rank, start = min(_RANK, max(smaller // 4, 1)), np.ones(smaller)
    _, values, right = svds(scales[0] @ matrix @ scales[1], rank, v0=start)
    vectors = right[values > 1e-4 * values.max(initial=0)].T
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    anchor = np.full(n_users, -1)
    order = np.lexsort((-lots, train.user))
    anchor[train.user[order]] = train.item[order]
    found = np.empty(len(train))
    for block in range(0, len(train), 1 << 18):
        rows = slice(block, block + (1 << 18))
        found[rows] = -np.einsum("nd,nd->n", vectors[train.item[rows]], vectors[anchor[train.user[rows]]])
    found = np.round(found, 5)
    found[train.item == anchor[train.user]] = -2
    return found
