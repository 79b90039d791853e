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
        return _Divergence.of(codes, self.shares)

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
        places: int64 [B, D, T], where the gain of each candidate's values stands in a table [B, N + 1, V] by the number
            of values that the item has; candidates without a value stand at a place of no gain.
        codes: int32 [B, D, T].
        shares: float32 [B, V].
        parts: float32 [N], what one of the values of an item counts: 1, 1/2, ... 1/N.
        counts: float32 [B, V].
        size: items with a value so far, float32 [B].
        without: bool [B, D], the candidates without a value; None where there is none.
        entropy: float32 [B], the sum of p log p of the shares.
    """

    places: NDArray[np.int64]
    codes: NDArray[np.int32]
    shares: NDArray[np.float32]
    parts: NDArray[np.float32]
    counts: NDArray[np.float32]
    size: NDArray[np.float32]
    without: NDArray[np.bool_] | None
    entropy: NDArray[np.float32]

    @classmethod
    def of(cls, codes: NDArray[np.int32], shares: NDArray[np.float32]) -> _Divergence:
        n_users, size, most = len(codes), shares.shape[1], codes.shape[2]
        number = np.maximum((codes != MISSING).sum(2, keepdims=True) - 1, 0)
        user = np.arange(n_users)[:, None, None]
        places = (user * most + number) * (size + 1) + np.where(codes == MISSING, size, codes)
        parts = (1 / np.arange(1, most + 1)).astype(np.float32)
        none = codes[:, :, 0] == MISSING
        entropy = (shares * np.log(shares + _LEAST)).sum(1)
        counts, filled = np.zeros_like(shares), np.zeros(n_users, np.float32)
        return cls(places, codes, shares, parts, counts, filled, none if none.any() else None, entropy)

    def values(self) -> NDArray[np.float32]:
        """Minus the divergence of the list with the candidate; an item without a value leaves it as it is."""
        after = (self.size + 1)[:, None]
        smooth = _ALPHA * self.shares
        without = np.log((1 - _ALPHA) * self.counts / after + smooth + _LEAST)
        # of each value: what the divergence falls by if an item adds 1, 1/2, ... to the count
        more = (1 - _ALPHA) * (self.counts[:, None] + self.parts[None, :, None]) / after[:, None] + smooth[:, None]
        gains = self.shares[:, None] * (np.log(more + _LEAST) - without[:, None])
        table = np.concatenate([gains, np.zeros((*gains.shape[:2], 1), np.float32)], axis=2).astype(np.float32).ravel()
        single = self.places.shape[2] == 1
        value = table.take(self.places[:, :, 0]) if single else table.take(self.places).sum(2)
        value += ((self.shares * without).sum(1) - self.entropy)[:, None]
        if self.without is not None:
            before = np.log((1 - _ALPHA) * self.counts / np.maximum(self.size, 1)[:, None] + smooth + _LEAST)
            np.copyto(value, ((self.shares * before).sum(1) - self.entropy)[:, None], where=self.without)
        found: NDArray[np.float32] = value
        return found

    def took(self, picked: Rows) -> None:
        users = np.flatnonzero(picked != MISSING)
        codes = self.codes[users, picked[users]]
        known = codes != MISSING
        user, tag = np.nonzero(known)
        part = self.parts[np.maximum(known.sum(1) - 1, 0)][user]
        self.counts[users[user], codes[user, tag]] += part
        self.size[users] += known[:, 0]
