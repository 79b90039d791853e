"""Likes that later rows take back: a return as much as was returned, a dislike or lower rating all of the pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactError
from recsys.files.stored_json import read_object

LOWER_RATING, WITHDRAWAL = 1e35, 1e36
"""Amounts above every weight: all earlier likes, before or after those of the same moment."""
_ROUNDING = 1e-6
"""What is left of a like counts as nothing below this share of its weight."""


@dataclass(frozen=True)
class FeedbackCounts:
    """What the rows that are no likes took back.

    Args:
        returns: rows of a weight below zero.
        returned: likes that they took back.
        lessened: likes that they took a part of.
        unmatched: returns that found no earlier like.
        withdrawals: dislikes, removals and lower ratings that took a like back.
        withdrawn: likes that these took back.
    """

    returns: int = 0
    returned: int = 0
    lessened: int = 0
    unmatched: int = 0
    withdrawals: int = 0
    withdrawn: int = 0

    def __add__(self, other: FeedbackCounts) -> FeedbackCounts:
        return FeedbackCounts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def __sub__(self, other: FeedbackCounts) -> FeedbackCounts:
        return FeedbackCounts(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in fields(self)})

    def to_dict(self) -> dict[str, int]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> FeedbackCounts:
        """The counts of a JSON file.

        Raises:
            ArtifactError: it does not hold whole numbers of these names.
        """
        value = read_object(path)
        if value.keys() != cls().to_dict().keys() or not all(type(count) is int for count in value.values()):
            raise ArtifactError(f"{path} does not hold counts of feedback; prepare the data again")
        return cls(**value)

    def sentences(self) -> Iterator[str]:
        """What was taken back, in words; nothing where there was nothing to take back.

        Example:
            >>> list(FeedbackCounts(returns=3, returned=1, lessened=1, unmatched=1).sentences())
            ['3 returns took back 1 purchase and a part of 1 more; 1 found no earlier purchase']
        """
        if self.returns:
            part = f" and a part of {self.lessened:,} more" if self.lessened else ""
            lone = f"; {self.unmatched:,} found no earlier purchase" if self.unmatched else ""
            yield f"{_counted(self.returns, 'return')} took back {_counted(self.returned, 'purchase')}{part}{lone}"
        if self.withdrawals:
            what = _counted(self.withdrawals, "dislike, removal or lower rating", "dislikes, removals or lower ratings")
            yield f"{what} took back {_counted(self.withdrawn, 'earlier like')}"


@dataclass(frozen=True, eq=False)
class TakenBack:
    """What is left of the likes of some rows.

    Args:
        left: float64 [n], what is left of the weight of each like; 0 for other rows.
        by: int64 [n], the row that took the last of a like; -1 where something is left, and for other rows.
        used: float64 [n], how much each row took.
        of_standing: float64 [n], how much of that it took of likes that something is left of.
    """

    left: NDArray[np.float64]
    by: NDArray[np.int64]
    used: NDArray[np.float64]
    of_standing: NDArray[np.float64]

    def counts(self, weight: NDArray[np.float64], returns: NDArray[np.bool_]) -> FeedbackCounts:
        """The counts.

        Args:
            weight: [n], what the likes weighed.
            returns: bool [n], which of the rows are returns.
        """
        gone = self.by >= 0
        by_return = returns[self.by[gone]]
        others = ~returns & (self.used > 0)
        lessened = (self.left > 0) & (self.left < weight)
        return FeedbackCounts(
            returns=int(returns.sum()),
            returned=int(by_return.sum()),
            lessened=int(lessened.sum()),
            unmatched=int((returns & (self.used == 0)).sum()),
            withdrawals=int(others.sum()),
            withdrawn=int((~by_return).sum()),
        )


def take_back(
    order: NDArray[np.integer],
    pair: NDArray[np.integer],
    likes: NDArray[np.bool_],
    weight: NDArray[np.float64],
    takes: NDArray[np.float64],
    least: float,
) -> TakenBack:
    """What is left of each like after the later rows of its pair of user and item.

    A row takes its amount from the latest earlier likes, the last one first. Of a like that more than the amount weighs
    the rest stands, if it is at least ``least``; else the like is gone.

    Args:
        order: [n], the rows, those of a pair together and in their order in time.
        pair: [n], a number for each pair, by row.
        likes: bool [n].
        weight: [n], positive for likes.
        takes: [n], the amount that a row takes back, or one of the constants of this module; 0 takes nothing.
        least: the least weight of a like.

    Example:
        >>> likes, zeros = np.array([True, True, False]), np.zeros(3, int)
        >>> take_back(np.arange(3), zeros, likes, np.array([3.0, 1, 0]), np.array([0.0, 0, 2]), least=1).left.tolist()
        [2.0, 0.0, 0.0]
    """
    left, used, by = np.where(likes, weight, 0.0), np.zeros(len(weight)), np.full(len(weight), -1)
    partly: list[tuple[int, int, float]] = []
    earlier: list[int] = []
    last = None
    for row in order[_both(pair, likes, takes)[order]].tolist():
        if pair[row] != last:
            last, earlier = pair[row], []
        if likes[row]:
            earlier.append(row)
            continue
        amount = float(takes[row])
        while amount > 0 and earlier:
            like = earlier[-1]
            taken = min(amount, left[like])
            rest = left[like] - taken
            used[row] += taken
            amount -= taken
            if rest < max(least * (1 - _ROUNDING), _ROUNDING * weight[like]):
                left[like], by[like] = 0.0, row
                earlier.pop()
            else:
                left[like] = rest
                partly.append((like, row, taken))
    of_standing = np.zeros(len(weight))
    for like, row, taken in partly:
        of_standing[row] += taken * (by[like] < 0)
    return TakenBack(left, by, used, of_standing)


def _both(pair: NDArray[np.integer], likes: NDArray[np.bool_], takes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Bool [n]: the rows of pairs with a like and with a row that takes back."""
    n = int(pair.max()) + 1 if len(pair) else 0
    has_like, has_taker = np.zeros((2, n), bool)
    has_like[pair[likes]], has_taker[pair[takes > 0]] = True, True
    found: NDArray[np.bool_] = (has_like & has_taker)[pair]
    return found


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"
