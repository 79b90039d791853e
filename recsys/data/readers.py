"""Readers: CSV and Parquet files become a `Dataset`, ids unchanged, every error found before anything is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.infer import infer_schema
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind, Schema
from recsys.data.vocabulary import Ids, Vocabulary, as_ids
from recsys.errors import DataError


class InteractionColumns(Config):
    """Which column of the interactions is what.

    Args:
        user_id: who.
        item_id: what.
        time: when: seconds since 1970 UTC, or ISO dates.
        order: instead of a time, the position within the user. With neither given, a column ``timestamp`` is the
            time, else ``position`` the order, else there is no order.
        weight: how much, positive.
        event: the type of the event.
        event_weights: event type -> weight; types that are not named are an error.
    """

    user_id: str = "user_id"
    item_id: str = "item_id"
    time: str | None = None
    order: str | None = None
    weight: str | None = None
    event: str | None = None
    event_weights: dict[str, float] = Field(default_factory=dict)


class DataConfig(Config):
    """Where the tables are and how to read them.

    Args:
        name: what reports call the data; by default the source or the folder.
        source: a named public data set (`recsys.data.sources`) that fills what is not given below.
        interactions: CSV or Parquet.
        users: CSV or Parquet with a column ``user_id`` and any others.
        items: the same with ``item_id``.
        test_interactions: the test file of a given split.
        columns: which column is what.
        user_schema: column -> kind, where the inferred kind is to be corrected.
        item_schema: the same for items; ``tags:;`` gives tags another separator than ``|``.
        duplicates: what to do with rows that repeat user, item and time.
        missing: texts in the users and items tables that stand for a missing cell.
        unknown_ids: whether ids that the users or items table lacks are an error; added, their cells are missing.
    """

    name: str = ""
    source: str | None = None
    interactions: Path | None = None
    users: Path | None = None
    items: Path | None = None
    test_interactions: Path | None = None
    columns: InteractionColumns = InteractionColumns()
    user_schema: dict[str, str] = Field(default_factory=dict)
    item_schema: dict[str, str] = Field(default_factory=dict)
    duplicates: Literal["error", "first", "last", "keep"] = "error"
    missing: tuple[str, ...] = ()
    unknown_ids: Literal["error", "add"] = "add"


def read_table(path: Path) -> pd.DataFrame:
    """A CSV (``.csv``, ``.csv.gz``, ``.tsv``) or Parquet file.

    Raises:
        DataError: the file is missing, empty, truncated, not UTF-8, or of a format that is not known.
    """
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        elif path.name.endswith((".csv", ".csv.gz")):
            frame = pd.read_csv(path, encoding="utf-8", low_memory=False)
        elif path.name.endswith((".tsv", ".tsv.gz")):
            frame = pd.read_csv(path, sep="\t", encoding="utf-8", low_memory=False)
        else:
            raise DataError(f"{path}: expected .csv, .tsv or .parquet; convert the file or rename it")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; check the path in the config's [data] section") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}); convert it, as with iconv -t utf-8") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; it needs a header and rows") from error
    except (pd.errors.ParserError, ValueError, OSError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read ({reason}); it may be truncated: write it again") from error
    if not all(isinstance(name, str) for name in frame.columns):
        raise DataError(f"{path}: column names must be text, found {list(frame.columns)[:5]}")
    return frame.reset_index(drop=True)


def rows_text(rows: NDArray[np.integer]) -> str:
    """Row numbers for a message, counted from 1 after the header.

    Example:
        >>> rows_text(np.array([0, 4]))
        'rows 1, 5'
    """
    shown = ", ".join(str(int(row) + 1) for row in rows[:5])
    return f"row{'s' if len(rows) > 1 else ''} {shown}" + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")


def read_ids(frame: pd.DataFrame, column: str, path: Path) -> Ids:
    """The ids of a column, unchanged: int64, or str.

    Raises:
        DataError: the column is missing, has missing or fractional values, or mixes integers and text.
    """
    if column not in frame.columns:
        raise DataError(f"{path}: no column {column!r}; it has {list(frame.columns)[:12]}. Map it in [data.columns]")
    cells = frame[column]
    missing = np.flatnonzero(cells.isna().to_numpy())
    if len(missing):
        raise DataError(f"{path}, column {column!r}, {rows_text(missing)}: the id is missing; fill it or drop the rows")
    if pd.api.types.is_float_dtype(cells):
        raise DataError(f"{path}, column {column!r}: ids are fractional or too large numbers; write them as text")
    if pd.api.types.is_integer_dtype(cells):
        return as_ids(cells.to_numpy())
    if pd.api.types.is_bool_dtype(cells) or pd.api.types.is_datetime64_any_dtype(cells):
        raise DataError(f"{path}, column {column!r}: ids must be integers or text, found {cells.dtype}")
    values = cells.to_numpy(dtype=object)
    kinds = {type(value) for value in values.tolist()}
    if kinds == {int} or kinds == {str}:
        return as_ids(values)
    if kinds <= {int, str, float}:
        return np.array([str(value) for value in values], dtype=object)
    raise DataError(
        f"{path}, column {column!r}: ids must be integers or text, found {sorted(k.__name__ for k in kinds)}"
    )


def read_entities(
    path: Path | None, column: str, kinds: dict[str, str], missing: tuple[str, ...] = ()
) -> tuple[Ids, pd.DataFrame, Schema] | None:
    """A table of users or items: ids, columns and schema; None without a file.

    Raises:
        DataError: ids are unusable or repeated.
        ConfigError: the schema names an unknown kind.
    """
    if path is None:
        return None
    frame = read_table(path)
    ids = read_ids(frame, column, path)
    twice = np.flatnonzero(pd.Index(ids).duplicated())
    if len(twice):
        raise DataError(
            f"{path}, column {column!r}, {rows_text(twice)}: the id {ids[twice[0]]!r} "
            "stands there before; keep one row an id"
        )
    columns = frame.drop(columns=[column])
    if missing:
        columns = columns.mask(columns.isin(list(missing)))
    unknown = sorted(set(kinds) - set(columns.columns))
    if unknown:
        raise DataError(f"{path}: the schema names {unknown}, the table has {list(columns.columns)}")
    given, inferred = Schema.of(kinds), infer_schema(columns, path.parent)
    schema = Schema({name: given.columns.get(name, column) for name, column in inferred.columns.items()})
    return ids, _tidy(columns, schema, path), schema


def read_dataset(config: DataConfig) -> Dataset:
    """The tables of ``config``, which `recsys.data.sources.resolve` has filled.

    With a test file the dataset holds train and test together; `read_given` tells them apart.

    Raises:
        DataError: the first thing that cannot be used; `recsys.data.validate` lists all of them.
    """
    if config.interactions is None:
        raise DataError("no interactions: set data.interactions to a file, or data.source to a named data set")
    paths = [config.interactions, *([config.test_interactions] if config.test_interactions else [])]
    parts = [_read_events(path, config) for path in paths]
    users = read_entities(config.users, config.columns.user_id, config.user_schema, config.missing)
    items = read_entities(config.items, config.columns.item_id, config.item_schema, config.missing)
    user_table = _table([part.user for part in parts], users, config, "user")
    item_table = _table([part.item for part in parts], items, config, "item")
    events = [part.to_interactions(user_table.vocabulary, item_table.vocabulary) for part in parts]
    joined = events[0] if len(events) == 1 else events[0].joined(events[1])
    name = config.name or config.source or config.interactions.parent.name
    return Dataset(name, user_table, item_table, joined, parts[0].clock)


def read_given(config: DataConfig, data: Dataset) -> tuple[Interactions, Interactions]:
    """Train and test interactions of a given split, in the rows of ``data``.

    Raises:
        DataError: there is no test file.
    """
    if config.interactions is None or config.test_interactions is None:
        raise DataError("the split 'given' needs data.test_interactions, the file of test interactions")
    users, items = data.users.vocabulary, data.items.vocabulary
    train, test = (
        _read_events(p, config).to_interactions(users, items) for p in (config.interactions, config.test_interactions)
    )
    return train, test


class _Events:
    """Interactions as they stand in the file, checked."""

    def __init__(self, user: Ids, item: Ids, time: NDArray[np.int64], weight: NDArray[np.float32], clock: bool) -> None:
        self.user, self.item, self.time, self.weight, self.clock = user, item, time, weight, clock

    def to_interactions(self, users: Vocabulary, items: Vocabulary) -> Interactions:
        return Interactions.of(users.rows(self.user), items.rows(self.item), self.time, self.weight)


def _read_events(path: Path, config: DataConfig) -> _Events:
    frame, columns = read_table(path), config.columns
    if not len(frame):
        raise DataError(f"{path} has no rows; there is nothing to learn from")
    user, item = read_ids(frame, columns.user_id, path), read_ids(frame, columns.item_id, path)
    name, clock = time_column(frame, columns, path)
    if name is None:
        time = np.zeros(len(frame), np.int64)
    else:
        time = read_times(frame[name], path, name) if clock else _whole(frame[name], path, name)
    weight = _weights(frame, columns, path)
    keep = _distinct(user, item, time, path, config.duplicates)
    return _Events(user[keep], item[keep], time[keep], weight[keep], clock)


def time_column(frame: pd.DataFrame, columns: InteractionColumns, path: Path) -> tuple[str | None, bool]:
    """The column that orders the interactions, and whether it is a clock.

    Raises:
        DataError: the config names a column that the table lacks.
    """
    for name, clock in ((columns.time, True), (columns.order, False)):
        if name is not None:
            if name not in frame.columns:
                raise DataError(
                    f"{path}: no column {name!r}; it has {list(frame.columns)[:12]}. Map it in [data.columns]"
                )
            return name, clock
    if "timestamp" in frame.columns:
        return "timestamp", True
    return ("position", False) if "position" in frame.columns else (None, False)


def read_times(cells: pd.Series[Any], path: Path, column: str) -> NDArray[np.int64]:
    """Seconds since 1970 UTC, from numbers or dates.

    Raises:
        DataError: times are missing, negative, in milliseconds or not times.
    """
    seconds = _as_seconds(cells, path, column)
    where = f"{path}, column {column!r}"
    for bad, reason in (
        (~np.isfinite(seconds), "the time is missing; fill it, or use an order column"),
        (seconds < 0, "the time is negative; times are seconds since 1970 UTC"),
        (seconds >= 1e11, "the time lies after the year 5000: it is in milliseconds or finer; divide by 1000"),
    ):
        if bad.any():
            raise DataError(f"{where}, {rows_text(np.flatnonzero(bad))}: {reason}")
    return seconds.astype(np.int64)


def _as_seconds(cells: pd.Series[Any], path: Path, column: str) -> NDArray[np.float64]:
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        return cells.to_numpy(np.float64, na_value=np.nan)
    moments = pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601")
    wrong = np.flatnonzero((moments.isna() & cells.notna()).to_numpy())
    if len(wrong):
        raise DataError(
            f"{path}, column {column!r}, {rows_text(wrong)}: {str(cells.iloc[wrong[0]])[:40]!r} is no time; "
            "give seconds since 1970 UTC or ISO dates"
        )
    since = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(since.to_numpy(np.float64))


def _numbers(cells: pd.Series[Any], path: Path, column: str) -> NDArray[np.float64]:
    numbers = np.asarray(pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan))
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise DataError(
            f"{path}, column {column!r}, {rows_text(wrong)}: {str(cells.iloc[wrong[0]])[:40]!r} is no number; "
            "mend the cells"
        )
    return numbers


def _whole(cells: pd.Series[Any], path: Path, column: str) -> NDArray[np.int64]:
    numbers = _numbers(cells, path, column)
    wrong = np.flatnonzero((numbers != np.round(numbers)) | (np.abs(numbers) > 2**53))
    if len(wrong):
        raise DataError(f"{path}, column {column!r}, {rows_text(wrong)}: a position must be a whole number")
    return numbers.astype(np.int64)


def _weights(frame: pd.DataFrame, columns: InteractionColumns, path: Path) -> NDArray[np.float32]:
    weight = np.ones(len(frame))
    if columns.weight is not None:
        if columns.weight not in frame.columns:
            raise DataError(f"{path}: no column {columns.weight!r} for the weight; it has {list(frame.columns)[:12]}")
        weight = _numbers(frame[columns.weight], path, columns.weight)
    if columns.event is not None:
        if columns.event not in frame.columns:
            raise DataError(f"{path}: no column {columns.event!r} for the event; it has {list(frame.columns)[:12]}")
        factors = frame[columns.event].astype(str).map(columns.event_weights).to_numpy(np.float64, na_value=np.nan)
        if np.isnan(factors).any():
            row = int(np.flatnonzero(np.isnan(factors))[0])
            raise DataError(
                f"{path}, column {columns.event!r}, row {row + 1}: the event "
                f"{str(frame[columns.event].iloc[row])[:40]!r} has no weight; name it in data.columns.event_weights"
            )
        weight = weight * factors
    wrong = np.flatnonzero(~((weight > 0) & (weight < 1e30)))
    if len(wrong):
        raise DataError(f"{path}, {rows_text(wrong)}: the weight must be positive and finite; drop what counts nothing")
    return weight.astype(np.float32)


def _distinct(user: Ids, item: Ids, time: NDArray[np.int64], path: Path, policy: str) -> NDArray[np.bool_]:
    if policy == "keep":
        return np.ones(len(user), bool)
    frame = pd.DataFrame({"user": pd.factorize(user)[0], "item": pd.factorize(item)[0], "time": time})
    repeated = frame.duplicated(keep="last" if policy == "last" else "first").to_numpy()
    if policy == "error" and repeated.any():
        raise DataError(
            f"{path}, {rows_text(np.flatnonzero(repeated))}: user, item and time repeat an earlier row; drop them, "
            'or set data.duplicates to "first", "last" or "keep"'
        )
    distinct: NDArray[np.bool_] = ~repeated
    return distinct


def _table(
    seen: list[Ids], described: tuple[Ids, pd.DataFrame, Schema] | None, config: DataConfig, what: str
) -> EntityTable:
    parts = seen + ([described[0]] if described else [])
    if len({part.dtype.kind for part in parts}) > 1:
        raise DataError(f"{what} ids are integers in one table and text in another; convert one of them")
    vocabulary = Vocabulary.of(np.concatenate(parts))
    if described is None:
        return EntityTable.bare(vocabulary)
    ids, columns, schema = described
    unknown = np.setdiff1d(np.concatenate(seen), ids)
    if config.unknown_ids == "error" and len(unknown):
        raise DataError(
            f"{len(unknown)} {what} ids of the interactions are not in the {what}s table, as {unknown[0]!r}; "
            'describe them, or set data.unknown_ids to "add"'
        )
    return EntityTable.aligned(vocabulary, ids, columns, schema)


def _tidy(columns: pd.DataFrame, schema: Schema, path: Path) -> pd.DataFrame:
    """Each column in the one type of its kind."""
    tidy = {}
    for name, column in schema.columns.items():
        cells = columns[name]
        if column.kind is Kind.NUMERIC:
            tidy[name] = _optional_numbers(cells, path, name)
        elif column.kind is Kind.TIME:
            tidy[name] = pd.Series(_as_seconds(cells, path, name))
        elif column.kind is Kind.EMBEDDING:
            tidy[name] = _embeddings(cells, path, name)
        else:
            tidy[name] = pd.Series([None if pd.isna(c) else str(c) for c in cells], dtype="str")
    return pd.DataFrame(tidy, index=range(len(columns)))


def _optional_numbers(cells: pd.Series[Any], path: Path, column: str) -> pd.Series[Any]:
    numbers = pd.to_numeric(cells, errors="coerce")
    wrong = np.flatnonzero((numbers.isna() & cells.notna()).to_numpy())
    if len(wrong):
        raise DataError(
            f"{path}, column {column!r}, {rows_text(wrong)}: {str(cells.iloc[wrong[0]])[:40]!r} is no number; mend the "
            "cells or give the column another kind"
        )
    return pd.Series(numbers.to_numpy(np.float64, na_value=np.nan))


def _embeddings(cells: pd.Series[Any], path: Path, column: str) -> pd.Series[Any]:
    widths = {len(c) for c in cells if isinstance(c, (list, np.ndarray))}
    wrong = [row for row, c in enumerate(cells) if not isinstance(c, (list, np.ndarray)) and not pd.isna(c)]
    if len(widths) > 1 or wrong:
        raise DataError(
            f"{path}, column {column!r}: vectors must be lists of one length, found lengths {sorted(widths)[:5]}"
        )
    return pd.Series([list(map(float, c)) if isinstance(c, (list, np.ndarray)) else None for c in cells], dtype=object)
