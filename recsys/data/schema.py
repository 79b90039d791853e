"""Schemas: the semantic type of each column of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recsys.atomic import write_json
from recsys.choices import did_you_mean
from recsys.errors import ConfigError
from recsys.files.stored_json import as_written, read_object


class Kind(StrEnum):
    """The kinds of columns; each has its encoder."""

    CATEGORICAL = "categorical"
    TAGS = "tags"
    NUMERIC = "numeric"
    TIME = "time"
    TEXT = "text"
    IMAGE = "image"
    EMBEDDING = "embedding"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Column:
    """The kind of a column and how its cells are written.

    Args:
        kind: of the column.
        separator: of tags.
        times: of a column of times, the options ``format``, ``unit`` and ``zone`` by which it was read, so that later
            cells, as those of a request, are read alike; what is not given is guessed.
    """

    kind: Kind
    separator: str = "|"
    times: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """What `Schema.of` reads back."""
        if self.kind is Kind.TAGS:
            return f"tags:{self.separator}"
        return f"{self.kind}:{json.dumps(dict(self.times))}" if self.times else str(self.kind)

    def __str__(self) -> str:
        return f"{self.kind}({self.separator})" if self.kind is Kind.TAGS else str(self.kind)


@dataclass(frozen=True)
class Schema:
    """Column name -> `Column`, in the order of the table."""

    columns: Mapping[str, Column]

    @classmethod
    def of(cls, kinds: Mapping[str, str]) -> Schema:
        """From names as a config gives them: ``{"genres": "tags", "cast": "tags:;"}``.

        Raises:
            ConfigError: a kind is unknown.
        """
        return cls({name: _column(name, text) for name, text in kinds.items()})

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def names(self, *kinds: Kind) -> list[str]:
        """The names of the columns whose kind is one of ``kinds``."""
        return [name for name, column in self.columns.items() if column.kind in kinds]

    def to_dict(self) -> dict[str, str]:
        """What `of` reads back."""
        return {name: column.text for name, column in self.columns.items()}

    def save(self, path: Path) -> None:
        write_json(path, {"columns": [[name, text] for name, text in self.to_dict().items()]})

    @classmethod
    def load(cls, path: Path) -> Schema:
        raw = read_object(path, "columns")
        with as_written(path):
            return cls.of(dict(raw["columns"]))


def split_tags(text: str, separator: str) -> list[str]:
    """The tags of a cell, without blanks around them; empty ones are left out.

    Args:
        text: the cell.
        separator: between tags; empty for a categorical column, whose cell is one tag.

    Example:
        >>> split_tags("Drama| War||", "|"), split_tags(" Sci-Fi|TV ", "")
        (['Drama', 'War'], ['Sci-Fi|TV'])
    """
    parts = text.split(separator) if separator else [text]
    return [tag for part in parts if (tag := part.strip())]


def _column(name: str, text: str) -> Column:
    kind, _, separator = text.partition(":")
    if kind not in set(Kind):
        raise ConfigError(
            f"column {name!r}: unknown kind {kind!r}{did_you_mean(kind, map(str, Kind))}; the kinds are "
            f"{', '.join(Kind)}"
        )
    if kind == Kind.TIME and separator:
        try:
            return Column(
                Kind.TIME, times=tuple((str(key), str(value)) for key, value in json.loads(separator).items())
            )
        except (ValueError, AttributeError) as error:
            raise ConfigError(
                f"column {name!r}: {text!r} is no kind; how times are written is said by time_format and "
                "time_zone in data.users_format or data.items_format"
            ) from error
    return Column(Kind(kind), separator or "|")
