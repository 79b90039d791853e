r"""Segments of users: the values of their columns, and how much each column tells about what its users choose.

A user of whom nothing but columns is known chooses item i with the probability of a deleted interpolation (Jelinek and
Mercer, 1980):

.. math:: p(i \mid u) = \lambda_0 q_i + \sum_c \lambda_c \frac{H_{c,v,i} + k_c q_i}{N_{c,v} + k_c},

where :math:`q_i` is the share of item i among all choices, v the user's value in column c, :math:`H_{c,v,i}` how many
of the users with that value chose the item, :math:`N_{c,v}` the number of their choices and :math:`k_c` pseudo-counts
that draw a small segment towards overall popularity. Columns, :math:`k` and :math:`\lambda` are those that give users
the highest likelihood when a user's own choices are left out of the counts. A column enters only if its gain in
log-likelihood over :math:`q` is above nought by three standard errors over users; a column of noise, or of values that
no two users share, has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.data.features.categories import RARE, Categories
from recsys.data.ingest.cells import numbers
from recsys.data.ingest.checks import Cells
from recsys.data.schema import Column, Kind
from recsys.data.vocabulary import places
from recsys.seeding import stream

KINDS = (Kind.CATEGORICAL, Kind.TAGS, Kind.NUMERIC)
"""The kinds of columns whose values are segments."""
_LEAST_USERS = 5
"""A value of fewer users is rare; rare and unknown values are one segment."""
_BINS = 10
_MOST_TAGS = 50
_STRENGTHS = (3.0, 30.0, 300.0, 3e3, 3e4)
_LEAST_SIGMAS = 3.0
_LEAST_WEIGHT = 0.02
"""A column of a smaller weight is left out."""
_STEPS = 50
_CHOICES = 300_000
"""At most about so many choices, of random users, are looked at for the weights; all are counted."""


@dataclass(frozen=True)
class SegmentColumn:
    """A column of users whose values are segments: categories, tags or quantile bins of numbers.

    Args:
        name: of the column.
        kind: one of `KINDS`.
        separator: between tags.
        values: the values with a segment of their own, which follow the segment of rare values.
        edges: between the bins of a numeric column.
    """

    name: str
    kind: str
    separator: str = "|"
    values: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @classmethod
    def fit(cls, name: str, column: Column, cells: Cells) -> SegmentColumn:
        """The segments of the users whose ``cells`` are given."""
        if column.kind is Kind.NUMERIC:
            known = _numbers(cells)
            known = known[np.isfinite(known)]
            inner = np.linspace(0, 1, _BINS + 1)[1:-1]
            edges = np.unique(np.quantile(known, inner)) if len(known) else np.zeros(0)
            return cls(name, str(column.kind), edges=tuple(edges.tolist()))
        found = Categories.fit(name, str(column.kind), cells, column.separator, _LEAST_USERS, _MOST_TAGS)
        return cls(name, str(column.kind), column.separator, found.values)

    @property
    def size(self) -> int:
        """V, the number of segments."""
        return len(self.edges if self.kind == Kind.NUMERIC else self.values) + 1

    def shares(self, cells: Cells) -> sp.csr_array:
        """float64 [n, V]: the segments of each user as shares that sum to one; none where the cell is missing."""
        if self.kind == Kind.NUMERIC:
            values = _numbers(cells)
            owner = np.flatnonzero(np.isfinite(values))
            segment = np.searchsorted(self.edges, values[owner], side="right")
            return _csr(np.ones(len(owner)), owner, segment, (len(cells), self.size))
        categories = Categories(self.name, self.kind, self.values, self.separator, _MOST_TAGS)
        rows = categories.transform(cells).reshape(len(cells), -1).astype(np.int64)
        owner, place = np.nonzero(rows >= RARE)
        count = np.bincount(owner, minlength=len(cells))
        return _csr(1.0 / count[owner], owner, rows[owner, place] - RARE, (len(cells), self.size))

    def shares_of(self, users: EntityTable) -> sp.csr_array:
        """`shares` of ``users``; none of anybody where they lack the column."""
        if self.name not in users.columns:
            return sp.csr_array((len(users), self.size))
        return self.shares(users.columns[self.name])


@dataclass(frozen=True)
class Segmentation:
    """The columns that tell something about what users choose, with the parameters of the interpolation.

    Args:
        columns: those of a weight above nought.
        strengths: k, the pseudo-counts of each column.
        weights: lambda of each column; the rest to one is that of overall popularity.
    """

    columns: tuple[SegmentColumn, ...] = ()
    strengths: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()

    @classmethod
    def fit(cls, users: EntityTable, choices: sp.csr_array) -> Segmentation:
        """Chooses columns, strengths and weights.

        Args:
            users: [U].
            choices: float [U, I], 1 where the user chose the item.
        """
        active = np.flatnonzero(np.diff(choices.indptr))
        if not len(active):
            return cls()
        sample, found = _Sample.of(choices), []
        for name, column in users.schema.columns.items():
            if column.kind in KINDS:
                segments = SegmentColumn.fit(name, column, users.columns[name].iloc[active].reset_index(drop=True))
                strength, ratios = _best_strength(segments.shares(users.columns[name]), choices, sample)
                if strength is not None:
                    found.append((segments, strength, ratios))
        weights = _interpolated([ratios for _, _, ratios in found], sample.weight)
        kept = [n for n, weight in enumerate(weights) if weight >= _LEAST_WEIGHT]
        columns, strengths = tuple(found[n][0] for n in kept), tuple(found[n][1] for n in kept)
        return cls(columns, strengths, tuple(float(weights[n]) for n in kept))


@dataclass(frozen=True, eq=False)
class _Sample:
    """The choices [P] by which columns are judged; each user has the same weight in sum.

    Args:
        user: int64 [P].
        item: int64 [P].
        popularity: float64 [P], the share of the item among all choices.
        weight: float64 [P].
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    popularity: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, choices: sp.csr_array) -> _Sample:
        entries, n_users = sp.coo_array(choices), choices.shape[0]
        drawn = stream(0, "fallback").random(n_users) < _CHOICES / max(choices.nnz, 1)
        taken = drawn[entries.row] if choices.nnz > _CHOICES else np.ones(choices.nnz, bool)
        user, item = entries.row[taken].astype(np.int64), entries.col[taken].astype(np.int64)
        popularity = np.asarray(choices.sum(0), np.float64).ravel() / choices.nnz
        weight = 1.0 / np.diff(choices.indptr)[user]
        return cls(user, item, popularity[item], weight / weight.sum())

    def gain(self, ratios: NDArray[np.float64]) -> tuple[float, float]:
        """The mean over users of the log of ``ratios`` [P], and its standard error."""
        users, code = np.unique(self.user, return_inverse=True)
        means = np.bincount(code, np.log(ratios) * self.weight) / np.bincount(code, self.weight)
        error = float(means.std(ddof=1) / np.sqrt(len(users))) if len(users) > 1 else float("inf")
        return float(means.mean()), error


