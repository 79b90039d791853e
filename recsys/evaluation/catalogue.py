"""Beyond-accuracy metrics of the recommended lists: coverage, novelty, diversity, concentration."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import BLOCK, MISSING, ranges
from recsys.seeding import stream

_FEWEST_LISTS = 1000
_ENTRIES = 2**24
"""Interactions of listed items that are summed at a time, those of one list at least."""


class CatalogueMetrics:
    """Coverage, novelty, diversity and concentration of all recommended lists together.

    - ``coverage``: share of the catalogue that is in any list.
    - ``novelty``: mean self-information of a listed item, ``-log2`` of the share of users who have it in train.
    - ``diversity``: 1 - mean cosine of two items of a list; an item's vector is 1 for each user who has it in train,
      else 0.
    - ``gini``: the Gini coefficient of how often each item is listed: 0 if all equally often, near 1 if all users get
      the same few items.
    - ``popularity_share``: share of list places held by the fifth of the items with the most training interactions.

    Args:
        train: the interactions that popularity is counted on.
        n_users: size of the user vocabulary.
        n_items: size of the catalogue.
        k: the metrics are of the first k places of each list.

    Example:
        >>> train = Interactions.of(np.array([0, 1, 2, 2]), np.array([0, 0, 0, 1]))
        >>> CatalogueMetrics(train, n_users=3, n_items=5)(np.array([[0], [0], [0]]))["coverage"]
        0.2
    """

    def __init__(self, train: Interactions, n_users: int, n_items: int, k: int = 10) -> None:
        self.counts = train.item_counts(n_items)
        self._k, self._n_items = k, n_items
        self._head = np.zeros(n_items, bool)
        self._head[np.argsort(-self.counts, kind="stable")[: max(1, n_items // 5)]] = True
        self._had = holders(train, n_users, n_items)
        users = int((train.user_counts(n_users) > 0).sum())
        self._shares = (np.diff(self._had.indptr) + 1) / (max(users, 1) + 1)

    def __call__(self, items: NDArray[np.integer]) -> dict[str, float]:
        """The metrics of ``items`` [U, K], int, MISSING where lists end."""
        top = items[:, : self._k]
        listed = top[top != MISSING]
        shown = np.bincount(listed, minlength=self._n_items)
        return {
            "coverage": float((shown > 0).mean()),
            "novelty": float(-np.log2(self._shares[listed]).mean()) if len(listed) else 0.0,
            "diversity": diversity(top, self._had),
            "gini": gini(shown),
            "popularity_share": float(self._head[listed].mean()) if len(listed) else 0.0,
        }


def holders(train: Interactions, n_users: int, n_items: int) -> sp.csr_array:
    """Bool [I, U]: which users have each item, made of blocks of users without another copy of the interactions."""
    room = train.item_counts(n_items)  # repeated pairs leave some of it empty
    starts = np.cumsum(room) - room
    users, filled = np.empty(len(train), np.int32), starts.copy()
    for block in train.blocks():
        pairs = _pairs(train.select(block))
        counts = np.bincount(pairs >> 32, minlength=n_items)
        users[ranges(filled, counts)] = pairs & 0xFFFFFFFF
        filled += counts
    degrees = filled - starts
    ends = np.append(0, np.cumsum(degrees))
    if ends[-1] < len(users):
        for items in np.array_split(np.arange(n_items), min(len(users) // BLOCK + 1, n_items)):
            moved = users[ranges(starts[items], degrees[items])]
            users[ends[items[0]] : ends[items[0]] + len(moved)] = moved
        users.resize(int(ends[-1]), refcheck=False)
    ends = ends.astype(np.int32 if len(users) < 2**31 else np.int64)  # of the type of the users
    return sp.csr_array((np.ones(len(users), bool), users, ends), shape=(n_items, n_users))


def _pairs(part: Interactions) -> NDArray[np.int64]:
    """A number for each pair of item and user of ``part``, once, ascending by item and then by user."""
    pairs = np.sort(part.item.astype(np.int64) << 32 | part.user)
    return pairs[np.diff(pairs, prepend=-1) > 0]


def gini(counts: NDArray[np.int64]) -> float:
    """The Gini coefficient of non-negative counts.

    Example:
        >>> gini(np.array([1, 1, 1])), round(gini(np.array([0, 0, 3])), 3)
        (0.0, 0.667)
    """
    if not counts.sum():
        return 0.0
    ordered, n = np.sort(counts), len(counts)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float((weights * ordered).sum() / (n * ordered.sum()))


def diversity(top: NDArray[np.integer], had: sp.csr_array, entries: int = 2 * 10**8) -> float:
    r"""Mean over lists of :math:`1 - \cos(i, j)` over pairs i < j, from unit rows of ``had`` [I, U], which is binary.

    For unit vectors the sum over pairs is :math:`(|\sum_i v_i|^2 - n) / 2`, so the pairs need not be enumerated. The
    cost of a list is the number of interactions of its items: of lists that cost more than ``entries`` together, the
    mean is that of a random sample which costs as much, of at least 1,000 lists.
    """
    degrees = np.diff(had.indptr)
    top = _affordable(top, degrees, entries)
    costs = np.append(degrees, 0)[top].sum(1).cumsum()
    total, lists = 0.0, 0
    for part in np.split(top, np.flatnonzero(np.diff(costs // _ENTRIES)) + 1):
        n, listed = (part != MISSING).sum(1), part[part != MISSING]
        rows, place = np.unique(listed, return_inverse=True)
        weights = 1 / np.sqrt(np.maximum(degrees[listed], 1).astype(np.float64))
        picks = sp.csr_array((weights, place, np.concatenate([[0], np.cumsum(n)])), shape=(len(part), len(rows)))
        summed = picks @ had[rows].astype(np.float64)
        summed.data **= 2
        known = np.add.reduceat(np.append(degrees[listed] > 0, False).astype(int), picks.indptr[:-1]) * (n > 0)
        squares, pairs = np.asarray(summed.sum(1)).ravel(), n * (n - 1) / 2
        several = pairs > 0
        total += float((1 - (squares - known)[several] / 2 / pairs[several]).sum())
        lists += int(several.sum())
    return total / max(lists, 1)


def _affordable(top: NDArray[np.integer], degrees: NDArray[np.integer], entries: int) -> NDArray[np.integer]:
    """All lists, or a random sample whose items have about ``entries`` interactions together."""
    costs = np.append(degrees, 0)[top].sum(1)
    if costs.sum() <= entries or len(top) <= _FEWEST_LISTS:
        return top
    order = stream(0, "diversity").permutation(len(top))
    n = int(np.searchsorted(np.cumsum(costs[order]), entries))
    return top[np.sort(order[: max(n, _FEWEST_LISTS)])]
