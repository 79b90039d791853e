"""The candidates of a block of users, from which the rules choose their lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import MISSING, Rows
from recsys.retrieval.top_up import Lists


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates of B users, three parts side by side.

    Args:
        rows: int64 [B, C], item rows; MISSING where a part is short. No item occurs twice for a user.
        scores: float32 [B, C]; -inf at MISSING.
        fallback: bool [B, C], whether the item is of the fallback.
        main: D, the number of columns of the ranking itself, best first.
        extra: Q, the number of columns after those that `at_least` alone may take; the rest are draws of exploration.
        drawn: int64 [B, E], the columns of the draws in their order, that of the ranking for an item that it has too;
            MISSING pads. None without exploration.
    """

    rows: Rows
    scores: NDArray[np.float32]
    fallback: NDArray[np.bool_]
    main: int
    extra: int = 0
    drawn: Rows | None = None

    @classmethod
    def of(cls, lists: Lists, extras: Lists | None = None, draws: Rows | None = None, k: int = 0) -> Pool:
        """From the ranking, and optionally the items of `at_least` and of exploration, without repeated items.

        Draws that are among the first ``k`` of the ranking are the last to be taken.
        """
        if extras is None and draws is None:
            return cls(*lists[:3], lists.rows.shape[1])
        parts = [lists] + ([] if extras is None else [_ordered(extras)])
        if draws is not None:
            parts.append(Lists(draws, np.zeros(draws.shape, np.float32), np.zeros(draws.shape, bool)))
        rows = np.concatenate([part.rows for part in parts], axis=1)
        scores = np.concatenate([part.scores for part in parts], axis=1)
        first = first_columns(rows)
        drawn = (
            None
            if draws is None
            else _first_k_last(np.where(draws == MISSING, MISSING, first[:, -draws.shape[1] :]), k)
        )
        rows[first < np.arange(rows.shape[1])] = MISSING
        scores[rows == MISSING] = -np.inf
        fallback = np.concatenate([part.fallback for part in parts], axis=1)
        return cls(rows, scores, fallback, lists.rows.shape[1], 0 if extras is None else extras.rows.shape[1], drawn)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, users: slice) -> Pool:
        drawn = None if self.drawn is None else self.drawn[users]
        return Pool(self.rows[users], self.scores[users], self.fallback[users], self.main, self.extra, drawn)

    def relevance(self, k: int) -> NDArray[np.float32]:
        r"""float32 [B, D]: :math:`(s - s_k) / (s_1 - s_k)`: 1 at the best score and 0 at the k-th, below 0 after it."""
        scores, filled = self.scores[:, : self.main], self.rows[:, : self.main] != MISSING
        last = np.maximum(np.minimum(filled.sum(1), k) - 1, 0)
        low = scores[np.arange(len(self)), last][:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            width = scores[:, :1] - low
            found = np.where(width > 0, (scores - low) / width, 0).astype(np.float32)
        found[~filled] = -np.inf
        return found


class Constraint(Protocol):
    """A rule that closes candidates as places are filled."""

    @property
    def name(self) -> str:
        """Of the rule, in `recsys.retrieval.rules.registry.RULES`."""
        ...

    def start(self, pool: Pool, k: int) -> Filling:
        """The state of the rule for the users of ``pool``, whose lists are empty."""
        ...


class Filling(Protocol):
    """The state of a constraint while lists are filled."""

    def closed_by(self, users: Rows, picked: Rows) -> tuple[Rows, Rows]:
        """The candidates that may no longer be taken after ``users`` took the columns ``picked``: users and columns."""
        ...


class Term(Protocol):
    """A rule that changes the value of candidates as places are filled."""

    @property
    def name(self) -> str:
        """Of the rule, in `recsys.retrieval.rules.registry.RULES`."""
        ...

    @property
    def weight(self) -> float:
        """Of the values; relevance has what those of all terms leave of 1."""
        ...

    def start(self, pool: Pool, k: int) -> Valuing:
        """The state of the rule for the users of ``pool``, whose lists are empty."""
        ...


class Valuing(Protocol):
    """The state of a term while lists are filled."""

    def values(self) -> NDArray[np.float32]:
        """float32 [B, D]: what each candidate of the ranking is worth as the next item, weighted."""
        ...

    def took(self, picked: Rows) -> None:
        """Tells which column each of the B users took; MISSING for those who took none of the ranking's."""
        ...


def _ordered(lists: Lists) -> Lists:
    """The lists in the order of their scores, items of the fallback last."""
    order = np.lexsort((lists.rows, -lists.scores, lists.fallback), axis=1)
    rows, scores = np.take_along_axis(lists.rows, order, axis=1), np.take_along_axis(lists.scores, order, axis=1)
    return Lists(rows, scores, np.take_along_axis(lists.fallback, order, axis=1))


def _first_k_last(columns: Rows, k: int) -> Rows:
    """The columns [B, E] with those of the first ``k`` of the ranking after the others."""
    order = np.argsort((columns != MISSING) & (columns < k), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def first_columns(rows: Rows) -> Rows:
    """int64 [B, C]: the leftmost column with the same item; MISSING has its own.

    Example:
        >>> first_columns(np.array([[7, 3, 7, -1, -1, 3]])).tolist()
        [[0, 1, 0, 3, 4, 1]]
    """
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    new = np.ones(rows.shape, bool)
    new[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]) | (ordered[:, 1:] == MISSING)
    start = np.maximum.accumulate(np.where(new, np.arange(rows.shape[1]), 0), axis=1)
    found = np.empty(rows.shape, np.int64)
    np.put_along_axis(found, order, np.take_along_axis(order, start, axis=1), axis=1)
    return found
