"""Quotas: at least n items that meet a condition in a list, where the user may get so many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.vocabulary import Rows
from recsys.retrieval.rules.conditions import ItemCondition
from recsys.retrieval.rules.ranking.pool import Pool


class AtLeast(Config):
    """At least so many items that meet a condition, where possible.

    Args:
        where: the condition, such as ``"Drama" in genres``.
        least: in one list.
    """

    where: ItemCondition
    least: int = Field(ge=1)


@dataclass(frozen=True, eq=False)
class AtLeastRule:
    """The last places of a list are kept for what a quota still lacks.

    Args:
        matches: bool [Q, I], the items that meet the condition of each quota.
        least: int64 [Q].
    """

    matches: NDArray[np.bool_]
    least: NDArray[np.int64]

    def start(self, pool: Pool) -> Deficits:
        """The state of the quotas for the users of ``pool``, whose lists are empty."""
        padded = np.pad(self.matches, ((0, 0), (0, 1)))
        return Deficits(padded[:, pool.rows], np.tile(self.least, (len(pool), 1)))


@dataclass(eq=False)
class Deficits:
    """What the lists still lack.

    Args:
        matches: bool [Q, B, C], the candidates that meet the condition of each quota.
        lacking: int64 [B, Q], items that each list lacks.
    """

    matches: NDArray[np.bool_]
    lacking: NDArray[np.int64]

    def __post_init__(self) -> None:
        self._total = self.lacking.sum(1)

    def due(self, left: int | NDArray[np.integer]) -> Rows:
        """The users whose remaining ``left`` places, of all or of each, are all needed for what lists lack."""
        return np.flatnonzero((self._total >= left) & (self._total > 0))

    def needed(self, users: Rows) -> NDArray[np.bool_]:
        """Bool [n, C]: the candidates of ``users`` that lessen what their lists lack."""
        lacking = (self.lacking[users] > 0).T[:, :, None]
        found: NDArray[np.bool_] = np.logical_or.reduce(self.matches[:, users] & lacking, axis=0)
        return found

    def took(self, users: Rows, picked: Rows) -> None:
        """Counts the items at the columns ``picked`` of ``users``."""
        met = self.matches[:, users, picked].any(0)
        users, picked = users[met], picked[met]
        if len(users):
            self.lacking[users] -= self.matches[:, users, picked].T & (self.lacking[users] > 0)
            self._total = self.lacking.sum(1)
