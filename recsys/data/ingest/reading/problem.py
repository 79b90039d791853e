"""A file that cannot be read, with the reason and the remedy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NAMES = 3


class Unreadable(Exception):  # noqa: N818
    """A file that cannot be read as a table.

    Args:
        found: the problem.
        remedy: how to correct it.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found, self.remedy = found, remedy


def names_text(names: Sequence[str]) -> str:
    """Names of files or parts for a message, at most three.

    Example:
        >>> names_text(["a.csv", "b.csv", "c.csv", "d.csv"])
        'a.csv, b.csv, c.csv and 1 more'
    """
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def damaged(reason: object) -> Unreadable:
    """The exception for a file that its parser refuses."""
    return Unreadable(f"the file cannot be read ({reason})", "it may be cut off or damaged: write it again")


def lines_text(lines: NDArray[np.integer] | list[int]) -> str:
    """Line numbers for a message, at most five; lines of the file are counted from 1, the header included.

    Example:
        >>> lines_text([2, 3])
        'lines 2, 3'
    """
    shown = ", ".join(str(int(line)) for line in lines[:5])
    more = f" and {len(lines) - 5:,} more" if len(lines) > 5 else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"
