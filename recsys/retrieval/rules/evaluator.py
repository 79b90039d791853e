"""Evaluation of conditions: three-valued truth for all items at once, for nobody or for one user."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.choices import did_you_mean
from recsys.data.entities import EntityTable
from recsys.data.ingest.cells import is_missing, seconds
from recsys.data.schema import Column, Kind, split_tags
from recsys.errors import DataError

_YES, _NO = {"true", "yes", "y", "t", "1", "1.0"}, {"false", "no", "n", "f", "0", "0.0"}
_Value = int | float | str | bool
_COMPARE: dict[type[ast.cmpop], Any] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class _Truth(NamedTuple):
    """Three-valued truth of a condition for each item, bool [n] each; where it is not known, ``met`` is False."""

    met: NDArray[np.bool_]
    known: NDArray[np.bool_]


def column_name(node: ast.expr) -> str | None:
    """The column that a node names; None where it is no name."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__column__":
        argument = node.args[0]
        return str(argument.value) if isinstance(argument, ast.Constant) else None
    return node.id if isinstance(node, ast.Name) else None


def user_column(node: ast.AST) -> str | None:
    """The column of users that ``user.NAME`` names; None where a node is something else."""
    inner = node.func if isinstance(node, ast.Call) else node
    if not (isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "user"):
        return None
    if isinstance(node, ast.Call):
        return column_name(ast.Call(ast.Name(inner.attr), node.args, []))
    return None if inner.attr == "__column__" else inner.attr


def user_columns(node: ast.expr) -> Iterator[str]:
    """The columns of users that an expression names."""
    return (name for part in ast.walk(node) if (name := user_column(part)) is not None)


