r"""How much the values of a column tell about who chooses what: a leave-one-out likelihood gain, from train alone.

A column of items is predictive where the values of a user's other items tell the value of one of them. Of an
interaction of user u with item i, whose value is v, the gain is

.. math:: g = \log \frac{(H_{uv} - x_{iv} + k\, q_v) / (n_u - 1 + k)}{q_v},

with :math:`H_{uv}` how many of the user's :math:`n_u` distinct items have the value, :math:`x_{iv}` the item's own
share and :math:`q_v` the share of all interactions. A column of users is predictive where users of the same value
choose the same items; there v is the item, and H counts the choices of the other users who share the value. A column
of noise has a gain of nought or less in expectation, because its estimates only add error, and so does a column
whose values are unique.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.features.categories import Categories
from recsys.data.features.scalers import Numeric, Time
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import places
from recsys.seeding import stream

_BINS = 10
"""Quantile bins of a numeric column."""
_STRENGTHS = (3.0, 30.0, 300.0, 3e3, 3e4)
"""k: pseudo-counts of the prior; the best of them counts."""
_LEAST_SIGMAS, _LEAST_GAIN = 3.0, 0.001
_INTERACTIONS = 500_000
"""At most about so many interactions, of random users, are looked at."""


@dataclass(frozen=True)
class Evidence:
    """The gain of a column.

    Args:
        gain: nats an interaction, averaged over users.
        error: its standard error over users.

    Example:
        >>> Evidence(gain=0.2, error=0.01).predictive, Evidence(gain=0.01, error=0.01).predictive
        (True, False)
    """

    gain: float
    error: float

    @property
    def predictive(self) -> bool:
        """Whether the gain is above a thousandth of a nat, and above nought by three standard errors."""
        return self.gain > max(_LEAST_GAIN, _LEAST_SIGMAS * self.error)


def item_column_evidence(shares: sp.csr_array, train: Interactions, n_users: int) -> Evidence:
    """The evidence for a column of items.

    Args:
        shares: float [I, V], the value shares of each item (see `value_shares`); a row without values has no weight.
        train: the training interactions; of repeats the first counts.
        n_users: size of the user vocabulary.
    """
    choices = _choices(train, n_users, shares.shape[0])
    if not choices.nnz or not shares.nnz:
        return Evidence(0.0, 0.0)
    popularity = np.asarray(choices.sum(0)).ravel()
    prior = popularity @ shares
    prior = prior / max(prior.sum(), 1e-12)
    pairs = _entries(choices, shares)  # user, value, own share, interaction
    histograms = sp.csr_array(choices @ shares)
    others = _at(histograms, pairs.row, pairs.value) - pairs.share
    totals = np.asarray(histograms.sum(1)).ravel()[pairs.row] - 1.0
    return _best(others, np.maximum(totals, 0.0), prior[pairs.value], pairs)


def user_column_evidence(shares: sp.csr_array, train: Interactions, n_items: int) -> Evidence:
    """The evidence for a column of users.

    Args:
        shares: float [U, V], the value shares of each user.
        train: the training interactions; of repeats the first counts.
        n_items: size of the item vocabulary.
    """
    choices = _choices(train, shares.shape[0], n_items)
    if not choices.nnz or not shares.nnz:
        return Evidence(0.0, 0.0)
    prior = np.asarray(choices.sum(0)).ravel() / choices.nnz
    by_value = sp.csr_array(shares.T @ choices)  # [V, I]
    sizes, activity = np.asarray(by_value.sum(1)).ravel(), np.diff(choices.indptr)
    entries = sp.coo_array(choices)
    pairs = _entries(sp.csr_array(sp.eye_array(shares.shape[0], format="csr")), shares, entries.row)
    item = entries.col[pairs.interaction]
    others = _at(by_value, pairs.value, item) - pairs.share
    totals = sizes[pairs.value] - pairs.share * activity[pairs.row]
    return _best(np.maximum(others, 0.0), np.maximum(totals, 0.0), prior[item], pairs)


def transition_evidence(shares: sp.csr_array, train: Interactions, n_users: int) -> Evidence:
    """The evidence that the value of an item tells the value of the next one.

    Counted are transitions from other items of the same value, so that pairs of items that follow each other do not
    speak for a column in which their values are random.

    Args:
        shares: as of `item_column_evidence`; of several values of an item the first counts.
        train: the training interactions, in order.
        n_users: size of the user vocabulary.
    """
    sizes = np.diff(shares.indptr)
    first = np.full(shares.shape[0], -1, np.int64)
    first[sizes > 0] = shares.indices[shares.indptr[:-1][sizes > 0]]
    user, item = train.user[:_INTERACTIONS], train.item[:_INTERACTIONS]
    follows = (user[1:] == user[:-1]) & (item[1:] != item[:-1]) & (first[item[1:]] >= 0) & (first[item[:-1]] >= 0)
    if not follows.any():
        return Evidence(0.0, 0.0)
    source, target, owner = item[:-1][follows], first[item[1:][follows]], user[1:][follows].astype(np.int64)
    ones, value = np.ones(len(source), np.float32), first[source]
    by_item = sp.csr_array(sp.coo_array((ones, (source, target)), shape=shares.shape))
    by_value = sp.csr_array(sp.coo_array((ones, (value, target)), shape=(shares.shape[1], shares.shape[1])))
    others = _at(by_value, value, target) - _at(by_item, source, target)
    totals = (
        np.bincount(value, minlength=shares.shape[1])[value] - np.bincount(source, minlength=shares.shape[0])[source]
    )
    prior = np.bincount(target, minlength=shares.shape[1]) / len(target)
    pairs = _Pairs(owner, target, np.ones(len(target)), np.arange(len(target)))
    return _best(others, totals.astype(np.float64), prior[target], pairs)


def value_shares(column: Categories | Numeric | Time, values: NDArray[np.generic]) -> sp.csr_array:
    """float32 [n, V]: the values of each entity as shares that sum to one; none where the value is missing.

    Args:
        column: the fitted transform.
        values: what it makes of the entities: rows of categories, or numbers, which are put into quantile bins.
    """
    if isinstance(column, Categories):
        rows = values.reshape(len(values), -1).astype(np.int64)
        there = rows > 1  # neither missing nor rare
        count = np.maximum(there.sum(1), 1)
        owner, place = np.nonzero(there)
        data = (1.0 / count[owner]).astype(np.float32)
        return sp.csr_array((data, (owner, rows[owner, place])), shape=(len(values), column.size))
    parts = [_binned(values[:, [d]].astype(np.float64).ravel()) for d in range(values.shape[1])]
    return sp.csr_array(sp.hstack(parts, format="csr") / len(parts))


def _binned(numbers: NDArray[np.float64]) -> sp.csr_array:
    known = np.isfinite(numbers)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, _BINS + 1)[1:-1])) if known.any() else np.zeros(0)
    bins = np.searchsorted(edges, numbers[known], side="right")
    ones = np.ones(int(known.sum()), np.float32)
    return sp.csr_array((ones, (np.flatnonzero(known), bins)), shape=(len(numbers), _BINS))


@dataclass(frozen=True)
class _Pairs:
    row: NDArray[np.int64]
    value: NDArray[np.int64]
    share: NDArray[np.float64]
    interaction: NDArray[np.int64]


def _entries(choices: sp.csr_array, shares: sp.csr_array, rows: NDArray[np.integer] | None = None) -> _Pairs:
    """Every (interaction, value): of the interaction's item, or, with ``rows``, of the row of each interaction."""
    if rows is None:
        entries = sp.coo_array(choices)
        owner, described = entries.row.astype(np.int64), entries.col.astype(np.int64)
    else:
        owner = described = rows.astype(np.int64)
    sizes = np.diff(shares.indptr)[described]
    interaction = np.repeat(np.arange(len(described)), sizes)
    start = shares.indptr[described].astype(np.int64)
    place = places(sizes) + start[interaction]
    return _Pairs(
        owner[interaction], shares.indices[place].astype(np.int64), shares.data[place].astype(np.float64), interaction
    )


