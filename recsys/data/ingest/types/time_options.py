"""Options of reading times, and texts read in a format that is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.reading.options import TableFormat, TimeUnit
from recsys.data.ingest.types.date_texts import split_moments
from recsys.data.schema import Column

NAMES: dict[TimeUnit, str] = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class TimeOptions:
    """How the times of a table are written; what is None is guessed.

    Args:
        format: of strptime.
        unit: of numbers, since 1970 UTC.
        zone: of times without an offset, by its IANA name; None takes them as UTC.
        section: of the config that has these options, for remedies.
        whole_days: whether midnight is a local time too where no other time of day is seen beside it.
    """

    format: str | None = None
    unit: TimeUnit | None = None
    zone: str | None = None
    section: str = "data"
    whole_days: bool = False

    @classmethod
    def of_column(cls, column: Column) -> Self:
        """Those by which the other cells of a column were read, for cells that come later."""
        known = dict(column.times)
        unit = next((unit for unit in NAMES if unit == known.get("unit")), None)
        return cls(known.get("format"), unit, known.get("zone"), "data.users_format", whole_days=True)

    def stored(self, seconds: NDArray[np.float64]) -> tuple[tuple[str, str], ...]:
        """The options for `of_column`, where ``seconds`` [n] are the times that were read.

        A column of days has no zone: its days stay days.
        """
        zone = self.zone if (np.nan_to_num(seconds) % 86400 != 0).any() else None
        known = {"format": self.format, "unit": self.unit, "zone": zone}
        return tuple((name, value) for name, value in known.items() if value is not None)

    @classmethod
    def of(cls, table: TableFormat, section: str = "data") -> Self:
        """Those of a table."""
        return cls(table.time_format, table.time_unit, table.time_zone, section)

    def fitting(self, texts: pd.Series[str], numbers: NDArray[np.float64]) -> Self:
        """Without the format and the unit if no cell of a column fits them: it is written otherwise than the others.

        Args:
            texts: [n], missing cells included.
            numbers: float64 [n], the cells that are numbers; NaN for others.
        """
        form = self.format if self.format is not None and fits(texts, self.format) > 0 else None
        return replace(self, format=form, unit=self.unit if np.isfinite(numbers).any() else None)

    @property
    def remedy(self) -> str:
        """What to do about a cell that is not written as the options say; empty if they say nothing."""
        if self.format is not None:
            return f"write it as {self.section}.time_format = {self.format!r} says, or correct the format"
        if self.unit is not None:
            return f"give a number of {NAMES[self.unit]}, as {self.section}.time_unit says, or leave the unit out"
        return ""


def formatted(texts: pd.Series[str], form: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Whole seconds since 1970 UTC, float64 [n], and nanoseconds within them, int64 [n]; NaN where the format fails.

    Args:
        texts: [n].
        form: of strptime; without an offset in it times are taken as UTC.

    Example:
        >>> formatted(pd.Series(["13/09/20", "soon"], dtype="str"), "%d/%m/%y")[0].tolist()
        [1599955200.0, nan]
    """
    moments = pd.to_datetime(texts.str.strip(), format=form, errors="coerce", utc=True)
    good = moments.notna().to_numpy(bool)
    seconds, fraction = split_moments(moments)
    return np.where(good, seconds, np.nan), np.where(good, fraction, 0)


def fits(texts: pd.Series[str], form: str) -> float:
    """The share of the filled texts that are written in a format; 0 without any."""
    filled = texts.dropna()
    return float(np.isfinite(formatted(filled, form)[0]).mean()) if len(filled) else 0.0
