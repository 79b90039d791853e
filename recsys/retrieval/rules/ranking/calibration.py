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
    """The list so far by value.

    Args:
        codes: int32 [B, D, T], padded with MISSING.
        shares: float32 [B, V].
        counts: float32 [B, V], what the items of the list count for each value.
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
        return cls(codes, shares, np.zeros_like(shares), np.zeros(len(shares), np.float32), weight)

    def __post_init__(self) -> None:
        (n_users, depth, tags), n_values = self.codes.shape, self.shares.shape[1]
        self._users = np.arange(n_users)
        self._number = (self.codes != MISSING).sum(2)
        self._parts = (1 / np.arange(1, tags + 1)).astype(np.float32)  # what each value of an item of N values counts
        self._smooth = np.float32(_ALPHA) * self.shares + np.float32(_LEAST)
        self._entropy = (self.shares * np.log(self.shares + np.float32(_LEAST))).sum(1)
        # gains of each value by N; then nought, of the padding, and what an item without a value is better by
        self._gains = np.zeros((n_users, tags, n_values + 2), np.float32)
        place = np.where(self.codes == MISSING, n_values, self.codes).transpose(2, 0, 1)
        place[0][self._number == 0] += 1
        row = self._users[:, None] * tags + np.maximum(self._number - 1, 0)
        self._places = row * (n_values + 2) + place  # [T, B, D]
        self._bare = np.flatnonzero((self._number == 0).any(1))
        self._value, self._more = np.empty((2, n_users, depth), np.float32)

    def values(self) -> NDArray[np.float32]:
        """Minus the divergence of the list with the candidate; an item without a value leaves it as it is."""
        scale = np.float32(1 - _ALPHA) / (self.size + 1)[:, None]
        now = self.counts * scale
        now += self._smooth
        logs = np.log(now)
        gains = self._gains[:, :, :-2]
        np.add(now[:, None], self._parts[:, None] * scale[:, None], out=gains)
        np.log(gains, out=gains)
        gains -= logs[:, None]
        gains *= self.shares[:, None]
        fit = np.einsum("bv,bv->b", self.shares, logs)
        if len(self._bare):
            self._gains[self._bare, 0, -1] = self._fit_of_bare() - fit[self._bare]
        fit -= self._entropy
        flat, weight = self._gains.reshape(-1), np.float32(self.weight)
        if len(self._places) == 1:  # each candidate takes one gain, and there are fewer gains than candidates
            self._gains += fit[:, None, None]
            self._gains *= weight
            return flat.take(self._places[0], out=self._value, mode="clip")
        flat.take(self._places[0], out=self._value, mode="clip")
        for places in self._places[1:]:
            self._value += flat.take(places, out=self._more, mode="clip")
        self._value += fit[:, None]
        self._value *= weight
        return self._value

    def _fit_of_bare(self) -> NDArray[np.float32]:
        """The sum of p log q of the lists as they are, of users who have candidates without a value."""
        users = self._bare
        scale = np.float32(1 - _ALPHA) / np.maximum(self.size[users], 1)[:, None]
        found: NDArray[np.float32] = (
            self.shares[users] * np.log(self.counts[users] * scale + self._smooth[users])
        ).sum(1)
        return found

    def took(self, picked: Rows) -> None:
        none, users = picked == MISSING, self._users
        if np.count_nonzero(none):
            users = np.flatnonzero(~none)
            picked = picked[users]
        if self.codes.shape[2] == 1:
            code = self.codes[users, picked, 0]
            known = code != MISSING
            self.counts[users, code] += known
            self.size[users] += known
            return
        number = self._number[users, picked]
        part = self._parts[number - 1]
        for tag in range(self.codes.shape[2]):
            has = number > tag
            self.counts[users[has], self.codes[users[has], picked[has], tag]] += part[has]
        self.size[users] += number > 0
