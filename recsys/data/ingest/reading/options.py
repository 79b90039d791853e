"""Options of reading a table from its file; what is not given is guessed where the guess is safe."""

from __future__ import annotations

import codecs
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import pandas as pd
from pydantic import Field, field_validator, model_validator

from recsys.choices import did_you_mean
from recsys.config import Config

SEPARATORS = (",", "\t", ";", "|", "::", " ")
"""The separators that are guessed."""
TimeUnit = Literal["s", "ms", "us", "ns"]
"""Seconds, milliseconds, microseconds or nanoseconds."""
_MOMENT = datetime(2019, 11, 28, 21, 47, 53, tzinfo=UTC)
"""A moment whose day, month, year, hour, minute and second are all different."""


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
        skip_footer: lines at the end that are left out, as a line of totals; of a folder, of each part.
        footer: how such lines begin, as ``"Total"``, or several of these: last lines that begin so are left out, and
            a part that has none loses nothing.
        explode: column -> separator, for cells that hold several values: each value becomes a row of its own. The
            separator is ``""`` for cells that are lists. Several columns are exploded together.
        explode_labels: exploded column -> the mark before the label that ends each value, as ``-`` in ``N123-1``: the
            value becomes ``N123``, and a column ``label`` holds ``1``, to be named in ``data.columns.weight`` or
            ``data.columns.event``.
        time_format: of dates, as strptime takes it, such as ``%d/%m/%Y %H:%M``, or a list of formats, of which the
            first that fits a cell reads it; by default it is guessed. Columns of users and items of which no cell fits
            are guessed. ISO dates with an offset are read beside it.
        time_unit: of times that are numbers, since 1970 UTC: ``s``, ``ms``, ``us`` or ``ns``; by default it is guessed.
            ISO dates with an offset are read beside it.
        time_zone: of dates without an offset, by its IANA name, as ``Europe/Berlin``; by default UTC. Times that a
            change of the clocks skips or repeats are told; columns of days without a time of day stay as they are.

    Raises:
        ValueError: an unknown encoding or zone, a time format that does not hold a whole date, a format and a unit
            beside each other, or labels of a column that is not exploded.
    """

    header: tuple[str, ...] | Literal["first"] | None = None
    separator: str | None = Field(default=None, min_length=1, max_length=4)
    quoting: Literal["csv", "backslash", "none"] | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    skip_lines: int = Field(default=0, ge=0)
    skip_footer: int = Field(default=0, ge=0)
    footer: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    explode: dict[str, str] = Field(default_factory=dict)
    explode_labels: dict[str, str] = Field(default_factory=dict)
    time_format: str | tuple[str, ...] | None = None
    time_unit: TimeUnit | None = None
    time_zone: str | None = None

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

    @field_validator("footer", mode="before")
    @classmethod
    def _several_footers(cls, starts: object) -> object:
        return (starts,) if isinstance(starts, str) else starts

    @field_validator("separator")
    @classmethod
    def _usable_separator(cls, mark: str | None) -> str | None:
        if mark is not None and (any(c in mark for c in '"\r\n\\') or not mark.isascii()):
            raise ValueError("a separator is of ASCII characters, without quotes, backslashes and line ends")
        return mark

    @field_validator("time_format")
    @classmethod
    def _whole_dates(cls, forms: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for form in (forms,) if isinstance(forms, str) else forms or ():
            try:
                same = pd.to_datetime([_MOMENT.strftime(form)], format=form, utc=True)[0].date() == _MOMENT.date()
            except ValueError as error:
                raise ValueError(f"{form!r} is no format of strptime; for example %d/%m/%Y %H:%M:%S") from error
            if not same:
                raise ValueError(f"{form!r} holds no day, month and year; for example %d/%m/%Y %H:%M:%S")
        return forms

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (OSError, ValueError, LookupError) as error:
                known = available_timezones()
                near = did_you_mean(zone, known) if known else "; this machine knows no zones: pip install tzdata"
                raise ValueError(f"no such zone as {zone!r}{near or '; for example Europe/Berlin or UTC'}") from error
        return zone

    @model_validator(mode="after")
    def _consistent_times_and_labels(self) -> Self:
        if self.time_format is not None and self.time_unit is not None:
            raise ValueError("time_format is for dates and time_unit for numbers: give one of them")
        if len(self.explode_labels) > 1:
            raise ValueError("explode_labels names several columns, and there is one column of labels")
        for name, mark in self.explode_labels.items():
            if name not in self.explode or not mark:
                raise ValueError(f"explode_labels.{name} needs explode.{name}, and the mark before the label")
        return self