class Evaluator:
    """Evaluates the nodes of a condition over all items at once.

    Args:
        items: the catalogue; or users, of whom a condition is asked.
        text: the condition, for messages.
        user: the user whose cells ``user.NAME`` are; None where there is none.
        whose: what ``items`` are, for messages.
    """

    def __init__(self, items: EntityTable, text: str, user: EntityTable | None = None, whose: str = "items") -> None:
        self._items, self._text, self._user, self._whose = items, text, user, whose

    def truth(self, node: ast.expr) -> _Truth:
        if isinstance(node, ast.BoolOp):
            return self._joined(isinstance(node.op, ast.And), [self.truth(part) for part in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(node.operand)
            return _Truth(inner.known & ~inner.met, inner.known)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        name = column_name(node)
        if (theirs := user_column(node)) is not None:
            return self._broadcast(self._of_user(theirs)._flag(theirs))
        if name is None:
            raise self._fault(
                f"{ast.unparse(node)} is not allowed here; the condition is made of columns and comparisons"
            )
        return self._flag(name)

    def _joined(self, every: bool, parts: list[_Truth]) -> _Truth:
        met, missed = np.array([part.met for part in parts]), np.array([part.known & ~part.met for part in parts])
        first, other = (np.logical_and, np.logical_or) if every else (np.logical_or, np.logical_and)
        found: NDArray[np.bool_] = first.reduce(met)
        return _Truth(found, found | other.reduce(missed))

    def _compared(self, node: ast.Compare) -> _Truth:
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return self._joined(True, [self._pair(left, op, right) for left, op, right in pairs])

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Truth:
        first, second = column_name(left), column_name(right)
        theirs = [user_column(side) for side in (left, right)]
        if any(theirs) and first is second is None:
            sides = [side if name is None else ast.Name(name) for side, name in zip((left, right), theirs, strict=True)]
            user = self._of_user(next(name for name in theirs if name))
            return self._broadcast(user._pair(sides[0], op, sides[1]))
        for ours, name in ((first, theirs[1]), (second, theirs[0])):
            if ours is not None and name is not None:
                self._check_alike(ours, name)
        if isinstance(op, ast.In | ast.NotIn):
            found = self._within(left, right)
            return found if isinstance(op, ast.In) else _Truth(found.known & ~found.met, found.known)
        if isinstance(op, ast.Is | ast.IsNot):
            if first is None or not (isinstance(right, ast.Constant) and right.value is None):
                raise self._fault("is stands between a column and None")
            missing, every = is_missing(self._cells(first)), np.ones(len(self._items), bool)
            return _Truth(missing if isinstance(op, ast.Is) else ~missing, every)
        if (first is None) == (second is None):
            raise self._fault(f"{ast.unparse(left)} and {ast.unparse(right)}: compare a column with a value")
        if first is None:
            assert second is not None
            return self._column(second, _MIRRORED.get(type(op), type(op)), self._value(left))
        return self._column(first, type(op), self._value(right))

    def _column(self, name: str, op: type[ast.cmpop], value: _Value) -> _Truth:
        """The comparison of a column with one value."""
        cells, kind = self._cells(name), self._items.schema.columns[name].kind
        if kind is Kind.TAGS:
            raise self._fault(f"{name} has several tags an item; write {value!r} in {name}")
        known = ~is_missing(cells)
        if isinstance(value, bool):
            if op not in (ast.Eq, ast.NotEq):
                raise self._fault(f"{name} is compared with {value}; use == or !=")
            flag = self._flag(name)
            met = flag.met if value is (op is ast.Eq) else flag.known & ~flag.met
            return _Truth(met, flag.known)
        numbers, right = self._comparable(name, cells, kind, value)
        if numbers is None:
            if op not in (ast.Eq, ast.NotEq) and not isinstance(value, str):
                raise self._fault(f"{name} holds texts and is compared with the number {value}")
            texts = cells.astype(str).to_numpy(object)
            met = np.asarray(_COMPARE[op](texts, str(right)), bool)
        else:
            known, met = known & ~np.isnan(numbers), np.asarray(_COMPARE[op](numbers, right), bool)
        return _Truth(met & known, known)

    def _comparable(
        self, name: str, cells: pd.Series, kind: Kind, value: _Value
    ) -> tuple[NDArray[np.float64] | None, _Value]:
        """The column as numbers, or None where it is compared as text, and the value to compare it with."""
        if kind is Kind.TIME and isinstance(value, str):
            moment = float(seconds(pd.Series([value])).iloc[0])
            if np.isnan(moment):
                raise self._fault(f"{name} is a time and {value!r} none; write a date as 2024-05-31")
            value = moment
        if isinstance(value, str):
            if kind in (Kind.NUMERIC, Kind.TIME):
                raise self._fault(f"{name} holds numbers and is compared with the text {value!r}")
            return None, value
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        all_numbers = not bool((np.isnan(numbers) & ~is_missing(cells)).any())
        return (numbers, value) if all_numbers or kind in (Kind.NUMERIC, Kind.TIME) else (None, value)

    def _within(self, left: ast.expr, right: ast.expr) -> _Truth:
        """``column in [values]``, or ``"tag" in column``."""
        if (theirs := user_column(right)) is not None:
            column, cells = self._of_user(theirs)._tags(theirs, left)
            own = split_tags(str(cells.iloc[0]), column.separator) or [""]
            return self._joined(False, [self._column(str(column_name(left)), ast.Eq, tag) for tag in own])
        name = column_name(right)
        if name is not None:
            column, cells = self._tags(name, left)
            tag = str(self._value(left))
            known = ~is_missing(cells)
            met = [k and tag in split_tags(str(c), column.separator) for c, k in zip(cells, known, strict=True)]
            return _Truth(np.array(met, bool), known)
        name = column_name(left)
        if name is None or not isinstance(right, ast.List | ast.Tuple | ast.Set):
            raise self._fault("in stands between a column and a list of values, or between a tag and a column of tags")
        for part in right.elts:
            if (theirs := user_column(part)) is not None:
                self._check_alike(name, theirs)
        return self._joined(False, [self._column(name, ast.Eq, self._value(part)) for part in right.elts])

    def _tags(self, name: str, left: ast.expr) -> tuple[Column, pd.Series]:
        cells = self._cells(name)
        column = self._items.schema.columns[name]
        if column.kind is not Kind.TAGS:
            raise self._fault(f"{self._own(name)} is no column of tags; write {self._own(name)} == {ast.unparse(left)}")
        return column, cells

    def _flag(self, name: str) -> _Truth:
        """A column of yes and no, or of numbers, where 0 is no."""
        cells = self._cells(name)
        known = ~is_missing(cells)
        if pd.api.types.is_numeric_dtype(cells):
            return _Truth(known & (cells.fillna(0).to_numpy(np.float64) != 0), known)
        words = cells.astype(str).str.strip().str.lower()
        wrong = np.flatnonzero(known & ~words.isin(_YES | _NO).to_numpy())
        if len(wrong):
            cell = cells.iloc[wrong[0]]
            raise self._fault(f"{name} holds {cell!r}, neither yes nor no; compare it, as {name} == {cell!r}")
        return _Truth(known & words.isin(_YES).to_numpy(), known)

    def _cells(self, name: str) -> pd.Series:
        columns = self._items.columns
        if name not in columns:
            raise self._fault(
                f"{self._whose} have no column {name!r}{did_you_mean(name, map(str, columns)) or '.'} "
                f"They have: {', '.join(map(str, columns)) or 'none'}"
            )
        return columns[name]

    def _value(self, node: ast.expr) -> _Value:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._value(node.operand)
            if isinstance(inner, int | float) and not isinstance(inner, bool):
                return -inner
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
            return node.value
        if (name := user_column(node)) is not None:
            return self._of_user(name)._cell(name)
        raise self._fault(f"{ast.unparse(node)} is no value; write a number, a text in quotes, True or False")

    def _of_user(self, name: str) -> Evaluator:
        """The evaluator of the one user."""
        if self._user is None:
            raise self._fault(f"user.{name} stands in recommend.where alone; name columns of items")
        return Evaluator(self._user, self._text, whose="users")

    def _cell(self, name: str) -> _Value:
        """The value of the first row."""
        cell, kind = self._cells(name).iloc[0], self._items.schema.columns[name].kind
        if kind is Kind.TAGS:
            raise self._fault(f"user.{name} has several values; write COLUMN in user.{name}")
        return str(cell) if self._kind(name) == "texts" else float(cell)

    def _broadcast(self, truth: _Truth) -> _Truth:
        """What is true of the user, of each item."""
        met, known = (np.full(len(self._items), part[0]) for part in truth)
        return _Truth(met, known)

    def _check_alike(self, name: str, theirs: str) -> None:
        """Checks that an item column and a column of users hold values of one kind; tags are texts."""
        mine, other = self._kind(name), self._of_user(theirs)._kind(theirs)
        if mine != other:
            raise self._fault(
                f"{name} holds {mine} and user.{theirs} {other}; compare columns of one kind, or mend one of the kinds "
                "in data.item_schema or data.user_schema"
            )

    def _kind(self, name: str) -> str:
        cells, kind = self._cells(name), self._items.schema.columns[name].kind
        if kind in (Kind.IMAGE, Kind.EMBEDDING):
            raise self._fault(f"{self._own(name)} is a column of the kind {kind}, which is not compared")
        if kind is Kind.TIME:
            return "times"
        numeric = kind is Kind.NUMERIC or (kind is Kind.IGNORED and pd.api.types.is_numeric_dtype(cells))
        return "numbers" if numeric else "texts"

    def _own(self, name: str) -> str:
        return name if self._whose == "items" else f"user.{name}"

    def _fault(self, reason: str) -> DataError:
        return DataError(f"where = {self._text!r}: {reason}")
