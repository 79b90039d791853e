"""Conditions on the columns of items, such as ``in_stock and price < 100``.

The grammar is a small part of Python's: ``and``, ``or``, ``not``; ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, also
chained; ``in`` and ``not in`` with a list of values, or of a tag in a column of tags; ``is None`` and ``is not None``;
the bare name of a column of yes and no. Names that are no identifiers stand in backticks. A text is parsed, never
executed.

A missing cell is unknown, as NULL in SQL: it meets no comparison, and no ``not`` of one.
"""

from __future__ import annotations

import ast
import operator
import re
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator

from recsys.choices import did_you_mean
from recsys.data.entities import EntityTable
from recsys.data.ingest.cells import is_missing, seconds
from recsys.data.schema import Kind, split_tags
from recsys.errors import DataError

_LONGEST = 2000
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
_ELSEWHERE = (
    (r"(?<![=<>!])=(?!=)", "=", "=="),
    (r"<>", "<>", "!="),
    (r"&&|\bAND\b", "AND or &&", "and"),
    (r"\|\||\bOR\b", "OR or ||", "or"),
    (r"\bNOT\b|!(?!=)", "NOT or !", "not"),
    (r"(?i)\bis\s+(not\s+)?null\b", "NULL", "None"),
)
"""Pattern of an operator that is not of the grammar, its name, and what is written here."""
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


class _Truth(NamedTuple):
    """Three-valued truth of a condition for each item, bool [n] each; where it is not known, ``met`` is False."""

    met: NDArray[np.bool_]
    known: NDArray[np.bool_]


def matching(items: EntityTable, condition: str) -> NDArray[np.bool_]:
    """Bool [n]: whether each item meets the condition.

    Args:
        items: the catalogue, whose columns the condition names.
        condition: the text.

    Raises:
        DataError: it is not of the grammar, names a column that items do not have, or compares a column with a value of
            another kind.

    Example:
        >>> from recsys.data.schema import Schema
        >>> from recsys.data.vocabulary import Vocabulary
        >>> cells = pd.DataFrame({"price": [5.0, 200.0, None], "in_stock": ["yes", "yes", "no"]})
        >>> schema = Schema.of({"price": "numeric", "in_stock": "categorical"})
        >>> matching(EntityTable(Vocabulary.of([1, 2, 3]), cells, schema), "in_stock and price < 100").tolist()
        [True, False, False]
    """
    return _Condition(items, condition).truth(_parsed(condition)).met


def check_syntax(condition: str) -> None:
    """Checks the grammar of a condition without a catalogue, as far as it does not depend on columns.

    Raises:
        DataError: it is none.
    """
    _parsed(condition)


def _is_a_condition(where: str) -> str:
    try:
        check_syntax(where)
    except DataError as error:
        raise ValueError(str(error)) from error
    return where


Condition = Annotated[str, AfterValidator(_is_a_condition)]
"""The type of a config's key that holds a condition, whose grammar is checked as the config is read."""


def _parsed(condition: str) -> ast.expr:
    if len(condition) > _LONGEST:
        raise DataError(f"where has {len(condition)} characters; the longest condition has {_LONGEST}")
    try:
        text = re.sub("`([^`]*)`", lambda found: f"__column__({found.group(1)!r})", condition)
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        remedy = _written_otherwise(condition) or "write one as in_stock and price < 100"
        raise DataError(f"where = {condition!r} is no condition ({reason}); {remedy}") from error


def _written_otherwise(condition: str) -> str:
    """A hint at the operators of SQL and other languages in a condition; empty where there is none."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "''", condition)
    found = [f"{right} for {wrong}" for pattern, wrong, right in _ELSEWHERE if re.search(pattern, bare)]
    return f"write {', '.join(found)}" if found else ""


class _Condition:
    """Evaluates the nodes of a condition over all items at once."""

    def __init__(self, items: EntityTable, text: str) -> None:
        self._items, self._text = items, text

    def truth(self, node: ast.expr) -> _Truth:
        if isinstance(node, ast.BoolOp):
            return self._joined(isinstance(node.op, ast.And), [self.truth(part) for part in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(node.operand)
            return _Truth(inner.known & ~inner.met, inner.known)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        name = self._name(node)
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
        first, second = self._name(left), self._name(right)
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
        name = self._name(right)
        if name is not None:
            column, cells = self._items.schema.columns.get(name), self._cells(name)
            if column is None or column.kind is not Kind.TAGS:
                raise self._fault(f"{name} is no column of tags; write {name} == {ast.unparse(left)}")
            tag = str(self._value(left))
            known = ~is_missing(cells)
            met = [k and tag in split_tags(str(c), column.separator) for c, k in zip(cells, known, strict=True)]
            return _Truth(np.array(met, bool), known)
        name = self._name(left)
        if name is None or not isinstance(right, ast.List | ast.Tuple | ast.Set):
            raise self._fault("in stands between a column and a list of values, or between a tag and a column of tags")
        return self._joined(False, [self._column(name, ast.Eq, self._value(part)) for part in right.elts])

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

    def _name(self, node: ast.expr) -> str | None:
        """The column that a node names; None where it is no name."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__column__":
            argument = node.args[0]
            return str(argument.value) if isinstance(argument, ast.Constant) else None
        return node.id if isinstance(node, ast.Name) else None

    def _cells(self, name: str) -> pd.Series:
        columns = self._items.columns
        if name not in columns:
            raise self._fault(
                f"items have no column {name!r}{did_you_mean(name, map(str, columns)) or '.'} "
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
        raise self._fault(f"{ast.unparse(node)} is no value; write a number, a text in quotes, True or False")

    def _fault(self, reason: str) -> DataError:
        return DataError(f"where = {self._text!r}: {reason}")
