"""Id columns of several tables, converted to one type, integer or text, without changing an id.

In Parquet files and DataFrames the column has a type. Ids of CSV files are integers if all of them, in all tables, are
written as integers, and text otherwise. When tables are merged into an existing dataset, the type of its ids decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.files import RawTable
from recsys.data.ingest.issues import Location, shown
from recsys.data.ingest.types.id_mismatch import SCIENTIFIC
from recsys.data.vocabulary import MISSING, Ids

_INTEGER = r"(?:0|-?[1-9][0-9]{0,18})"
_DECIMAL = r"-?[0-9]+\.0+"
_DIGITS = r"[0-9.,eE+-]+"
_EXACT = {"float16": 2**11, "float32": 2**24}
"""The first whole number after which floats of a type leave some out; 2^53 for other types."""


@dataclass(frozen=True, eq=False)
class IdColumn:
    """An id column before the common type of the ids of all tables is decided.

    Args:
        distinct: [m] integers or text, the valid ids in the order in which they first occur.
        codes: int [n], the position in ``distinct`` of each cell; MISSING where the cell is not a valid id.
        kind: ``integer`` or ``text``; None for a CSV column, whose ids may become either.
        location: its file and column.
    """

    distinct: Cells
    codes: NDArray[np.integer]
    kind: str | None
    location: Location

    @classmethod
    def of(cls, cells: Cells, location: Location, written: bool) -> IdColumn:
        """The ids of a column; adds errors for cells that are not valid ids.

        Args:
            cells: of the column.
            location: the column.
            written: whether the file is a CSV, whose cells are all text.
        """
        missing = np.asarray(cells.isna(), bool)
        if missing.any():
            location.error("the id is missing", "fill it or drop the rows", np.flatnonzero(missing))
        if isinstance(cells.dtype, pd.CategoricalDtype):  # the reader has coded them
            distinct = pd.Series(cells.cat.categories)
            kind = "integer" if pd.api.types.is_integer_dtype(distinct) else None if written else "text"
            column = cls(distinct, cells.cat.codes.to_numpy(), kind, location)
            if written:
                _check_text(column)
            return column
        kind, fits = ("text", ~missing) if written or not len(cells) else _typed(cells, missing, location)
        good = ~missing & fits
        distinct, codes = _factorized(cells, good, np.int64 if kind == "integer" else "str")
        if kind == "integer":
            return cls(distinct, codes, kind, location)
        column = cls(distinct, codes, None if written or not good.any() else "text", location)
        if written:
            _check_text(column)
        return column

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def n_good(self) -> int:
        """The number of valid ids."""
        return int((self.codes != MISSING).sum())

    def rows_of(self, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The rows of those of the distinct ids that ``which`` [m] says."""
        if not which.any():
            return np.empty(0, np.int64)
        return np.flatnonzero(np.append(which, False)[self.codes])

    def cell(self, row: int) -> object:
        """The id in a row."""
        return self.distinct.iloc[self.codes[row]]

    @property
    def may_be_integers(self) -> bool:
        """Whether every valid id is an integer or is written as one."""
        return self.kind == "integer" or (self.kind is None and not len(self.not_integers))

    @cached_property
    def not_integers(self) -> NDArray[np.int64]:
        """Rows of valid ids that are not the decimal form of an int64, such as ``a7``, ``007`` or ``1.0``."""
        if self.kind == "integer":
            return np.empty(0, np.int64)
        integral = self.distinct.str.fullmatch(_INTEGER).to_numpy(bool, copy=True)
        integral[integral] = [-(2**63) <= int(text) < 2**63 for text in self.distinct[integral]]
        return self.rows_of(~integral)

    def unlike(self, integers: bool) -> NDArray[np.int64]:
        """Rows of valid ids that cannot become integers (``integers``) or text (not ``integers``)."""
        if integers and self.kind != "text":
            return self.not_integers
        return np.flatnonzero((self.codes != MISSING) & (self.kind == ("text" if integers else "integer")))

    def converted(self, integers: bool | None) -> TypedIds:
        """The ids in the common type of all tables; as text if ``integers`` is None, because no type fits all."""
        distinct = self.distinct.to_numpy() if integers and self.kind == "integer" else self.distinct.to_numpy(object)
        return TypedIds(distinct.astype(np.int64) if integers else distinct, self.codes, integers, self.location)


