"""Conditions between users and items, such as ``city == user.city``: the items that each user may get.

``user.NAME`` is the cell that the user has in a column of users. It stands wherever a value may, on either side, in a
list of values, and as a condition of its own: ``price <= user.budget``, ``user.language in languages``,
``brand in user.brands``, ``user.adult or not explicit``.

A comparison with a cell that the user does not have is left out of the condition, as if it were not written: of
``in_stock and city == user.city`` a user of unknown city gets what is in stock, and of ``national or city ==
user.city`` what is national. ``user.city is not None and city == user.city`` leaves such users without a list.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator, Set
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.data.ingest.cells import is_missing
from recsys.data.vocabulary import Rows, Vocabulary
from recsys.retrieval.rules.conditions import matching, parsed
from recsys.retrieval.rules.evaluator import Evaluator, user_column, user_columns

_KEPT = 2**26
"""Bytes of masks that are kept."""


@dataclass(frozen=True, eq=False)
class UserCondition:
    """A condition that names columns of users.

    Args:
        items: [I] the catalogue.
        text: the condition.
        names: the columns of users.
    """

    items: EntityTable
    text: str
    names: tuple[str, ...]
    _masks: dict[Hashable, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, items: EntityTable, users: EntityTable, text: str | None) -> UserCondition | None:
        """The condition, checked; None where ``text`` names no column of users.

        Raises:
            DataError: it is none, names a column that items or users do not have, or compares values of two kinds.

        Example:
            >>> import pandas as pd
            >>> from recsys.data.schema import Schema
            >>> from recsys.data.vocabulary import Vocabulary
            >>> city = Schema.of({"city": "categorical"})
            >>> items = EntityTable(Vocabulary.of([1, 2]), pd.DataFrame({"city": ["Bern", "Rome"]}), city)
            >>> users = EntityTable(Vocabulary.of([7, 8]), pd.DataFrame({"city": ["Rome", None]}), city)
            >>> condition = UserCondition.of(items, users, "city == user.city")
            >>> [(rows.tolist(), mask.tolist()) for rows, mask in condition.groups(users)]
            [([0], [False, True]), ([1], [True, True])]
        """
        names = () if text is None else tuple(dict.fromkeys(user_columns(parsed(text))))
        if text is None or not names:
            return None
        found = cls(items, text, names)
        cells = {
            name: column[column.notna()].iloc[:1] if name in names else column.iloc[:1]
            for name, column in users.columns.items()
        }
        one = pd.DataFrame({name: column.reset_index(drop=True) for name, column in cells.items()}, index=[0])
        found._met(EntityTable(Vocabulary.of([0]), one, users.schema))
        return found

    def groups(self, users: EntityTable) -> Iterator[tuple[Rows, NDArray[np.bool_]]]:
        """The rows of ``users`` who may get the same items, ascending, and bool [I], these items."""
        named = users.with_columns(list(self.names))
        codes = named.columns.groupby(list(self.names), dropna=False, sort=False, observed=True).ngroup().to_numpy()
        order = np.argsort(codes, kind="stable")
        alike = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []
        first = named.columns.iloc[[rows[0] for rows in alike]]
        cells = [
            [None if missing else cell for cell, missing in zip(first[name], is_missing(first[name]), strict=True)]
            for name in self.names
        ]
        masks: dict[bytes, list[Rows]] = {}
        for rows, key in zip(alike, zip(*cells, strict=True), strict=True):
            masks.setdefault(self._mask(key, named, rows[0]), []).append(rows)
        for mask, parts in masks.items():
            met = np.unpackbits(np.frombuffer(mask, np.uint8), count=len(self.items)).view(bool)
            yield np.sort(np.concatenate(parts)), met

    def told(self, users: EntityTable, eligible: NDArray[np.bool_]) -> str:
        """How many of ``users`` lack a value, and how many get none of the items ``eligible`` [I]."""
        lack = np.logical_or.reduce([is_missing(users.columns[name]) for name in self.names])
        columns = " and ".join(self.names)
        told = (
            f"where = {self.text!r} is asked for each user: {lack.sum():,} of {len(users):,} have no {columns}, and "
            "comparisons with a missing value are left out for them"
        )
        without = sum(len(rows) for rows, mask in self.groups(users) if not (mask & eligible).any())
        return told + f"; no item meets it for {without:,}, who get no list" * (without > 0)

    def _mask(self, key: Hashable, users: EntityTable, row: int) -> bytes:
        """The items that the user at ``row``, with the cells ``key``, may get: I packed bits."""
        if key not in self._masks:
            if len(self._masks) * len(self.items) > 8 * _KEPT:
                self._masks.clear()
            self._masks[key] = np.packbits(self._met(users.take(np.array([row])))).tobytes()
        return self._masks[key]

    def _met(self, user: EntityTable) -> NDArray[np.bool_]:
        lacking = frozenset(name for name in self.names if name in user.columns and is_missing(user.columns[name])[0])
        left = _without(parsed(self.text), lacking)
        return (
            np.ones(len(self.items), bool) if left is None else Evaluator(self.items, self.text, user).truth(left).met
        )


def check_condition(text: str | None, users: EntityTable, items: EntityTable) -> None:
    """Checks that the columns of a condition are there, and are compared with values of their kinds.

    Raises:
        DataError: one is not.
    """
    if text is not None and UserCondition.of(items, users, text) is None:
        matching(items, text)


def _without(node: ast.expr, lacking: Set[str]) -> ast.expr | None:
    """``node`` without the comparisons with columns of users that are ``lacking``; None where nothing is left."""
    if lacking.isdisjoint(user_columns(node)):
        return node
    if isinstance(node, ast.BoolOp):
        return _joined(node.op, [_without(part, lacking) for part in node.values])
    if isinstance(node, ast.UnaryOp):
        inner = _without(node.operand, lacking)
        return None if inner is None else ast.UnaryOp(node.op, inner)
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return _joined(ast.And(), [_pair(left, op, right, lacking) for left, op, right in pairs])
    return None


def _pair(left: ast.expr, op: ast.cmpop, right: ast.expr, lacking: Set[str]) -> ast.expr | None:
    if isinstance(right, ast.List | ast.Tuple | ast.Set):
        right = ast.List([part for part in right.elts if user_column(part) not in lacking])
        if not right.elts:
            return None
    lacks = bool({user_column(left), user_column(right)} & lacking)
    return None if lacks and not isinstance(op, ast.Is | ast.IsNot) else ast.Compare(left, [op], [right])


def _joined(op: ast.boolop, parts: list[ast.expr | None]) -> ast.expr | None:
    left = [part for part in parts if part is not None]
    return ast.BoolOp(op, left) if len(left) > 1 else next(iter(left), None)
