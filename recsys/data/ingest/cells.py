"""Coercion of columns to times, numbers, weights, texts, tags or vectors.

A cell that cannot be coerced adds an error to the issues of its ``location`` and becomes NaN or None. Nothing is
raised, so that the errors of all columns are found.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells, Rule, check
from recsys.data.ingest.issues import Location, shown
from recsys.data.ingest.reading.lists import written_list
from recsys.data.ingest.types.dates.first_days import with_first_days
from recsys.data.ingest.types.numeric_column import coerce_numbers, unified_truths
from recsys.data.ingest.types.odd_times import warn_odd_times
from recsys.data.ingest.types.time_column import ORDER, TOLERATED, time_column, time_remedy
from recsys.data.ingest.types.time_options import TimeOptions
from recsys.data.schema import Column, Kind

LARGEST = 1e30
"""The largest absolute value: squares of larger numbers would overflow in float32 sums."""


def _present(missing: NDArray[np.bool_], what: str) -> Rule:
    return Rule(lambda c: ~missing, f"{what} is missing", "fill the cells or drop the rows")


def _usable(missing: NDArray[np.bool_], what: str, remedy: str = "mend the cells") -> Rule:
    return Rule(lambda c: missing | (np.isfinite(c) & (np.abs(c) <= LARGEST)), f"{{}} is no {what}", remedy)


_POSITION = Rule(
    lambda c: np.isnan(c) | ((c == np.round(c)) & ~((np.abs(c) > 2**53) & (np.abs(c) <= LARGEST))),
    "{} is no position",
    "give whole numbers",
)

_GAP_YEARS = 50.0
"""Times of users and items, such as birthdays, may be further apart than those of interactions."""

_WEIGHT = Rule(
    lambda c: ~((c < 1 / LARGEST) & (c >= -LARGEST)),
    "the weight {} is not positive",
    "set data.positive_from, from which weights are likes; or drop the rows, or map another column as the weight",
)

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_KIND_REMEDY = "mend the cells, or give the column another kind in the schema"


def is_missing(cells: Cells) -> NDArray[np.bool_]:
    """Bool [n]: whether each cell is missing; lists are not."""
    return np.asarray(cells.isna(), bool)


def encodable(cells: Cells, location: Location) -> Cells:
    """``cells``; texts with half a character (a lone surrogate), which no file can hold, are escaped, with an error.

    Columns of the type ``str`` have none; Python's own texts may, as of JSON or of file names.
    """
    if cells.dtype != object:
        return cells
    half = [isinstance(cell, str) and not cell.isascii() and bool(_SURROGATE.search(cell)) for cell in cells]
    if not any(half):
        return cells
    rows = np.flatnonzero(half)
    found = f"{cells.iloc[rows[0]]!a} holds half a character (a lone surrogate), which no file can hold"
    location.error(found, "decode the text with its own encoding", rows)
    escaped = [ascii(cell) if wrong else cell for cell, wrong in zip(cells, half, strict=True)]
    return pd.Series(escaped, cells.index, dtype=object)


def numbers(cells: Cells) -> Cells:
    """Numbers float64 [n]; NaN for cells that are missing or not a number."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        distinct = numbers(pd.Series([*cells.cat.categories, None], dtype="str")).to_numpy()
        return pd.Series(distinct[cells.cat.codes.to_numpy()])
    if cells.dtype == object:
        cells = cells.map(lambda cell: cell if np.isscalar(cell) and not isinstance(cell, bytes) else None)
    elif pd.api.types.is_datetime64_any_dtype(cells) or pd.api.types.is_timedelta64_dtype(cells):
        return pd.Series(np.full(len(cells), np.nan))
    return pd.Series(pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan))


def finite(cells: Cells) -> NDArray[np.float64]:
    """As `numbers`; NaN for those that are infinite or larger than `LARGEST` too."""
    found = numbers(cells).to_numpy(np.float64)
    if pd.api.types.is_integer_dtype(cells):  # none of 64 bits is that large
        return found
    return np.where(np.abs(found) <= LARGEST, found, np.nan)


def seconds(cells: Cells) -> Cells:
    """Seconds since 1970 UTC, float64 [n], from numbers and ISO dates; NaN for cells that are missing or neither."""
    result = numbers(cells) if not pd.api.types.is_bool_dtype(cells) else pd.Series(np.full(len(cells), np.nan))
    rest = np.flatnonzero(result.isna().to_numpy() & ~is_missing(cells))
    if len(rest):
        result.iloc[rest] = _moments(cells.iloc[rest])
    return result


