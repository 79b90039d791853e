"""Beyond-accuracy metrics of the recommended lists: coverage, novelty, diversity, concentration."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Rows
from recsys.seeding import stream

_FEWEST_LISTS = 1000


def catalogue_metrics(items: Rows, train: Interactions, n_users: int, n_items: int, k: int = 10) -> dict[str, float]:
    """Coverage, novelty, diversity and concentration of all recommended lists together.

    - ``coverage``: share of the catalogue that is in any list.
    - ``novelty``: mean self-information of a listed item, ``-log2`` of the share of users who have it in train.
    - ``diversity``: 1 - mean cosine of two items of a list; an item's vector is 1 for each user who has it in train,
      else 0.
    - ``gini``: the Gini coefficient of how often each item is listed: 0 if all equally often, near 1 if all users get
      the same few items.
    - ``popularity_share``: share of list places held by the fifth of the items with the most training interactions.

    Args:
        items: int64 [U, K], MISSING where lists end.
        train: the interactions that popularity is counted on.
        n_users: size of the user vocabulary.
        n_items: size of the catalogue.
        k: the metrics are of the first k places of each list.
    """
    top = items[:, :k]
    listed = top[top != MISSING]
    counts = train.item_counts(n_items)
    shown = np.bincount(listed, minlength=n_items)
    head = np.zeros(n_items, bool)
    head[np.argsort(-counts, kind="stable")[: max(1, n_items // 5)]] = True
    had = sp.csr_array(train.to_csr(n_users, n_items).T)
    share = (np.diff(had.indptr)[listed] + 1) / (max(len(np.unique(train.user)), 1) + 1)
    return {
        "coverage": float((shown > 0).mean()),
        "novelty": float(-np.log2(share).mean()) if len(listed) else 0.0,
        "diversity": diversity(top, had),
        "gini": gini(shown),
        "popularity_share": float(head[listed].mean()) if len(listed) else 0.0,
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


def diversity(top: Rows, had: sp.csr_array, entries: int = 2 * 10**8) -> float:
    r"""Mean over lists of :math:`1 - \cos(i, j)` over pairs i < j, from unit rows of ``had`` [I, U], which is binary.

    For unit vectors the sum over pairs is :math:`(|\sum_i v_i|^2 - n) / 2`, so the pairs need not be enumerated. The
    cost of a list is the number of interactions of its items: of lists that cost more than ``entries`` together, the
    mean is that of a random sample which costs as much, of at least 1,000 lists.
    """
    top = _affordable(top, np.diff(had.indptr), entries)
    norms = np.sqrt(np.maximum(np.diff(had.indptr), 1))
    unit = sp.diags_array(1 / norms) @ had
    valid = top != MISSING
    sizes = valid.sum(1)
    users = np.repeat(np.arange(len(top)), sizes)
    known = np.diff(had.indptr) > 0
    total, comparable = 0.0, sizes >= 2
    for start in range(0, len(top), 1024):
        inside = (users >= start) & (users < start + 1024)
        rows = top[start : start + 1024][valid[start : start + 1024]]
        picks = sp.csr_array((np.ones(len(rows)), (users[inside] - start, rows)), shape=(1024, len(known)))
        summed = picks @ unit
        summed.data **= 2
        squares = np.asarray(summed.sum(1)).ravel()
        own = picks @ known.astype(np.float64)
        n = np.zeros(1024)
        n[: len(sizes[start : start + 1024])] = sizes[start : start + 1024]
        pairs = n * (n - 1) / 2
        total += float((1 - (squares - own)[pairs > 0] / 2 / pairs[pairs > 0]).sum())
    return total / max(int(comparable.sum()), 1)


def _affordable(top: Rows, degrees: NDArray[np.integer], entries: int) -> Rows:
    """All lists, or a random sample whose items have about ``entries`` interactions together."""
    costs = np.append(degrees, 0)[top].sum(1)
    if costs.sum() <= entries or len(top) <= _FEWEST_LISTS:
        return top
    order = stream(0, "diversity").permutation(len(top))
    n = int(np.searchsorted(np.cumsum(costs[order]), entries))
    sample: Rows = top[np.sort(order[: max(n, _FEWEST_LISTS)])]
    return sample