def _best(
    others: NDArray[np.float64], totals: NDArray[np.float64], prior: NDArray[np.float64], pairs: _Pairs
) -> Evidence:
    found = [_mean(np.log((others / prior + k) / (totals + k)) * pairs.share, pairs) for k in _STRENGTHS]
    return max(found, key=lambda evidence: evidence.gain)


def _mean(gains: NDArray[np.float64], pairs: _Pairs) -> Evidence:
    """Over users, each user's mean over the interactions."""
    users, code = np.unique(pairs.row, return_inverse=True)
    total, weight = np.bincount(code, gains), np.bincount(code, pairs.share)
    means = total / np.maximum(weight, 1e-12)
    error = float(means.std(ddof=1) / np.sqrt(len(users))) if len(users) > 1 else float("inf")
    return Evidence(float(means.mean()), error)


def _at(matrix: sp.csr_array, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> NDArray[np.float64]:
    return np.asarray(matrix[rows, columns], np.float64).ravel()


def _choices(train: Interactions, n_users: int, n_items: int) -> sp.csr_array:
    """[U, I] of ones; of some users where all would be more than `_INTERACTIONS`."""
    matrix = train.to_csr(n_users, n_items)
    if matrix.nnz <= _INTERACTIONS:
        return matrix
    drawn = stream(0, "column evidence").random(n_users) < _INTERACTIONS / matrix.nnz
    result = sp.csr_array(sp.diags_array(drawn.astype(np.float32)) @ matrix)
    result.eliminate_zeros()
    return result
