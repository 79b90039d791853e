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
    """

    rows: Rows
    scores: NDArray[np.float32]
    fallback: NDArray[np.bool_]
    main: int
    extra: int = 0

    @classmethod
    def of(cls, lists: Lists, extras: Lists | None = None, draws: Rows | None = None) -> Pool:
        """From the ranking, and optionally the items of `at_least` and of exploration, without repeated items."""
        if extras is None and draws is None:
            return cls(*lists[:3], lists.rows.shape[1])
        parts = [lists] + ([] if extras is None else [_ordered(extras)])
        if draws is not None:
            parts.append(Lists(draws, np.zeros(draws.shape, np.float32), np.zeros(draws.shape, bool)))
        rows = np.concatenate([part.rows for part in parts], axis=1)
        scores = np.concatenate([part.scores for part in parts], axis=1)
        rows[repeated(rows)] = MISSING
        scores[rows == MISSING] = -np.inf
        fallback = np.concatenate([part.fallback for part in parts], axis=1)
        return cls(rows, scores, fallback, lists.rows.shape[1], 0 if extras is None else extras.rows.shape[1])

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, users: slice) -> Pool:
        return Pool(self.rows[users], self.scores[users], self.fallback[users], self.main, self.extra)

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


def repeated(rows: Rows) -> NDArray[np.bool_]:
    """Bool [B, C]: whether the same item stands further left in the row; MISSING is never repeated."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    same = np.zeros(rows.shape, bool)
    same[:, 1:] = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != MISSING)
    found = np.zeros(rows.shape, bool)
    np.put_along_axis(found, order, same, axis=1)
    return found
