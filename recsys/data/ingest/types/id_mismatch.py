"""Why ids of one table are not found in another: the likely cause of two spellings of the same ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Mismatches:
    """Why ids of one table are not found in another.

    Args:
        causes: those of the most ids first; each id counts once.
        others: the number of ids that no cause explains.
        other: the first of them; empty without any.
        are_all: whether every id was looked at, and not the first `_COMPARED`.
    """

    causes: tuple[Mismatch, ...]
    others: int
    other: str = ""
    are_all: bool = True

    @property
    def explained(self) -> int:
        """The number of distinct ids that have a cause."""
        return sum(cause.count for cause in self.causes)

    @property
    def certain(self) -> int:
        """The number of distinct ids whose cause is certain."""
        return sum(cause.count for cause in self.causes if cause.is_certain)

    @property
    def remedy(self) -> str:
        """What to do about all causes."""
        return "; ".join(dict.fromkeys(cause.remedy for cause in self.causes))

    def __str__(self) -> str:
        if len(self.causes) == 1 and not self.others:
            return str(self.causes[0])
        told = [f"{cause.count:,} as {cause}" for cause in self.causes]
        first = "" if self.are_all else f"of the first {_COMPARED:,} "
        return first + "; ".join(
            [*told, *([f"{self.others:,} for no known reason, as {self.other!r}"] if self.others else [])]
        )


def mismatches(ids: Ids, known: Ids) -> Mismatches | None:
    """The spellings in which ``ids`` are found among ``known``, counted; None if no usual one explains any.

    Args:
        ids: [n] ids that are not among ``known``, integers or text.
        known: [m] ids of the other table, of the same type.

    Example:
        >>> print(mismatches(np.array(["7", "12", "a"], object), np.array(["007", "012"], object)))
        2 as '7' would be '007' there: zeros at the front were lost; 1 for no known reason, as 'a'
    """
    ours, theirs = (pd.Series(pd.unique(np.asarray(part, object)), dtype="str") for part in (ids, known))
    are_all, ours = len(ours) <= _COMPARED, ours.iloc[:_COMPARED]
    if not len(ours) or not len(theirs):
        return None
    causes: list[Mismatch] = []
    rest = ours
    for spelling in _SPELLINGS:
        rows = _met(spelling, rest, theirs)
        met = rows >= 0
        if met.any():
            row = int(np.argmax(met))
            would_be, is_certain = theirs.iloc[rows[row]], not spelling.one_is_normal
            found = Mismatch(rest.iloc[row], would_be, spelling.cause, spelling.remedy, int(met.sum()), is_certain)
            causes.append(found)
            rest = rest[~met]
    if not causes:
        lost = _lost_digits(ours) or _lost_digits(theirs)
        return None if lost is None else Mismatches((lost,), 0)
    causes.sort(key=lambda cause: -cause.count)
    return Mismatches(tuple(causes), len(rest), rest.iloc[0] if len(rest) else "", are_all)


def _met(spelling: _Spelling, ours: pd.Series[str], theirs: pd.Series[str]) -> NDArray[np.int64]:
    """Int64 [n]: the position in ``theirs`` of each of ``ours``, -1 where it is not found in this spelling."""
    here, there = spelling.normal(ours), spelling.normal(theirs)
    first = pd.Series(np.arange(len(there)), index=pd.Index(there)).groupby(level=0).first()
    rows = first.reindex(here).fillna(-1).to_numpy(np.int64)
    if spelling.one_is_normal:
        normal = (here == ours).to_numpy(bool) | (there == theirs).to_numpy(bool)[rows]
        rows = np.where(normal, rows, -1)
    return rows


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


def _plainest(ids: pd.Series[str]) -> pd.Series[str]:
    return without_zeros(_grown_small(ids))


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
    _Spelling(
        _plainest,
        "zeros at the front were lost, and they differ in capital letters or marks",
        "write the ids with their zeros and in the same letters in both",
    ),
    _Spelling(_digits, "one of them has a prefix before its ids", "write the ids with or without it in both", True),
)