def positions(cells: Cells, location: Location) -> NDArray[np.float64]:
    """Whole numbers, float64 [n]; NaN and an error for cells that are missing or not a whole number."""
    found, missing = numbers(cells), is_missing(cells)
    rules = [_present(missing, "the position"), _usable(missing, "number"), _POSITION]
    return np.where(check(found, rules, location, cells), found, np.nan)


def weights(cells: Cells, location: Location, any_sign: bool = False) -> NDArray[np.float64]:
    """Positive numbers, float64 [n]; NaN and an error for cells that are missing or not a positive number.

    With ``any_sign`` zero and negative numbers are weights too.
    """
    found, missing = numbers(cells), is_missing(cells)
    written = 'mend the cells; if numbers are written as 1.234,50, set data.decimal = "," and data.thousands = "."'
    rules = [_present(missing, "the weight"), _usable(missing, "number", written), *([] if any_sign else [_WEIGHT])]
    return np.where(check(found, rules, location, cells), found, np.nan)


def coerce(
    cells: Cells, column: Column, location: Location, given: bool = True, times: TimeOptions | None = None
) -> Cells:
    """Coerces a column of users or items to its kind, as float64, str or lists; missing cells stay missing.

    Args:
        cells: [n].
        column: the kind.
        location: the column, for errors.
        given: whether the kind was chosen by the user. Cells that do not fit are an error then; where a kind was
            inferred, a few of them count as missing, with a warning.
        times: how times are written; None takes what ``column`` says, and guesses the rest.
    """
    if column.kind is Kind.NUMERIC:
        plain = finite(cells)
        if pd.api.types.is_numeric_dtype(cells) and not (np.isnan(plain) & ~is_missing(cells)).any():
            return pd.Series(plain)
        return pd.Series(coerce_numbers(filled_texts(cells), plain, location, given))
    if column.kind is Kind.TIME:
        return pd.Series(_optional_times(cells, location, given, times or TimeOptions.of_column(column)))
    if column.kind is Kind.EMBEDDING:
        return _vectors(cells, location)
    if column.kind is Kind.TAGS:
        return pd.Series(_tags(cells, column.separator, location), dtype="str")
    if column.kind is Kind.CATEGORICAL:
        return unified_truths(filled_texts(cells), location)
    return filled_texts(cells)


def texts(cells: Cells) -> list[str | None]:
    """Each cell as text, None if missing; whole numbers are written without decimals.

    Example:
        >>> texts(pd.Series([24.0, None, 1.5]))
        ['24', None, '1.5']
    """
    missing = is_missing(cells)
    return [None if gone else _text(cell) for cell, gone in zip(cells, missing, strict=True)]


