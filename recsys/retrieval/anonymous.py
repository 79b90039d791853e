"""Users whom the dataset does not have, under ids that no user of it has, and attributes that come with a request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from reprlib import repr as short

import numpy as np
import pandas as pd

from recsys.choices import did_you_mean
from recsys.data.entities import EntityTable
from recsys.data.ingest.cells import coerce, encodable, is_list
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.schema import Kind, Schema
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.errors import DataError

_ONE_VALUE = (Kind.CATEGORICAL, Kind.TEXT, Kind.IMAGE)
"""Kinds whose cells are texts; a list would count as its text."""


def with_anonymous(users: EntityTable, rows: Rows) -> EntityTable:
    """The users at ``rows``; each MISSING becomes an anonymous user, whose features are all missing.

    Args:
        users: the users of a dataset.
        rows: [U] distinct rows of ``users``, and MISSING any number of times.

    Returns:
        A table of U users. Anonymous users have ids that are not in ``users``, so an engine cannot take one for a
        user that it was trained on.

    Example:
        >>> users = EntityTable.bare(Vocabulary.of([3, 8]))
        >>> with_anonymous(users, np.array([MISSING, 1, MISSING])).vocabulary.ids.tolist()
        [-1, 8, -2]
    """
    known = rows != MISSING
    columns = users.columns.reindex(np.where(known, rows, len(users))).reset_index(drop=True)
    ids = np.empty(len(rows), users.vocabulary.ids.dtype)
    ids[known] = users.vocabulary.ids[rows[known]]
    ids[~known] = _unused_ids(users.vocabulary, int((~known).sum()))
    return EntityTable(Vocabulary(ids), columns, users.schema)


def anonymous_name(history: Sequence[object], columns: Mapping[str, object]) -> str:
    """What tells an anonymous user from others: a text of the history and the given columns; no id of data is like it.

    Args:
        history: ids of items, oldest first.
        columns: cells of user columns, see `given_cells`.

    Example:
        >>> anonymous_name([50, 181], {"age": 31})[1:]
        'anonymous [[50, 181], {"age": 31}]'
    """
    return f"\x00anonymous {json.dumps([history, columns], sort_keys=True, default=str)}"


def given_cells(attributes: pd.DataFrame) -> list[dict[str, object]]:
    """The cells that each of the rows has, by their columns.

    Example:
        >>> given_cells(pd.DataFrame({"age": [31.0, None], "team": ["a", "b"]}))
        [{'age': 31.0, 'team': 'a'}, {'team': 'b'}]
    """
    there = attributes.notna().to_dict("records")
    rows = zip(attributes.to_dict("records"), there, strict=True)
    return [{str(name): cell for name, cell in row.items() if known[name]} for row, known in rows]


def without_repeats(rows: Rows) -> list[Rows]:
    """Positions of ``rows`` in groups: a row occurs at most once in a group, MISSING any number of times.

    A `Request` must not hold a user twice, so the n-th occurrence of a user goes into the n-th group.

    Example:
        >>> [positions.tolist() for positions in without_repeats(np.array([5, MISSING, 5, 7, MISSING, 5]))]
        [[0, 1, 3, 4], [2], [5]]
    """
    met: dict[int, int] = {}
    groups: list[list[int]] = []
    for position, row in enumerate(rows.tolist()):
        group = 0 if row == MISSING else met.get(row, 0)
        met[row] = group + 1
        if group == len(groups):
            groups.append([])
        groups[group].append(position)
    return [np.array(group) for group in groups]


def typed_attributes(schema: Schema, rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The columns of ``rows`` that are columns of users, coerced to the kinds of ``schema``.

    Args:
        schema: of the users.
        rows: [n] rows; other columns are left out.
        name: of ``rows``, for messages.

    Returns:
        The columns as a dataset has them, with index 0..n-1. A value that no user of the training had is kept: engines
        and the fallback handle it as rare.

    Raises:
        DataError: a cell is not of the column's kind; names column, rows and cell. Or a column occurs twice.

    Example:
        >>> frame = pd.DataFrame({"user_id": [7], "age": ["31"]})
        >>> typed_attributes(Schema.of({"age": "numeric", "team": "categorical"}), frame, "users")["age"].tolist()
        [31.0]
    """
    issues = ValidationIssues()
    where = Location(issues, Path(name))
    cells = rows.reset_index(drop=True)
    check_once(cells)
    for column, kind in schema.columns.items():
        if column in cells:
            encodable(cells[column], where.at(column))
            if kind.kind in _ONE_VALUE:
                _refuse_lists(cells[column], where.at(column))
    issues.raise_errors()
    columns = {
        column: cells[column] if kind.kind is Kind.IGNORED else coerce(cells[column], kind, where.at(column))
        for column, kind in schema.columns.items()
        if column in cells
    }
    issues.raise_errors()
    return pd.DataFrame(columns, index=range(len(cells)))


def _refuse_lists(cells: Cells, location: Location) -> None:
    rows = np.flatnonzero([is_list(cell) or isinstance(cell, set | dict) for cell in cells])
    if len(rows):
        location.error(f"{short(cells.iloc[rows[0]])} is no single value", "give one value a cell", rows)


def check_once(rows: pd.DataFrame) -> None:
    """Checks that no two columns have the same name.

    Raises:
        DataError: names the first that occurs twice.
    """
    if len(twice := rows.columns[rows.columns.duplicated()]):
        raise DataError(f"the column {twice[0]!r} occurs twice; rename one, or leave it out")


def check_columns(schema: Schema, rows: pd.DataFrame, allowed: tuple[str, ...]) -> None:
    """Checks that each column of ``rows`` is one of ``allowed`` or a column of users.

    Raises:
        DataError: names the first other column, and those of users.
    """
    for column in rows.columns:
        if column not in allowed and column not in schema.columns:
            known = ", ".join(map(str, schema.columns)) or "none"
            hint = did_you_mean(str(column), map(str, schema.columns))
            raise DataError(f"users have no column {column!r}{hint or '.'} Columns of users in the data: {known}")


def with_attributes(users: EntityTable, cells: pd.DataFrame) -> EntityTable:
    """``users`` [n] with the cells of ``cells`` [n] that are not missing in place of their own."""
    if not len(cells.columns):
        return users
    columns = users.columns.copy()
    for name in cells.columns:
        given = np.flatnonzero(cells[name].notna().to_numpy())
        if len(given) == len(cells):
            columns[name] = cells[name].to_numpy() if columns[name].dtype == object else cells[name]
        elif len(given):
            columns[name] = cells[name].where(cells[name].notna(), columns[name])
    return EntityTable(users.vocabulary, columns, users.schema)


def _unused_ids(vocabulary: Vocabulary, n: int) -> list[object]:
    """``n`` ids that are not in ``vocabulary``, of the type of its ids.

    Integers count down from the lowest id of the vocabulary, or from 0, and go on from 2^63 - 1 after -2^63.
    """
    candidates: Iterator[object] = (f"\x00anonymous {number}" for number in count())
    if vocabulary.holds_integers:
        lowest = int(vocabulary.ids.min(initial=0))
        candidates = ((lowest - step + 2**63) % 2**64 - 2**63 for step in count(1))
    found: list[object] = []
    while len(found) < n:
        batch = list(islice(candidates, n - len(found)))
        found += [name for name, row in zip(batch, vocabulary.rows(batch), strict=True) if row == MISSING]
    return found
