"""Keys: the id columns of several tables, brought to one type without changing an id.

Parquet says whether an id is a number. A CSV does not: its ids are integers when all of them, in all tables, are
written as integers are, and text otherwise. Where they join a dataset, they are what its ids are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.files import column_of
from recsys.data.ingest.issues import Location, shown
from recsys.data.vocabulary import Ids

_INTEGER = r"(?:0|-?[1-9][0-9]{0,18})"
_DECIMAL = r"-?[0-9]+\.0+"


@dataclass(frozen=True, eq=False)
class IdColumn:
    """An id column as it stands in its file.

    Args:
        cells: [n] integers or text.
        good: bool [n], False where the cell is no id.
        kind: ``integer`` or ``text``; None for a CSV column that may be read as either.
        place: where it stands.
    """

    cells: pd.Series[Any]
    good: NDArray[np.bool_]
    kind: str | None
    place: Location

    @classmethod
    def of(cls, cells: pd.Series[Any], place: Location, written: bool) -> IdColumn:
        """The keys of a column; cells that cannot be ids are errors.

        Args:
            cells: of the file.
            place: the column.
            written: whether the file is a CSV, whose cells are text whatever they mean.
        """
        missing = np.asarray(cells.isna(), bool)
        if missing.any():
            place.error("the id is missing", "fill it or drop the rows", np.flatnonzero(missing))
        kind, fits = ("text", ~missing) if written or not len(cells) else _typed(cells, missing, place)
        good = ~missing & fits
        if kind == "integer":
            return cls(cells.where(good, 0).astype(np.int64), good, kind, place)
        text = pd.Series(cells.astype(object).where(good, "").to_numpy(), dtype="str")
        if written:
            _look_at_text(text, good, place)
        return cls(text, good, None if written or not good.any() else "text", place)

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def may_be_integers(self) -> bool:
        return self.kind == "integer" or (self.kind is None and not len(self.not_integers))

    @cached_property
    def not_integers(self) -> NDArray[np.int64]:
        """Rows of good ids that no int64 is written as."""
        if self.kind == "integer":
            return np.empty(0, np.int64)
        codes, distinct = pd.factorize(self.cells)
        integral = pd.Series(distinct, dtype="str").str.fullmatch(_INTEGER).to_numpy(bool, copy=True)
        integral[integral] = [-(2**63) <= int(text) < 2**63 for text in distinct[integral]]
        return np.flatnonzero(self.good & ~integral[codes])

    def unlike(self, integers: bool) -> NDArray[np.int64]:
        """Rows of good ids that cannot be integers, or text."""
        if integers and self.kind != "text":
            return self.not_integers
        return np.flatnonzero(self.good & (self.kind == ("text" if integers else "integer")))

    def ids(self, integers: bool) -> Ids:
        """[n]; those of rows that are not good have no meaning."""
        if integers and self.kind != "integer":
            return self.cells.where(self.good, "0").to_numpy(object).astype(np.int64)
        return self.cells.to_numpy() if integers else self.cells.to_numpy(object)


def read_keys(frame: pd.DataFrame, name: str, place: Location, role: str) -> IdColumn | None:
    """The ids of a column; None when the table lacks it, which is then a finding."""
    cells = column_of(frame, name, place, role)
    if cells is None:
        return None
    return IdColumn.of(cells, place.at(name), written=place.file.suffix not in (".parquet", ".pq"))


def as_integers(parts: Sequence[IdColumn], joining: bool | None = None) -> bool | None:
    """Whether the ids of all of ``parts`` are integers; None when no one type fits, which is then an error.

    Args:
        parts: the id columns of one side, of all tables.
        joining: whether the ids that they join are integers; None where they join none.
    """
    filled = [part for part in parts if part.good.any()]
    if joining is not None:
        return joining if _fit(filled, joining) else None
    kinds = {part.kind for part in filled}
    if "integer" not in kinds:
        integers = bool(filled) and kinds == {None} and all(part.may_be_integers for part in filled)
        if not integers:
            _look_at_mixture([part for part in filled if part.kind is None])
        return integers
    for part in filled:
        rows = part.unlike(True)
        if len(rows):
            number = next(other.place.file for other in filled if other.kind == "integer")
            found = f"ids are text, as {shown(part.cells.iloc[rows[0]])}, and integers in {number}"
            part.place.error(found, "write them the same way in all tables", rows)
    return None if any(len(part.unlike(True)) for part in filled) else True


def _fit(parts: list[IdColumn], integers: bool) -> bool:
    """Whether all ids can be of the type of those that they join; what cannot is an error."""
    own, other = ("text", "integers") if integers else ("integers", "text")
    odd = [(part, part.unlike(integers)) for part in parts if len(part.unlike(integers))]
    for part, rows in odd:
        found = f"ids are {own}, as {shown(part.cells.iloc[rows[0]])}, and {other} in the dataset that they join"
        part.place.error(found, f"write them as {other}", rows)
    return not odd


def _typed(cells: pd.Series[Any], missing: NDArray[np.bool_], place: Location) -> tuple[str, NDArray[np.bool_]]:
    """The kind of a Parquet column, and which cells are of it."""
    remedy = "store the column as integers or as text"
    every, none = np.ones(len(cells), bool), np.zeros(len(cells), bool)
    if pd.api.types.is_integer_dtype(cells):
        large = np.asarray((cells.fillna(0) > np.iinfo(np.int64).max), bool)
        if large.any():
            place.error("ids do not fit in 64 bits", "store the column as text", np.flatnonzero(large))
        return "integer", ~large
    if isinstance(cells.dtype, pd.StringDtype):
        return "text", every
    if pd.api.types.is_float_dtype(cells) and missing.any():  # integers with missing cells arrive as fractions
        whole = np.asarray(~missing & (cells == np.round(cells)) & (cells.abs() < 2**53), bool)
        if whole.any() and (whole | missing).all():
            return "integer", whole
    if cells.dtype != object:
        if not missing.all():
            place.error(f"ids are {cells.dtype}", remedy)
        return "text", none
    return _mixed(cells, missing, place)


def _mixed(cells: pd.Series[Any], missing: NDArray[np.bool_], place: Location) -> tuple[str, NDArray[np.bool_]]:
    """The same of a column of Python objects: the usual type, and which cells are of it."""
    kinds = np.array([type(cell).__name__ for cell in cells], dtype=object)
    usual = "int" if (kinds[~missing] == "int").sum() * 2 > (~missing).sum() else "str"
    odd = np.flatnonzero(~missing & (kinds != usual))
    if len(odd):
        found = f"the id {shown(cells.iloc[odd[0]])} is of another type than the rest"
        place.error(found, "store the column as integers or as text", odd)
    large = np.array([isinstance(cell, int) and not -(2**63) <= cell < 2**63 for cell in cells]) & (kinds == usual)
    if large.any():
        place.error("ids do not fit in 64 bits", "store the column as text", np.flatnonzero(large))
    return ("integer" if usual == "int" else "text"), (kinds == usual) & ~large


def _look_at_text(text: pd.Series[Any], good: NDArray[np.bool_], place: Location) -> None:
    decimal = np.flatnonzero(text.str.fullmatch(_DECIMAL).to_numpy(bool) & good)
    if len(decimal):
        found = f"the id {shown(text.iloc[decimal[0]])} is written with decimals, so it is text"
        place.warn(found, "write whole numbers if ids are numbers", decimal)
    blank = np.flatnonzero((text.str.strip() != text).to_numpy(bool) & good)
    if len(blank):
        place.warn(f"the id {shown(text.iloc[blank[0]])} has blanks around it, which count", "take them out", blank)


def _look_at_mixture(parts: Sequence[IdColumn]) -> None:
    """A few odd ones among integers make all ids text; that is rarely meant."""
    for part in parts:
        rows = part.not_integers
        if 0 < len(rows) * 10 <= part.good.sum():
            found = f"ids are integers but for such as {shown(part.cells.iloc[rows[0]])}, so all are read as text"
            part.place.warn(found, "mend those cells if they should be integers", rows)
