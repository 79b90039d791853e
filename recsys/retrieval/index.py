"""What an index is: item vectors, made ready to answer which of them score highest for a user."""

from __future__ import annotations

from typing import Protocol

from recsys.data.histories import Histories
from recsys.data.vocabulary import Rows
from recsys.engine import Vectors
from recsys.ranking import Ranked


class Index(Protocol):
    """Built as ``INDEXES[name](items, candidates)``."""

    def __init__(self, items: Vectors, candidates: Rows | None = None) -> None:
        """Of ``items`` [I], those at ``candidates`` that have a place (None: all of them)."""
        ...

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """The ``k`` best items of each of ``users`` [U], without those in ``exclude`` [U]."""
        ...