@dataclass(frozen=True, eq=False)
class TypedIds:
    """An id column in its final type.

    Args:
        distinct: [m] int64 or str objects, in the order in which they first occur.
        codes: int [n], the position in ``distinct`` of each cell; MISSING where the cell is not a valid id.
        integers: whether ids are integers; None if no type fits all tables, and ``distinct`` are text.
        location: its file and column.
    """

    distinct: Ids
    codes: NDArray[np.integer]
    integers: bool | None
    location: Location

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def good(self) -> NDArray[np.bool_]:
        """Bool [n], False where the cell is not a valid id."""
        good: NDArray[np.bool_] = self.codes != MISSING
        return good

    @property
    def ids(self) -> Ids:
        """[n] the id of each row; undefined where not `good`."""
        return self.distinct[self.codes] if len(self.distinct) else np.full(len(self), "", object)

    def rows_of(self, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The rows of those of the distinct ids that ``which`` [m] says."""
        return np.flatnonzero(np.append(which, False)[self.codes])


def joint_codes(columns: Sequence[TypedIds], where: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.int64], Ids]:
    """Codes of the rows ``where`` of several columns, one after the other, and the ids that they are positions of."""
    ids = pd.Index(pd.unique(np.concatenate([column.distinct for column in columns])))
    places = [ids.get_indexer(pd.Index(column.distinct)).astype(np.int32) for column in columns]
    rows = [place[column.codes[kept]] for place, column, kept in zip(places, columns, where, strict=True)]
    codes, first = pd.factorize(np.concatenate(rows))
    return codes, ids.to_numpy()[first]


def read_ids(table: RawTable, name: str, role: str, remedy: str | None = None) -> IdColumn | None:
    """The ids in column ``name``; None if the table lacks it, which adds an error with ``remedy``."""
    cells = table.column(name, role) if remedy is None else table.column(name, role, remedy)
    return None if cells is None else IdColumn.of(cells, table.location.at(name), written=table.separator is not None)


def as_integers(parts: Sequence[IdColumn], joining: bool | None = None) -> bool | None:
    """Whether the ids of all ``parts`` are integers; None if no type fits all, which adds an error.

    Args:
        parts: the user id columns, or the item id columns, of all tables.
        joining: whether the ids of the dataset that they are merged into are integers; None without one.
    """
    filled = [part for part in parts if len(part.distinct)]
    if joining is not None:
        return joining if _fit(filled, joining) else None
    kinds = {part.kind for part in filled}
    if "integer" not in kinds:
        integers = bool(filled) and kinds == {None} and all(part.may_be_integers for part in filled)
        if not integers:
            _check_mixture([part for part in filled if part.kind is None])
        return integers
    for part in filled:
        rows = part.unlike(True)
        if len(rows):
            number = next(other.location.file for other in filled if other.kind == "integer")
            found = f"ids are text, as {shown(part.cell(rows[0]))}, and integers in {number}"
            zeros = bool(part.distinct.iloc[np.unique(part.codes[rows])].str.fullmatch("0[0-9]+").any())
            remedy = "; integers lose zeros at the front: read them as text (dtype=str) in all tables" if zeros else ""
            part.location.error(found, f"write them the same way in all tables{remedy}", rows)
    return None if any(len(part.unlike(True)) for part in filled) else True


def _fit(parts: list[IdColumn], integers: bool) -> bool:
    """Whether all ids can have the type of the existing dataset; adds an error for those that cannot."""
    own, other = ("text", "integers") if integers else ("integers", "text")
    misfits = [(part, part.unlike(integers)) for part in parts if len(part.unlike(integers))]
    for part, rows in misfits:
        found = f"ids are {own}, as {shown(part.cell(rows[0]))}, and {other} in the existing dataset"
        part.location.error(found, f"write them as {other}", rows)
    return not misfits


def _factorized(
    cells: Cells, good: NDArray[np.bool_], kind: type[np.int64] | Literal["str"]
) -> tuple[Cells, NDArray[np.int32]]:
    """The distinct cells that are ``good`` [n] as they first occur, of the type ``kind``, and int32 codes [n]."""
    kept = cells if good.all() else cells[good]
    plain = kept if kept.dtype == kind else pd.Series(kept.astype(object).to_numpy(), dtype="object").astype(kind)
    found, distinct = pd.factorize(plain)
    codes = np.full(len(cells), MISSING, np.int32)
    codes[good] = found
    return pd.Series(distinct, dtype=kind), codes


def _typed(cells: Cells, missing: NDArray[np.bool_], location: Location) -> tuple[str, NDArray[np.bool_]]:
    """The kind of a Parquet column, ``integer`` or ``text``, and bool [n]: the cells of this kind."""
    remedy = "store the column as integers or as text"
    every, none = np.ones(len(cells), bool), np.zeros(len(cells), bool)
    if pd.api.types.is_integer_dtype(cells):
        large = np.asarray((cells.fillna(0) > np.iinfo(np.int64).max), bool)
        if large.any():
            location.error("ids do not fit in 64 bits", "store the column as text", np.flatnonzero(large))
        return "integer", ~large
    if isinstance(cells.dtype, pd.StringDtype):
        return "text", every
    if pd.api.types.is_float_dtype(cells):  # pandas stores integers as floats once a cell was missing
        return _whole_floats(cells, missing, location)
    if cells.dtype != object:
        if not missing.all():
            location.error(f"ids are {cells.dtype}", remedy)
        return "text", none
    return _mixed(cells, missing, location)


def _whole_floats(cells: Cells, missing: NDArray[np.bool_], location: Location) -> tuple[str, NDArray[np.bool_]]:
    """As `_typed`, of a column of floats, which are ids if all of them are whole numbers that floats hold exactly."""
    numbers = pd.Series(cells.to_numpy(np.float64, na_value=np.nan)).where(~missing, 0.0)
    whole = np.asarray(np.isfinite(numbers) & (numbers == np.round(numbers)), bool)
    if not whole.all():
        location.error(f"ids are {cells.dtype}", "store the column as integers or as text", np.flatnonzero(~whole))
        return "text", np.zeros(len(cells), bool)
    inexact = np.asarray(numbers.abs() >= _EXACT.get(str(cells.dtype).lower(), 2**53), bool)
    if inexact.any():
        found = f"the id {numbers[inexact].iloc[0]:.0f} is a {cells.dtype}, which does not hold all its digits"
        location.error(found, "store the column as integers or as text", np.flatnonzero(inexact))
    return "integer", ~missing & ~inexact


def _mixed(cells: Cells, missing: NDArray[np.bool_], location: Location) -> tuple[str, NDArray[np.bool_]]:
    """The most frequent kind of a column of Python objects, and bool [n]: the cells of this kind."""
    kinds = np.array(["int" if _is_whole(cell) else type(cell).__name__ for cell in cells], dtype=object)
    usual = "int" if (kinds[~missing] == "int").sum() * 2 > (~missing).sum() else "str"
    other = np.flatnonzero(~missing & (kinds != usual))
    if len(other):
        found = f"the id {shown(cells.iloc[other[0]])} is of another type than the rest"
        location.error(found, "store the column as integers or as text", other)
    large = np.array([_is_whole(cell) and not _fits(cell) for cell in cells]) & (kinds == usual)
    if large.any():
        location.error("ids do not fit in 64 bits", "store the column as text", np.flatnonzero(large))
    return ("integer" if usual == "int" else "text"), (kinds == usual) & ~large


def _is_whole(cell: object) -> bool:
    """Whether a cell is a whole number: an integer, or a float that holds it exactly; booleans are none."""
    if isinstance(cell, (float, np.floating)):
        return float(cell).is_integer() and abs(float(cell)) < 2**53
    return isinstance(cell, (int, np.integer)) and not isinstance(cell, bool)


def _fits(cell: object) -> bool:
    """Whether a whole number is an int64."""
    return isinstance(cell, (int, float, np.integer, np.floating)) and -(2**63) <= int(cell) < 2**63


def _check_text(column: IdColumn) -> None:
    text, location = column.distinct, column.location
    decimal = column.rows_of(text.str.fullmatch(_DECIMAL).to_numpy(bool))
    if len(decimal):
        found = f"the id {shown(column.cell(decimal[0]))} is written with decimals, so it is text"
        location.warn(found, "write whole numbers if ids are numbers", decimal)
    scientific = column.rows_of(text.str.fullmatch(SCIENTIFIC).to_numpy(bool))
    if len(scientific) and 2 * len(column.rows_of(text.str.fullmatch(_DIGITS).to_numpy(bool))) > column.n_good:
        found = f"the id {shown(column.cell(scientific[0]))} is in scientific notation, so digits of it may be lost"
        location.warn(found, "export the ids again, as text or whole numbers", scientific)
    blank = column.rows_of((text.str.strip() != text).to_numpy(bool))
    if len(blank):
        location.warn(f"the id {shown(column.cell(blank[0]))} has blanks around it, which count", "remove them", blank)


def _check_mixture(parts: Sequence[IdColumn]) -> None:
    """Warns if at most a tenth of a CSV's ids are not integers: they make all ids text, which is rarely intended."""
    for part in parts:
        rows = part.not_integers
        if 0 < len(rows) * 10 <= part.n_good:
            found = f"ids are integers except for some, as {shown(part.cell(rows[0]))}, so all are read as text"
            part.location.warn(found, "correct those cells if they should be integers", rows)
