"""Options of reading times, and texts read in a format that is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.reading.options import TableFormat, TimeUnit
from recsys.data.ingest.types.dates.date_texts import split_moments
from recsys.data.schema import Column

NAMES: dict[TimeUnit, str] = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class TimeOptions:
    """How the times of a table are written; what is None is guessed.

    Args:
        format: formats of strptime, tried in order.
        unit: of numbers, since 1970 UTC.
        zone: of times without an offset, by its IANA name; None takes them as UTC.
        section: of the config that has these options, for remedies.
        whole_days: whether midnight is a local time too where no other time of day is seen beside it.
    """

    format: tuple[str, ...] = ()
    unit: TimeUnit | None = None
    zone: str | None = None
    section: str = "data"
    whole_days: bool = False

    @classmethod
    def of_column(cls, column: Column) -> Self:
        """Those by which the other cells of a column were read, for cells that come later."""
        known = dict(column.times)
        unit = next((unit for unit in NAMES if unit == known.get("unit")), None)
        forms = tuple(known.get("format", "").splitlines())
        return cls(forms, unit, known.get("zone"), "data.users_format", whole_days=True)

    def stored(self, seconds: NDArray[np.float64]) -> tuple[tuple[str, str], ...]:
        """The options for `of_column`, where ``seconds`` [n] are the times that were read.

        A column of days has no zone: its days stay days.
        """
        zone = self.zone if (np.nan_to_num(seconds) % 86400 != 0).any() else None
        known = {"format": "\n".join(self.format) or None, "unit": self.unit, "zone": zone}
        return tuple((name, value) for name, value in known.items() if value is not None)

    @classmethod
    def of(cls, table: TableFormat, section: str = "data") -> Self:
        """Those of a table."""
        form = table.time_format or ()
        return cls((form,) if isinstance(form, str) else form, table.time_unit, table.time_zone, section)

    def fitting(self, texts: pd.Series[str], numbers: NDArray[np.float64]) -> Self:
        """Without the format and the unit if no cell of a column fits them: it is written otherwise than the others.

        Args:
            texts: [n], missing cells included.
            numbers: float64 [n], the cells that are numbers; NaN for others.
        """
        form = self.format if self.format and fits(texts, self.format) > 0 else ()
        return replace(self, format=form, unit=self.unit if np.isfinite(numbers).any() else None)

    @property
    def remedy(self) -> str:
        """What to do about a cell that is not written as the options say; empty if they say nothing."""
        if self.format:
            says = repr(self.format[0] if len(self.format) == 1 else list(self.format))
            return f"write it as {self.section}.time_format = {says} says, or correct the format"
        if self.unit is not None:
            return f"give a number of {NAMES[self.unit]}, as {self.section}.time_unit says, or leave the unit out"
        return ""


@dataclass(frozen=True, eq=False)
class FormattedTimes:
    """Texts read in given formats.

    Args:
        seconds: float64 [n], whole seconds since 1970 UTC; NaN where no format fits.
        fraction: int64 [n], nanoseconds within the second.
        naive: bool [n], which were read without an offset, and so taken as UTC.
    """

    seconds: NDArray[np.float64]
    fraction: NDArray[np.int64]
    naive: NDArray[np.bool_]


def formatted(texts: pd.Series[str], forms: tuple[str, ...]) -> FormattedTimes:
    """The times of texts, each by the first format that fits it.

    Args:
        texts: [n].
        forms: of strptime; without an offset in it times are taken as UTC.

    Example:
        >>> formatted(pd.Series(["13/09/20", "2020-09-13", "soon"], dtype="str"), ("%d/%m/%y", "%Y-%m-%d")).seconds
        array([1.5999552e+09, 1.5999552e+09,           nan])
    """
    texts = texts.str.strip().reset_index(drop=True)
    n = len(texts)
    times = FormattedTimes(np.full(n, np.nan), np.zeros(n, np.int64), np.zeros(n, bool))
    rest = np.arange(n)
    for form in forms:
        moments = pd.to_datetime(texts.iloc[rest], format=form, errors="coerce", utc=True)
        good = moments.notna().to_numpy(bool)
        seconds, fraction = split_moments(moments)
        times.seconds[rest[good]], times.fraction[rest[good]] = seconds[good], fraction[good]
        times.naive[rest[good]] = "%z" not in form and "%Z" not in form
        rest = rest[~good]
    return times


def fits(texts: pd.Series[str], forms: tuple[str, ...]) -> float:
    """The share of the filled texts that are written in one of the formats; 0 without any."""
    filled = texts.dropna()
    return float(np.isfinite(formatted(filled, forms).seconds).mean()) if len(filled) else 0.0
