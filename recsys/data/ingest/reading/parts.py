"""The parts of a folder together: parts without a byte, and columns that some parts lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pandas as pd

from recsys.data.ingest.reading.content import unpacked
from recsys.data.ingest.reading.found import Note
from recsys.data.ingest.reading.problem import Unreadable, names_text


def has_no_bytes(part: Path) -> bool:
    """Whether nothing is in a file, or in the archive that it is."""
    try:
        return not unpacked(part)
    except (Unreadable, OSError):
        return False


def lacking_parts(columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Column -> the parts that lack it, as a text, where columns were added later; empty where all have the same.

    Args:
        columns: part -> its columns.

    Raises:
        Unreadable: of two parts each has columns that the other lacks, so that they are parts of different tables.
    """
    by_size = sorted(columns, key=lambda name: len(columns[name]))
    for fewer, more in pairwise(by_size):
        if not set(columns[fewer]) <= set(columns[more]):
            first, other = sorted((fewer, more), key=list(columns).index)
            raise Unreadable(
                f"the parts have different columns: {other} has {_listed(columns[other])}, and {first} has "
                f"{_listed(columns[first])}",
                "give parts of one table; name files that are none with a leading _",
            )
    widest = columns[by_size[-1]]
    lacking = {name: [part for part, names in columns.items() if name not in names] for name in widest}
    return {name: names_text(parts) for name, parts in lacking.items() if parts}


def lacking_notes(lacking: Mapping[str, str]) -> list[Note]:
    """A warning for each column that some parts lack."""
    remedy = "nothing is to be done if the column was added later; else write those parts again"
    return [
        (name, f"the column is not in {parts}; its cells are missing there", remedy) for name, parts in lacking.items()
    ]


def with_columns(frame: pd.DataFrame, names: Sequence[str], are_texts: bool) -> pd.DataFrame:
    """The frame with missing cells in those of ``names`` that it lacks."""
    for name in [name for name in names if name not in frame.columns]:
        frame[name] = pd.Series([None] * len(frame), index=frame.index, dtype="str" if are_texts else None)
    return frame


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:12]))
