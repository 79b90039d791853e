"""Conditions on the columns of items, such as ``in_stock and price < 100``.

The grammar is a small part of Python's: ``and``, ``or``, ``not``; ``==``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, also
chained; ``in`` and ``not in`` with a list of values, or of a tag in a column of tags; ``is None`` and ``is not None``;
the bare name of a column of yes and no. Names that are no identifiers stand in backticks. A text is parsed, never
executed.

A missing cell is unknown, as NULL in SQL: it meets no comparison, and no ``not`` of one. ``user.NAME`` in
``recommend.where`` is the user's cell of a column of users, see `recsys.retrieval.rules.by_user`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from recsys.data.entities import EntityTable
from recsys.errors import DataError
from recsys.retrieval.rules.evaluator import Evaluator, column_name, user_columns

_LONGEST = 2000
_ELSEWHERE = (
    (r"(?<![=<>!])=(?!=)", "=", "=="),
    (r"<>", "<>", "!="),
    (r"&&|\bAND\b", "AND or &&", "and"),
    (r"\|\||\bOR\b", "OR or ||", "or"),
    (r"\bNOT\b|!(?!=)", "NOT or !", "not"),
    (r"(?i)\bis\s+(not\s+)?null\b", "NULL", "None"),
)
"""Pattern of an operator that is not of the grammar, its name, and what is written here."""


def matching(items: EntityTable, condition: str) -> NDArray[np.bool_]:
    """Bool [n]: whether each item meets the condition.

    Args:
        items: the catalogue, whose columns the condition names.
        condition: the text.

    Raises:
        DataError: it is not of the grammar, names a column that items do not have, or compares a column with a value of
            another kind.

    Example:
        >>> import pandas as pd
        >>> from recsys.data.schema import Schema
        >>> from recsys.data.vocabulary import Vocabulary
        >>> cells = pd.DataFrame({"price": [5.0, 200.0, None], "in_stock": ["yes", "yes", "no"]})
        >>> schema = Schema.of({"price": "numeric", "in_stock": "categorical"})
        >>> matching(EntityTable(Vocabulary.of([1, 2, 3]), cells, schema), "in_stock and price < 100").tolist()
        [True, False, False]
    """
    return Evaluator(items, condition).truth(parsed(condition)).met


def names_users(condition: str) -> bool:
    """Whether a condition names columns of users."""
    return any(user_columns(parsed(condition)))


def item_columns(condition: str) -> Iterator[str]:
    """The columns of items that a condition names; with the word ``user`` where it names columns of users.

    Example:
        >>> list(item_columns("`in stock` and price < 100"))
        ['in stock', 'price']
    """
    nodes = (part for part in ast.walk(parsed(condition)) if isinstance(part, ast.expr))
    names = (column_name(part) for part in nodes)
    return (name for name in names if name is not None and name != "__column__")


def check_syntax(condition: str) -> None:
    """Checks the grammar of a condition without a catalogue, as far as it does not depend on columns.

    Raises:
        DataError: it is none.
    """
    parsed(condition)


def _is_a_condition(where: str) -> str:
    try:
        check_syntax(where)
    except DataError as error:
        raise ValueError(str(error)) from error
    return where


def _is_of_items(where: str) -> str:
    if named := [*user_columns(parsed(_is_a_condition(where)))]:
        raise ValueError(f"where = {where!r}: user.{named[0]} stands in recommend.where alone; name columns of items")
    return where


Condition = Annotated[str, AfterValidator(_is_a_condition)]
"""The type of a config's key that holds a condition, whose grammar is checked as the config is read."""
ItemCondition = Annotated[str, AfterValidator(_is_of_items)]
"""The same, of a condition that names no columns of users."""


def parsed(condition: str) -> ast.expr:
    """The expression of a condition.

    Raises:
        DataError: it is none.
    """
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
