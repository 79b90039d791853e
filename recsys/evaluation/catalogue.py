"""Beyond-accuracy metrics of the recommended lists: coverage, novelty, diversity, concentration."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING
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
        self._had = sp.csr_array(train.to_csr(n_users, n_items).T)
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
    top = _affordable(top, np.diff(had.indptr), entries)
    rows, place = np.unique(top[top != MISSING], return_inverse=True)
    degrees, places = np.diff(had.indptr)[rows].astype(np.float64), np.full(top.shape, MISSING)
    places[top != MISSING] = place
    unit = sp.csr_array(had[rows], dtype=np.float64)
    unit.data = np.repeat(1 / np.sqrt(np.maximum(degrees, 1)), np.diff(unit.indptr))
    known, total, lists = (degrees > 0).astype(np.float64), 0.0, 0
    costs = np.append(degrees, 0)[places].sum(1).cumsum()
    for part in np.split(places, np.flatnonzero(np.diff(costs // _ENTRIES)) + 1):
        n = (part != MISSING).sum(1)
        offsets = np.concatenate([[0], np.cumsum(n)])
        picks = sp.csr_array((np.ones(offsets[-1]), part[part != MISSING], offsets), shape=(len(part), len(rows)))
        summed = picks @ unit
        summed.data **= 2
        squares, own, pairs = np.asarray(summed.sum(1)).ravel(), picks @ known, n * (n - 1) / 2
        several = pairs > 0
        total += float((1 - (squares - own)[several] / 2 / pairs[several]).sum())
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
