"""Lists of ids, given in a config or in a file, as rows of a vocabulary; unknown ids are passed over and counted."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.data.ingest.reading.columnar import check_parquet
from recsys.data.ingest.reading.content import unpacked
from recsys.data.ingest.reading.problem import Unreadable
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.errors import DataError
from recsys.files.input_file import regular_size

IdList = tuple[int | str, ...] | Path
"""Ids, or the path of a CSV, text or Parquet file that has them."""

_LARGEST = 2**28
"""Bytes of the largest text file of ids, unpacked."""
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?")


@dataclass(frozen=True)
class KnownIds:
    """The rows of a list of ids.

    Args:
        rows: ascending, each once.
        unknown: how many distinct ids the vocabulary does not have.
        first_unknown: the first of them; None where there is none.
    """

    rows: Rows
    unknown: int
    first_unknown: int | str | None

    def told(self, name: str) -> str | None:
        """A line about the unknown ids of the list ``name``; None where there is none."""
        if not self.unknown:
            return None
        more = "id is" if self.unknown == 1 else "ids are"
        return f"{self.unknown} {more} not in the data and passed over, of {name}: {self.first_unknown!r}"


def known_ids(vocabulary: Vocabulary, ids: IdList, name: str, column: str) -> KnownIds:
    """The rows of ``ids`` in ``vocabulary``.

    Ids are read in the type of the vocabulary: ``7``, ``"7"`` and in a file ``7.0`` are the integer 7, or the text as
    written.

    Args:
        vocabulary: of the users or the items.
        ids: the ids, or a file with them.
        name: of the list, for messages, as ``recommend.allow``.
        column: the name of the id column of a file that has several.

    Raises:
        DataError: the file cannot be read or has no such column, or an id of a config cannot be read in the type of
            the vocabulary, see `ids_in_type`.

    Example:
        >>> known_ids(Vocabulary.of(["a", "b"]), ("b", "b", "c"), "recommend.allow", "item_id")
        KnownIds(rows=array([1]), unknown=1, first_unknown='c')
    """
    given = read_id_file(ids, column, name) if isinstance(ids, Path) else ids
    distinct = list(dict.fromkeys(ids_in_type(vocabulary, given, isinstance(ids, Path), name)))
    rows = _rows(vocabulary, distinct)
    unknown = np.flatnonzero(rows == MISSING)
    first = distinct[unknown[0]] if len(unknown) else None
    return KnownIds(np.unique(rows[rows != MISSING]).astype(np.int64), len(unknown), first)


class TypedIds(NamedTuple):
    """A column of ids, in the type of the vocabulary.

    Args:
        rows: int64 [n], MISSING where the vocabulary does not have the id.
        told: a line about those, if any.
    """

    rows: Rows
    told: tuple[str, ...]


def ids_in_type(vocabulary: Vocabulary, ids: Sequence[int | str], from_file: bool, name: str) -> list[int | str]:
    """The ids in the type of the vocabulary: integers of digits, or texts.

    Raises:
        DataError: an id of a config is a text that is no integer, and those of the vocabulary are integers; or it is an
            integer, and those are texts of which none is one. In a file such ids are ones that the data lack.

    Example:
        >>> ids_in_type(Vocabulary.of(["7", "x"]), [7, "x"], False, "recommend.allow")
        ['7', 'x']
    """
    integers = vocabulary.holds_integers
    found = [key if isinstance(key, int) == integers else _typed(str(key), integers) for key in ids]
    if not from_file and len(vocabulary):
        _check_type(vocabulary, ids, found, name)
    return found


def _check_type(vocabulary: Vocabulary, ids: Sequence[int | str], found: Sequence[int | str], name: str) -> None:
    """Refuses texts that are no integers where ids are integers, and integers where no id is the text of one."""
    integers = vocabulary.holds_integers
    given, expected = ("text", "integers") if integers else ("an integer", "text")
    pairs = zip(ids, found, strict=True)
    wrong = [key for key, as_read in pairs if isinstance(key, str) == integers and isinstance(as_read, str)]
    if wrong and (integers or not any(_WHOLE.fullmatch(key) for key in vocabulary.ids)):
        raise DataError(
            f"{name} names {wrong[0]!r}, {given}, and the ids of the data are {expected}, "
            f"such as {vocabulary.ids[:1].tolist()[0]!r}; write ids of that type"
        )


def typed_rows(vocabulary: Vocabulary, ids: Sequence[int | str], name: str) -> TypedIds:
    """The row of each of ``ids`` [n] in ``vocabulary``, and a line about those that it does not have."""
    rows = _rows(vocabulary, ids)
    unknown = list(dict.fromkeys(key for key, row in zip(ids, rows, strict=True) if row == MISSING))
    line = KnownIds(rows[:0], len(unknown), unknown[0] if unknown else None).told(name)
    return TypedIds(rows, () if line is None else (line,))


def read_pair_file(path: Path, name: str) -> tuple[list[str], list[str]]:
    """The columns ``user_id`` and ``item_id`` of a CSV, text or Parquet file, as texts, without rows of missing cells.

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """
    frame = read_table(path, name)
    if missing := [column for column in ("user_id", "item_id") if column not in frame]:
        raise DataError(
            f"{name}: {path.absolute()} has the columns {', '.join(map(str, frame.columns)) or 'none'} and not "
            f"{missing[0]!r}; name its columns user_id and item_id"
        )
    kept = frame[["user_id", "item_id"]].dropna()
    users, items = ([str(cell).strip() for cell in kept[column].tolist()] for column in ("user_id", "item_id"))
    return users, items


def read_table(path: Path, name: str) -> pd.DataFrame:
    """The cells of a CSV, text or Parquet file; those of a text file are texts, under the names of its first line.

    Raises:
        DataError: the file is no regular file, is a text of over 256 MiB or cannot be read.
    """
    with _readable(path, name):
        size = regular_size(path)
        if path.suffix in (".parquet", ".pq"):
            check_parquet(path)
            return pd.read_parquet(path)
        rows = _text_rows(path, size)
        return pd.DataFrame(rows[1:], columns=[cell.strip() for cell in rows[0]] if rows else None)


def read_id_file(path: Path, column: str, name: str) -> list[str]:
    """The ids of a file as texts: of its column ``column``, or of its only column.

    A text file has one id a line; a first line ``column`` or ``id`` is its header. It may be compressed.

    Raises:
        DataError: the file is no regular file, is a text of over 256 MiB or cannot be read, or has several columns
            and none of that name.
    """
    with _readable(path, name):
        size = regular_size(path)
        if path.suffix in (".parquet", ".pq"):
            check_parquet(path)
            return _frame_ids(pd.read_parquet(path), path, column, name)
        rows = _text_rows(path, size)
    if not rows:
        return []
    if max(map(len, rows)) == 1:
        header = rows[0][0].strip() in (column, "id")
        return [row[0].strip() for row in rows[header:]]
    return _frame_ids(pd.DataFrame(rows[1:], columns=rows[0] if len(rows[0]) else None), path, column, name)


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    """Turns what can go wrong in reading ``path`` into a DataError that names it."""
    try:
        yield
    except Unreadable as error:
        raise DataError(f"{name}: {path.absolute()}: {error.found}; {error.remedy}") from error
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"{name}: the file {path.absolute()} cannot be read ({reason})") from error


def _text_rows(path: Path, size: int) -> list[list[str]]:
    mark = "\t" if ".tsv" in path.suffixes else ","
    lines = io.StringIO(_text(path, size), newline="")
    return [row for row in csv.reader(lines, delimiter=mark) if any(cell.strip() for cell in row)]


def _rows(vocabulary: Vocabulary, ids: Sequence[int | str]) -> Rows:
    """int64 [n]: the rows of ids of any type; MISSING where the vocabulary does not have one."""
    rows = np.full(len(ids), MISSING)
    fitting = [n for n, key in enumerate(ids) if isinstance(key, int) == vocabulary.holds_integers]
    if fitting:
        rows[fitting] = vocabulary.rows([ids[n] for n in fitting])
    return rows.astype(np.int64)


def _text(path: Path, size: int) -> str:
    data = b"" if size > _LARGEST else unpacked(path)
    if max(size, len(data)) > _LARGEST:
        raise Unreadable(
            f"the list has over {_LARGEST >> 20} MiB", "write it as Parquet with the column of ids alone, or shorten it"
        )
    return data.decode("utf-8-sig")


def _frame_ids(frame: pd.DataFrame, path: Path, column: str, name: str) -> list[str]:
    found = column if column in frame else frame.columns[0] if len(frame.columns) == 1 else None
    if found is None:
        raise DataError(
            f"{name}: {path.absolute()} has the columns {', '.join(map(str, frame.columns))} and none of the name "
            f"{column}; give a file of ids alone, or name their column {column}"
        )
    return [str(cell).strip() for cell in frame[found].dropna().tolist()]


def _typed(cell: str, integers: bool) -> int | str:
    whole = _WHOLE.fullmatch(cell) if integers else None
    return int(whole.group(1)) if whole and abs(int(whole.group(1))) < 2**63 else cell
