"""Options of reading a table from its file; what is not given is guessed where the guess is safe."""

from __future__ import annotations

import codecs
from typing import Literal

from pydantic import Field, field_validator

from recsys.config import Config

SEPARATORS = (",", "\t", ";", "|", "::", " ")
"""The separators that are guessed."""


class TableFormat(Config):
    r"""Options of reading a table.

    Args:
        header: the names of the columns of a text file without a header; ``"first"`` says that the first line is the
            header, whatever it looks like.
        separator: between the cells of a text file, as ``";"`` or ``"::"``; by default it is guessed from the lines.
        quoting: of the cells of a text file: ``csv`` for cells in double quotes, in which a doubled quote is a quote;
            ``backslash``, in which ``\"`` is one; ``none`` if quotes are ordinary characters. Guessed by default.
        encoding: of a text file, as ``latin-1`` or ``cp1252``; by default UTF-8, or UTF-16 if the file says so.
        decimal: the decimal mark of numbers in text files, ``.`` or ``,``; by default it is guessed.
        thousands: the mark between groups of three digits in text files, as ``.``, ``,`` or a blank.
        skip_lines: lines before the header that are left out.
        skip_footer: lines at the end that are left out, as a line of totals.
        explode: column -> separator, for cells that hold several values: each value becomes a row of its own. The
            separator is ``""`` for cells that are lists. Several columns are exploded together.
    """

    header: tuple[str, ...] | Literal["first"] | None = None
    separator: str | None = Field(default=None, min_length=1, max_length=4)
    quoting: Literal["csv", "backslash", "none"] | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    skip_lines: int = Field(default=0, ge=0)
    skip_footer: int = Field(default=0, ge=0)
    explode: dict[str, str] = Field(default_factory=dict)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                "".encode(name)
                codecs.lookup(name)
            except (LookupError, ValueError) as error:
                raise ValueError("no such encoding; for example utf-8, latin-1, cp1252 or utf-16") from error
        return name

    @field_validator("header")
    @classmethod
    def _distinct_names(cls, header: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        if isinstance(header, tuple) and (not header or len(set(header)) < len(header) or not all(header)):
            raise ValueError("the names of the columns must be distinct and not empty")
        return header

    @field_validator("separator")
    @classmethod
    def _usable_separator(cls, mark: str | None) -> str | None:
        if mark is not None and (any(c in mark for c in '"\r\n\\') or not mark.isascii()):
            raise ValueError("a separator is of ASCII characters, without quotes, backslashes and line ends")
        return mark
