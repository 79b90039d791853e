"""Why ids of one table are not found in another: the likely cause of two spellings of the same ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys.data.vocabulary import Ids

SCIENTIFIC = r"[+-]?[0-9](?:\.[0-9]+)?[eE](?:[+-][0-9]+|[0-9]{2,})"
"""An id in scientific notation, as spreadsheets write long numbers: ``1.08775E+08``."""

_COMPARED = 20_000
"""The most distinct ids for which a cause is looked for."""


@dataclass(frozen=True)
class Mismatch:
    """How an id would be found in another table.

    Args:
        id: as it is written.
        would_be: how the other table writes it; empty if that cannot be told.
        cause: the likely reason.
        remedy: how to correct the tables.
        count: the number of distinct ids that this cause explains.
        is_certain: whether ids that are spelled so apart are hardly those of two things.
    """

    id: str
    would_be: str
    cause: str
    remedy: str
    count: int
    is_certain: bool = True

    def __str__(self) -> str:
        where = f"{self.id!r} would be {self.would_be!r} there" if self.would_be else f"as {self.id!r}"
        return f"{where}: {self.cause}"


@dataclass(frozen=True)
class _Spelling:
    """A normal form in which two spellings of an id are equal.

    Args:
        normal: maps ids to it.
        cause: why they are spelled differently.
        remedy: how to correct the tables.
        one_is_normal: whether one of the two ids has to be in the normal form.
    """

    normal: Callable[[pd.Series[str]], pd.Series[str]]
    cause: str
    remedy: str
    one_is_normal: bool = False


def likely_mismatch(ids: Ids, known: Ids) -> Mismatch | None:
    """The spelling in which most of ``ids`` are found among ``known``; None if no usual one explains any.

    Args:
        ids: [n] ids that are not among ``known``, integers or text.
        known: [m] ids of the other table, of the same type.

    Example:
        >>> str(likely_mismatch(np.array(["7", "12"], object), np.array(["007", "012"], object)))
        "'7' would be '007' there: zeros at the front were lost"
    """
    ours, theirs = (pd.Series(pd.unique(np.asarray(part, object)), dtype="str") for part in (ids, known))
    ours = ours.iloc[:_COMPARED]
    if not len(ours) or not len(theirs):
        return None
    found = [mismatch for spelling in _SPELLINGS if (mismatch := _compared(spelling, ours, theirs)) is not None]
    if found:
        return max(found, key=lambda mismatch: mismatch.count)
    return _lost_digits(ours) or _lost_digits(theirs)


def _compared(spelling: _Spelling, ours: pd.Series[str], theirs: pd.Series[str]) -> Mismatch | None:
    here, there = spelling.normal(ours), spelling.normal(theirs)
    first = pd.Series(np.arange(len(there)), index=pd.Index(there)).groupby(level=0).first()
    rows = first.reindex(here).fillna(-1).to_numpy(np.int64)
    met = rows >= 0
    if spelling.one_is_normal:
        met &= (here == ours).to_numpy(bool) | (there == theirs).to_numpy(bool)[rows]
    if not met.any():
        return None
    row = int(np.argmax(met))
    return Mismatch(
        ours.iloc[row],
        theirs.iloc[rows[row]],
        spelling.cause,
        spelling.remedy,
        int(met.sum()),
        not spelling.one_is_normal,
    )


def _lost_digits(ids: pd.Series[str]) -> Mismatch | None:
    rows = np.flatnonzero(ids.str.fullmatch(SCIENTIFIC).to_numpy(bool))
    if not len(rows):
        return None
    cause = "ids in scientific notation have lost digits"
    return Mismatch(ids.iloc[rows[0]], "", cause, "export the ids again, as text", len(rows))


def _without_marks(ids: pd.Series[str]) -> pd.Series[str]:
    return ids.str.strip(" \t\r\n\u00a0\"'`\ufeff")


def _without_decimals(ids: pd.Series[str]) -> pd.Series[str]:
    return ids.str.replace(r"^([+-]?[0-9]+)\.0*$", r"\1", regex=True)


def without_zeros(ids: pd.Series[str]) -> pd.Series[str]:
    """Ids without zeros at the front and decimals of whole numbers: ``007`` and ``7.0`` are ``7``."""
    return _without_decimals(ids).str.replace(r"^0+(?=[0-9])", "", regex=True)


def _grown_small(ids: pd.Series[str]) -> pd.Series[str]:
    return _without_marks(ids).str.lower()


def _without_grouping(ids: pd.Series[str]) -> pd.Series[str]:
    grouped = ids.str.fullmatch(r"[+-]?[0-9]{1,3}(?:[, .'_\u00a0\u202f][0-9]{3})+")
    return ids.where(~grouped, ids.str.replace(r"[^0-9+-]", "", regex=True))


def _digits(ids: pd.Series[str]) -> pd.Series[str]:
    """The digits after a prefix such as ``item_``; only ids of pure digits can be equal to them."""
    return ids.str.replace(r"^[^0-9]*[^0-9+-][-_]?(?=[0-9]+$)", "", regex=True)


def _whole(ids: pd.Series[str]) -> pd.Series[str]:
    """Numbers in scientific notation as whole numbers."""
    scientific = ids.str.fullmatch(SCIENTIFIC).to_numpy(bool)
    full = [f"{float(text):.0f}" if yes else text for text, yes in zip(ids, scientific, strict=True)]
    return without_zeros(pd.Series(full, index=ids.index, dtype="str"))


_SPELLINGS = (
    _Spelling(_without_marks, "one of them has blanks or quotes around its ids", "remove them from the ids"),
    _Spelling(
        _without_decimals,
        "one of them writes whole numbers with decimals",
        "write the ids without decimals (they appear where a column of integers was read with missing cells)",
    ),
    _Spelling(
        without_zeros,
        "zeros at the front were lost",
        "write the ids with their zeros in both tables (spreadsheets, and read_csv without dtype=str, drop them)",
    ),
    _Spelling(_grown_small, "they differ in capital letters", "write the ids in the same letters in both"),
    _Spelling(_without_grouping, "one of them groups the digits of its ids", "write the ids without separators"),
    _Spelling(
        _whole,
        "ids in scientific notation have lost digits",
        "export the ids again, as text; digits that were lost cannot be restored",
    ),
    _Spelling(_digits, "one of them has a prefix before its ids", "write the ids with or without it in both", True),
)
