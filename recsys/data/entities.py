"""Users or items: a vocabulary, their columns, and what kind each column is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.atomic import atomic_path
from recsys.data.schema import Schema
from recsys.data.vocabulary import Ids, Vocabulary
from recsys.digest import FileState, short_digest
from recsys.errors import ArtifactError

_TITLES = (
    *("title", "name", "item_name", "product_title", "product_name", "label"),
    *("titel", "bezeichnung", "artikelname", "artikelbezeichnung", "produktname"),
)

_ID, _LISTED = "__id__", "__listed__"
RESERVED = frozenset((_ID, _LISTED))
"""Names of columns that a stored table has of its own, which no column of the user can have."""


@dataclass(frozen=True, eq=False)
class EntityTable:
    """One row an entity, aligned with the vocabulary.

    Args:
        vocabulary: [n] ids.
        columns: n rows, index 0..n-1, without the id column; ids that a table did not describe have missing cells. A
            table with other cells is made by `dataclasses.replace`: one that was loaded keeps the fingerprint of its
            files.
        schema: the kind of each of ``columns``.
        listed: bool [n], whether the table that was read has a row for the id; None where no table was read. Ids that
            only interactions have are not listed: an item that left the catalogue is learnt from and not recommended.
    """

    vocabulary: Vocabulary
    columns: pd.DataFrame
    schema: Schema
    listed: NDArray[np.bool_] | None = None
    _files: ClassVar[FileState] = FileState(())
    """Of a table that was loaded, the files, so that its cells are hashed once a process."""

    def __post_init__(self) -> None:
        assert len(self.columns) == len(self.vocabulary), "one row an id"
        assert list(self.columns.columns) == list(self.schema.columns), "the schema names every column, in order"

    @classmethod
    def bare(cls, vocabulary: Vocabulary) -> EntityTable:
        """Ids without any column."""
        return cls(vocabulary, pd.DataFrame(index=range(len(vocabulary))), Schema({}))

    @classmethod
    def aligned(cls, vocabulary: Vocabulary, ids: Ids, columns: pd.DataFrame, schema: Schema) -> EntityTable:
        """``columns`` of ``ids`` brought into the order of ``vocabulary``; absent ids get missing cells."""
        frame = columns.set_axis(pd.Index(ids), axis=0).reindex(pd.Index(vocabulary.ids)).reset_index(drop=True)
        return cls(vocabulary, frame[list(schema.columns)], schema, np.asarray(pd.Index(vocabulary.ids).isin(ids)))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        columns = ", ".join(f"{name} {column}" for name, column in self.schema.columns.items())
        return f"EntityTable: {len(self):,} rows, {columns or 'no columns'}"

    def titles(self) -> list[str]:
        """One readable name an entity, [n]: its ``title``, ``name``, ``product_name`` or the like, else its id.

        Capital letters of the column's name do not count.

        Example:
            >>> frame = pd.DataFrame({"title": ["Alien", None]})
            >>> EntityTable(Vocabulary.of([7, 8]), frame, Schema.of({"title": "text"})).titles()
            ['Alien', '8']
        """
        ids = [str(key) for key in self.vocabulary.ids]
        named = {str(name).casefold(): name for name in reversed(self.columns.columns)}
        column = next((named[name] for name in _TITLES if name in named), None)
        if column is None:
            return ids
        cells = self.columns[column]
        return [str(text) if known else key for text, known, key in zip(cells, cells.notna(), ids, strict=True)]

    def take(self, rows: NDArray[np.integer] | slice) -> EntityTable:
        """The entities at distinct ``rows``, in that order."""
        listed = None if self.listed is None else self.listed[rows]
        return EntityTable(
            Vocabulary(self.vocabulary.ids[rows]), self.columns.iloc[rows].reset_index(drop=True), self.schema, listed
        )

    def with_ids(self, ids: Iterable[object]) -> EntityTable:
        """This table, with a row of missing cells appended for each new id; existing rows do not change."""
        grown = self.vocabulary.extended(ids)
        listed = None if self.listed is None else np.pad(self.listed, (0, len(grown) - len(self)))
        return EntityTable(grown, self.columns.reindex(range(len(grown))), self.schema, listed)

    def with_columns(self, names: list[str]) -> EntityTable:
        """This table with the columns ``names`` alone."""
        schema = Schema({name: self.schema.columns[name] for name in names})
        return EntityTable(self.vocabulary, self.columns[names], schema, self.listed)

    @property
    def unlisted(self) -> NDArray[np.int64]:
        """The rows of the ids that the table does not list; empty where no table was read."""
        return np.zeros(0, np.int64) if self.listed is None else np.flatnonzero(~self.listed)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of ids, schema, every cell, and which ids are not listed."""
        cells = (
            f"|{name}:{column}|{[_plain(cell) for cell in self.columns[name]]!r}"
            for name, column in self.schema.columns.items()
        )
        left = [f"|unlisted:{self.unlisted.tolist()}"] if len(self.unlisted) else []
        return self._files.once("table", lambda: short_digest(chain([self.vocabulary.fingerprint], cells, left)))

    def save(self, path: Path) -> None:
        """One Parquet file of ``__id__``, ``__listed__`` if known, and the columns; the schema in a JSON file."""
        ids = pd.Series(self.vocabulary.ids, dtype="int64" if self.vocabulary.holds_integers else "str")
        own = [ids.rename(_ID), *([] if self.listed is None else [pd.Series(self.listed, name=_LISTED)])]
        frame = pd.concat([*own, self.columns], axis=1)
        with atomic_path(path) as beside:
            frame.to_parquet(beside, index=False)
        self.schema.save(path.with_suffix(".schema.json"))

    @classmethod
    def load(cls, path: Path) -> EntityTable:
        """What `save` wrote.

        Raises:
            ArtifactError: the file is missing or damaged.
        """
        files = FileState.of(path, path.with_suffix(".schema.json"))
        try:
            frame = pd.read_parquet(path)
            ids = frame.pop(_ID)
            listed = frame.pop(_LISTED).to_numpy(bool) if _LISTED in frame else None
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(f"{path} is not an entity table ({error}); prepare the data again") from error
        vocabulary = Vocabulary(ids.to_numpy() if ids.dtype.kind == "i" else ids.to_numpy(dtype=object))
        schema = Schema.load(path.with_suffix(".schema.json"))
        if list(frame.columns) != list(schema.columns):
            raise ArtifactError(f"{path} has other columns than its schema; prepare the data again")
        found = cls(vocabulary, frame, schema, listed)
        object.__setattr__(found, "_files", files)
        return found


def _plain(cell: Any) -> object:
    """The cell as a plain Python value; None for any missing value."""
    if isinstance(cell, (list, np.ndarray)):
        return np.asarray(cell).tolist()
    if pd.isna(cell):
        return None
    return cell.item() if isinstance(cell, np.generic) else cell
