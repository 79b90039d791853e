r"""Calibration (Steck, 2018): a list has the values of a column in the shares that the user's history has them.

With p the shares in the history and q those in the list, each place takes the candidate of the highest

.. math:: (1 - w) \, r_i - w \, \mathrm{KL}(p \,\|\, \tilde q(L \cup i)), \qquad \tilde q = (1 - a) q + a p,

where a = 0.01 keeps the divergence finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.retrieval.rules.items.column_values import ColumnValues
from recsys.retrieval.rules.ranking.pool import Pool

_ALPHA = 0.01
_LEAST = 1e-12


class Calibration(Config):
    """How closely a list follows the user's history in the values of a column.

    Args:
        column: of the items, such as genres; an item of several tags counts in part for each.
        weight: of the divergence against relevance, from 0 (none) to 1.
        pool: candidates from which a list is chosen; None is half as many again as the list has places.
    """

    column: str
    weight: float = Field(default=0.5, ge=0, le=1)
    pool: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, eq=False)
class CalibrationRule:
    """Values candidates by how they bring the list nearer to the shares of the history.

    Args:
        weight: of the term.
        values: of the column.
        shares: float32 [B, V], p of the users of the pool; zero for users without a history.
    """

    name: ClassVar[str] = "calibration"
    weight: float
    values: ColumnValues
    shares: NDArray[np.float32]

    def start(self, pool: Pool, k: int) -> _Divergence:
        """See `recsys.retrieval.rules.ranking.pool.Term`."""
        codes = self.values.take(pool.rows[:, : pool.main])
        return _Divergence.of(codes, self.shares, self.weight)

    def take(self, users: Rows | slice) -> CalibrationRule:
        """The rule for the users at rows ``users``."""
        return CalibrationRule(self.weight, self.values, self.shares[users])


def history_shares(histories: Histories, values: ColumnValues) -> NDArray[np.float32]:
    """float32 [U, V]: the share of each value among the items of each history, zero without any."""
    items = np.where(histories.items < 0, len(values.codes), histories.items)
    codes = np.vstack([values.codes, np.full((1, values.codes.shape[1]), MISSING, np.int32)])[items]
    known = codes != MISSING
    part = known / np.maximum(known.sum(1, keepdims=True), 1)
    owner = np.broadcast_to(histories.users()[:, None], codes.shape)[known]
    size = len(values.names)
    flat = np.bincount(owner * size + codes[known], part[known], minlength=len(histories) * size)
    shares = flat.reshape(len(histories), size)
    found: NDArray[np.float32] = (shares / np.maximum(shares.sum(1, keepdims=True), _LEAST)).astype(np.float32)
    return found


@dataclass(eq=False)
class _Divergence:
    """The lists so far by value. Users are the last axis, as what is computed by value is the same for all.

    Args:
        codes: int32 [B, D, T], padded with MISSING.
        shares: float32 [V, B].
        counts: float32 [V, B], what the items of each list count for a value.
        size: float32 [B], the items of the list that have a value.
        weight: of the divergence.
    """

    codes: NDArray[np.int32]
    shares: NDArray[np.float32]
    counts: NDArray[np.float32]
    size: NDArray[np.float32]
    weight: float

    @classmethod
    def of(cls, codes: NDArray[np.int32], shares: NDArray[np.float32], weight: float) -> _Divergence:
        """Of users with ``shares`` [B, V], whose lists are empty."""
        by_value = np.ascontiguousarray(shares.T)
        return cls(codes, by_value, np.zeros_like(by_value), np.zeros(len(shares), np.float32), weight)

    def __post_init__(self) -> None:
        (n_users, depth, tags), n_values = self.codes.shape, len(self.shares)
        self._users, self._number = np.arange(n_users), (self.codes != MISSING).sum(2)
        parts = (1 / np.arange(1, tags + 1)).astype(np.float32)  # what each value of an item of N values counts
        self._parts = parts[:, None, None]
        self._smooth = np.float32(_ALPHA) * self.shares + np.float32(_LEAST)
        self._weighted = np.float32(self.weight) * self.shares
        # by N the gain of each value; then nought, of the padding, and what an item without a value is better by
        self._gains = np.zeros((tags, n_values + 2, n_users), np.float32)
        code = np.where(self.codes == MISSING, n_values, self.codes).transpose(2, 0, 1)
        code[0][self._number == 0] += 1
        row = np.maximum(self._number - 1, 0) * (n_values + 2)
        self._places = (row + code) * n_users + self._users[:, None]  # [T, B, D]
        self._bare = bool((self._number == 0).any())
        self._value, self._more = np.empty((2, n_users, depth), np.float32)

    def values(self) -> NDArray[np.float32]:
        """By how much a candidate lessens the divergence, beside one of values that the history has not, weighted.

        An item without a value leaves the divergence as it is.
        """
        scale = np.float32(1 - _ALPHA) / (self.size + 1)
        now = self.counts * scale
        now += self._smooth
        logs, gains = np.log(now), self._gains[:, :-2]
        np.add(now, self._parts * scale, out=gains)
        np.log(gains, out=gains)
        gains -= logs
        gains *= self._weighted
        if self._bare:
            before = np.log(self.counts * (np.float32(1 - _ALPHA) / np.maximum(self.size, 1)) + self._smooth)
            self._gains[0, -1] = (self._weighted * (before - logs)).sum(0)
        flat = self._gains.reshape(-1)
        flat.take(self._places[0], out=self._value, mode="clip")
        for places in self._places[1:]:
            self._value += flat.take(places, out=self._more, mode="clip")
        return self._value

    def took(self, picked: Rows) -> None:
        none, users = picked == MISSING, self._users
        if np.count_nonzero(none):
            users = np.flatnonzero(~none)
            picked = picked[users]
        number = self._number[users, picked]
        self.size[users] += number > 0
        if self.codes.shape[2] == 1:
            self.counts[self.codes[users, picked, 0], users] += number  # nought without a value
            return
        part = self._parts.ravel()[number - 1]
        for tag in range(self.codes.shape[2]):
            has = number > tag
            self.counts[self.codes[users[has], picked[has], tag], users[has]] += part[has]
