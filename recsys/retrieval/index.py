"""The interface of an index: maximum inner product search over item vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from recsys.data.histories import Histories
from recsys.data.vocabulary import Rows
from recsys.engine import Vectors
from recsys.ranking import Ranked


class Index(Protocol):
    """Built as ``INDEXES[name](items, candidates)``."""

    def __init__(self, items: Vectors, candidates: Rows | None = None) -> None:
        """An index of the valid vectors among ``items`` [I] at the rows ``candidates``; None is all rows."""
        ...

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """The ``k`` items with the highest inner products for each user.

        Args:
            users: [U] vectors; a user whose vector is not valid gets an empty list.
            k: length of a list; at most the number of items.
            exclude: [U] for each user, items that are not returned.

        Returns:
            Item rows int64 [U, k] and scores float32 [U, k], best first; padded with MISSING and -inf.

        Raises:
            ArtifactError: a score is NaN or infinite.
        """
        ...


BuildIndex = Callable[[Vectors, Rows | None], Index]
"""Makes an index of item vectors, of which some rows are candidates."""
