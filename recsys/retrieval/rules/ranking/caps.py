"""Caps: at most n items of one value of a column in a list, such as three of a brand; and one item of a group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.vocabulary import MISSING, Rows
from recsys.retrieval.rules.items.column_values import ColumnValues
from recsys.retrieval.rules.ranking.pool import Pool


class Cap(Config):
    """At most so many items of each value of a column.

    Args:
        column: of the items; of tags each tag counts. Items without a value are not counted.
        most: in one list.
    """

    column: str
    most: int = Field(ge=1)


@dataclass(frozen=True, eq=False)
class CapRule:
    """A cap on a column: once a list has ``most`` items of a value, the other items of the value are closed.

    Example:
        >>> import numpy as np
        >>> from recsys.retrieval.top_up import Lists
        >>> brand = ColumnValues(np.array([[0], [0], [1]], np.int32), ("Acme", "Bolt"))
        >>> rows = np.array([[0, 1, 2]])
        >>> pool = Pool.of(Lists(rows, np.float32([[3, 2, 1]]), np.zeros((1, 3), bool)))
        >>> CapRule("caps", brand, most=1).start(pool, 2).closed_by(np.array([0]), np.array([0]))[1].tolist()
        [0, 1]
    """

    name: str
    values: ColumnValues
    most: int

    def start(self, pool: Pool, k: int) -> _Counts:
        """See `recsys.retrieval.rules.ranking.pool.Constraint`."""
        codes = self.values.take(pool.rows)
        return _Counts(codes, crowded(codes, self.most), self.most, np.full((len(pool), k, codes.shape[2]), MISSING))


def crowded(codes: NDArray[np.int32], most: int) -> NDArray[np.bool_]:
    """Bool [B, C]: the candidates with a value that more than ``most`` candidates of the user have.

    Args:
        codes: int32 [B, C, T], padded with MISSING.
        most: of a list.

    Example:
        >>> crowded(np.array([[[0], [1], [0], [-1]]], np.int32), most=1).tolist()
        [[True, False, True, False]]
    """
    ordered = np.sort(codes.reshape(len(codes), -1), axis=1)
    last = ordered[:, most:]
    many = (last == ordered[:, : last.shape[1]]) & (last != MISSING)
    many[:, :-1] &= last[:, :-1] != last[:, 1:]  # each value once
    user, place = np.nonzero(many)
    found = np.zeros(codes.shape[:2], bool)
    if len(user):
        has = (codes[user] == last[user, place][:, None, None]).any(2)
        first = np.flatnonzero(np.diff(user, prepend=-1))
        found[user[first]] = np.logical_or.reduceat(has, first, axis=0)
    return found


@dataclass(eq=False)
class _Counts:
    """The values that were taken, of each user.

    Args:
        codes: int32 [B, C, T].
        crowded: bool [B, C], see `crowded`; what the others have cannot be too much.
        most: items of a value.
        taken: int [B, k, T], the values of the crowded items that were taken.
        steps: places that were filled.
    """

    codes: NDArray[np.int32]
    crowded: NDArray[np.bool_]
    most: int
    taken: Rows
    steps: int = 0

    def closed_by(self, users: Rows, picked: Rows) -> tuple[Rows, Rows]:
        counted = self.crowded[users, picked]
        if not np.count_nonzero(counted):
            self.steps += 1
            return users[:0], picked[:0]
        users, picked = users[counted], picked[counted]
        values = self.codes[users, picked]
        self.taken[users, self.steps] = values
        self.steps += 1
        found = [self._closed(users, values[:, tag]) for tag in range(values.shape[1])]
        return np.concatenate([rows for rows, _ in found]), np.concatenate([columns for _, columns in found])

    def _closed(self, users: Rows, value: NDArray[np.int32]) -> tuple[Rows, Rows]:
        """The candidates of ``value`` [n], where a user has the most items of it."""
        full = value != MISSING
        if self.most > self.steps:
            full[:] = False
        elif self.most > 1:
            before = self.taken[users, : self.steps]
            full &= (before == value[:, None, None]).any(2).sum(1) == self.most
        rows = users[full]
        same = self.codes[rows] == value[full][:, None, None]
        row, column = np.nonzero(same[:, :, 0] if same.shape[2] == 1 else same.any(2))
        return rows[row], column