def _best_strength(
    shares: sp.csr_array, choices: sp.csr_array, sample: _Sample
) -> tuple[float | None, NDArray[np.float64]]:
    """The strength with the highest gain, None if it is not significant, and its ratios p/q [P]."""
    counts = sp.csr_array(shares.T @ choices)  # [V, I]
    sizes, activity = np.asarray(counts.sum(1)).ravel(), np.diff(choices.indptr)
    place, value, share = _spread(shares, sample.user)
    user, item, popularity = sample.user[place], sample.item[place], sample.popularity[place]
    others = np.maximum(np.asarray(counts[value, item], np.float64).ravel() - share, 0.0)
    totals = np.maximum(sizes[value] - share * activity[user], 0.0)
    unknown = 1.0 - np.bincount(place, share, len(sample.user))
    best: tuple[float, float | None, NDArray[np.float64]] = (0.0, None, np.ones(len(sample.user)))
    for strength in _STRENGTHS:
        terms = share * (others / popularity + strength) / (totals + strength)
        ratios = np.maximum(unknown, 0.0) + np.bincount(place, terms, len(sample.user))
        gain, error = sample.gain(ratios)
        if gain > max(best[0], _LEAST_SIGMAS * error):
            best = (gain, strength, ratios)
    return best[1], best[2]


def _spread(shares: sp.csr_array, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Every (position, segment, share) of ``users`` [P]."""
    lengths = np.diff(shares.indptr)[users].astype(np.int64)
    place = np.repeat(np.arange(len(users)), lengths)
    entry = shares.indptr[users].astype(np.int64)[place] + places(lengths)
    return place, shares.indices[entry].astype(np.int64), shares.data[entry]


def _interpolated(ratios: Sequence[NDArray[np.float64]], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 [C]: the weights of the columns with the highest likelihood, found by expectation maximization."""
    table = np.column_stack([np.ones(len(weight)), *ratios])
    mixture = np.full(table.shape[1], 1 / table.shape[1])
    for _ in range(_STEPS if ratios else 0):
        likelihood = table @ mixture
        mixture = mixture * ((weight / likelihood) @ table)
    return mixture[1:]


def _csr(
    data: NDArray[np.float64], owner: NDArray[np.integer], segment: NDArray[np.integer], shape: tuple[int, int]
) -> sp.csr_array:
    return sp.csr_array((data, (owner, segment)), shape=shape)


def _numbers(cells: Cells) -> NDArray[np.float64]:
    return numbers(cells).to_numpy(np.float64)