def distinct_texts(cells: Cells) -> tuple[NDArray[np.integer], pd.Series[str]]:
    """The distinct cells as text, and for each cell the number of its text, -1 where it is missing; see `texts`."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return cells.cat.codes.to_numpy(), pd.Series(cells.cat.categories)
    plain = isinstance(cells.dtype, pd.StringDtype) or pd.api.types.is_integer_dtype(cells)
    codes, found = pd.factorize(cells if plain else filled_texts(cells))
    return codes, pd.Series(found).astype("str")


@dataclass(frozen=True, eq=False)
class CodedTexts:
    """A column as numbers of its distinct texts; -1 where a cell is missing."""

    codes: NDArray[np.integer]
    names: list[str]

    @classmethod
    def of(cls, cells: Cells) -> CodedTexts:
        codes, distinct = distinct_texts(cells)
        size = np.int16 if len(distinct) < 2**15 else np.int32
        return cls(codes.astype(size), distinct.astype("str").tolist())

    def of_rows(self, rows: NDArray[np.int64]) -> CodedTexts:
        """Some of the cells."""
        return replace(self, codes=self.codes[rows])

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows of each text that has any."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.names)).tolist()
        return {name: n for name, n in zip(self.names, counts, strict=True) if n}

    def are(self, kinds: Collection[str]) -> NDArray[np.bool_]:
        """Bool [n]: whether each cell is one of ``kinds``."""
        return np.asarray(np.array([*(name in kinds for name in self.names), False])[self.codes], bool)


def filled_texts(cells: Cells) -> pd.Series[str]:
    """As `texts`, as a column with index 0..n-1."""
    if isinstance(cells.dtype, pd.StringDtype):
        return cells.reset_index(drop=True).astype("str")
    return pd.Series(texts(cells), dtype="str")


def is_list(cell: object) -> bool:
    """Whether a cell is a list, as cells of Parquet files and DataFrames can be."""
    return isinstance(cell, (list, tuple, np.ndarray))


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    return str(int(cell)) if isinstance(cell, (float, np.floating)) and cell.is_integer() else str(cell)


def _moments(cells: Cells) -> NDArray[np.float64]:
    if not pd.api.types.is_datetime64_any_dtype(cells):
        cells = pd.Series(["" if is_list(cell) else str(cell) for cell in cells], dtype="str")
    moments = pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601").dt.as_unit("us")
    return np.asarray((moments.astype(np.int64) / 1e6).where(moments.notna()), np.float64)


def _optional_times(cells: Cells, location: Location, given: bool, options: TimeOptions) -> NDArray[np.float64]:
    """Seconds since 1970 UTC, float64 [n]; NaN for cells that are missing or no time."""
    is_truth = pd.api.types.is_bool_dtype(cells)
    known = np.full(len(cells), np.nan) if is_truth else finite(cells)
    options = options.fitting(filled_texts(cells), known) if options.remedy else options
    missing = is_missing(cells)
    cells, known = with_first_days(cells, known, location, options)
    column = time_column(cells, known, location, options)
    wrong = np.flatnonzero(np.isnan(column.seconds) & ~missing)
    if len(wrong):
        cell = cells.iloc[wrong[0]]
        remedy = options.remedy or time_remedy(cell, column.numbers[wrong[0]]).removesuffix(ORDER)
        remedy += "; or give the column another kind"
        if given or len(wrong) > TOLERATED * (~missing).sum():
            location.error(f"{shown(cell)} is no time", remedy, wrong)
        else:
            location.warn(f"{shown(cell)} is no time; such cells count as missing", remedy, wrong)
    warn_odd_times(column, cells, location, _GAP_YEARS)
    return column.seconds + column.fraction / 1e9


def _tags(cells: Cells, separator: str, location: Location) -> list[str | None]:
    if not any(is_list(cell) for cell in cells):
        plain = texts(cells)
        lists = [None if text is None else written_list(text) for text in plain]
        if not any(lists):
            return plain
        mixed = [text if tags is None else tags for text, tags in zip(plain, lists, strict=True)]
        cells = pd.Series(mixed, dtype=object)
    joined: list[str | None] = []
    torn: list[int] = []
    for row, cell in enumerate(cells):
        tags = [str(tag) for tag in cell if tag is not None] if is_list(cell) else []
        if isinstance(cell, str):  # beside lists that are written as texts
            joined.append(cell)
            continue
        torn += [row] if any(separator in tag for tag in tags) else []
        joined.append(separator.join(tags) or None)
    if torn:
        location.error(f"a tag holds the separator {separator!r}", "give the column another, as tags:;", torn)
    return joined


def _vectors(cells: Cells, location: Location) -> Cells:
    missing = is_missing(cells)
    found = [None if gone else _vector(cell) for cell, gone in zip(cells, missing, strict=True)]
    lengths = pd.Series([0 if vector is None else len(vector) for vector in found])
    usual = lengths[lengths > 0].mode().max() if (lengths > 0).any() else 0
    rules = [
        Rule(lambda n: missing | (n > 0), "the cell is no list of finite numbers", _KIND_REMEDY),
        Rule(
            lambda n: (n == 0) | (n == usual),
            f"the vector's length is not {usual} as in most rows",
            "all vectors of a column need one length",
        ),
    ]
    example = lengths.map(lambda n: f"of length {n}")
    check(lengths, rules, location, example)
    return pd.Series(found, dtype=object)


def _vector(cell: object) -> list[float] | None:
    try:
        values = np.asarray(cell, np.float64) if is_list(cell) else np.empty(0)
    except (TypeError, ValueError):
        return None
    good = values.ndim == 1 and len(values) and bool((np.abs(values) <= LARGEST).all())
    return values.tolist() if good else None
