"""An index that is built once, searched as widely as the recall of exact lists asks for, and kept beside the bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recsys.data.vocabulary import Ids, Rows
from recsys.engine import Vectors
from recsys.ranking import Ranker
from recsys.retrieval.approximate.candidates import Searched
from recsys.retrieval.approximate.kinds import FaissIndex, Kind

TARGET = 0.99
"""Recall of the exact lists that breadth is chosen for."""
LENGTH = 100
"""Length of the lists whose recall is measured."""
_QUERIES = 512
_HALVINGS = 3
_LACKING = 0.02


@dataclass(frozen=True)
class IndexSetting:
    """What an index is built with beside the item vectors.

    Args:
        queries: returns vectors of users; breadth is chosen on every other one, and recall is measured on the rest.
            None asks for what is near to items, where vectors are dense only.
        folder: where the index is kept; None keeps it in memory alone.
        ids: of all items, which are kept with it.
        target: recall of the exact lists.
    """

    queries: Callable[[], Vectors] | None = None
    folder: Path | None = None
    ids: Ids | None = None
    target: float = TARGET


@dataclass(frozen=True, eq=False)
class Built:
    """An index of Faiss over all items that have a vector.

    Args:
        index: of Faiss.
        rows: int64, the item row of each of its ids.
        breadth: how widely it is searched for lists of 100 among all items.
        recall: share of the exact lists that it finds, for users whom the breadth was not chosen on; None where nobody
            could be asked.
        target: the recall that was wanted.
    """

    index: FaissIndex
    rows: Rows
    breadth: int
    recall: float | None = None
    target: float = TARGET

    @property
    def missed(self) -> bool:
        """Whether the index finds clearly less than was wanted, however widely it is searched."""
        return self.recall is not None and self.recall < self.target - _LACKING

    def told(self, kind: Kind) -> str:
        """A line for people."""
        found = "not measured" if self.recall is None else f"{self.recall:.4f} of the exact top {LENGTH}"
        return f"index: {kind.name} of {len(self.rows):,} items, {kind.unit} {self.breadth}, finds {found}"


def build(kind: Kind, items: Vectors, setting: IndexSetting) -> Built:
    """The index over all valid ``items``, with the least breadth that reaches the recall.

    Breadth doubles until the recall of the lists of one half of the queries is reached, by more than its standard
    error, or nothing more can be searched, and the last step is halved three times.
    """
    assert items.dense is not None, "the index is over the dense part"
    rows = np.arange(len(items)) if items.valid is None else np.flatnonzero(items.valid)
    index = kind.build(np.ascontiguousarray(items.dense[rows], np.float32))
    searched = Searched(kind, index, rows, items)
    queries = _queries(items, rows, setting)
    if queries is None:
        return Built(index, rows, max(kind.most(index) // 8, kind.least))
    exact = Ranker(items).top_k(queries, LENGTH)[0]
    chosen_on, measured_on = np.arange(0, len(queries), 2), np.arange(1, len(queries), 2)

    def found(breadth: int, some: Rows) -> Rows:
        return searched.best(queries.take(some), LENGTH, min(LENGTH + MORE, len(rows)), breadth)[0]

    def reaches(breadth: int) -> bool:
        lists = zip(exact[chosen_on, None], found(breadth, chosen_on)[:, None], strict=True)
        recalls = np.array([recall_of(best, others) for best, others in lists])
        return bool(recalls.mean() - recalls.std() / len(recalls) ** 0.5 >= setting.target)

    least, breadth = kind.least, kind.least
    while not reaches(breadth) and breadth < kind.most(index):
        least, breadth = breadth, min(2 * breadth, kind.most(index))
    for _ in range(_HALVINGS):
        middle = (least + breadth) // 2
        if middle in (least, breadth):
            break
        least, breadth = (least, middle) if reaches(middle) else (middle, breadth)
    held_out = measured_on if len(measured_on) else chosen_on
    return Built(index, rows, breadth, recall_of(exact[held_out], found(breadth, held_out)), setting.target)


MORE = 16
"""Items that are retrieved beyond the length of a list, as an index orders rounded vectors."""


def recall_of(exact: Rows, found: Rows) -> float:
    """The share of the items of exact lists [U, K] that the found lists [U, K] have; empty places do not count.

    Example:
        >>> recall_of(np.array([[4, 2], [1, -1]]), np.array([[2, 3], [1, -1]]))
        0.6666666666666666
    """
    filled = exact >= 0
    width = int(max(exact.max(initial=0), found.max(initial=0))) + 1
    owners = np.arange(len(exact))[:, None] * width
    return float(np.isin((exact + owners)[filled], (found + owners)[found >= 0]).mean()) if filled.any() else 1.0


def _queries(items: Vectors, rows: Rows, setting: IndexSetting) -> Vectors | None:
    """At most 512 valid ones, evenly spaced; None where there are none."""
    if setting.queries is not None:
        found = setting.queries()
    elif items.sparse is None:
        found = items.take(rows)
    else:
        return None
    found = found.known()
    if found.dense is None or not len(found):
        return None
    return found.take(np.unique(np.linspace(0, len(found) - 1, _QUERIES).astype(np.int64)))
