"""Small numbers in columns of times: years are read as their first day, others are told."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location, shown
from recsys.data.ingest.types.dates.years import NEAR, YEAR
from recsys.data.ingest.types.time_options import TimeOptions


def with_first_days(
    cells: Cells, numbers: NDArray[np.float64], location: Location, options: TimeOptions
) -> tuple[Cells, NDArray[np.float64]]:
    """Cells and numbers of a column of times in which years are dates, as ``1990-01-01``, and no numbers.

    That is so where all numbers are years or zeros. Numbers that, as seconds, would all lie within ten days of
    1970-01-01 are warned of. With a format or a unit nothing is guessed.

    Args:
        cells: [n], index 0..n-1.
        numbers: float64 [n], the cells that are numbers; NaN for others.
        location: the column; a warning tells of the years.
        options: how times are written.
    """
    if options.format or options.unit is not None or not np.isfinite(numbers).any():
        return cells, numbers
    if np.nanmax(np.abs(numbers)) >= NEAR or pd.api.types.is_datetime64_any_dtype(cells):
        return cells, numbers
    texts = pd.Series(["" if not np.isfinite(number) else f"{number:.15g}" for number in numbers], dtype="str")
    years = texts.str.fullmatch(YEAR).to_numpy(bool)
    if not years.any() or not (years | ~np.isfinite(numbers) | (numbers == 0)).all():
        _warn_near_1970(cells, numbers, location)
        return cells, numbers
    rows = np.flatnonzero(years)
    changed = cells.astype(object).reset_index(drop=True)
    changed.iloc[rows] = texts.iloc[rows].to_numpy(object) + "-01-01"
    found = (
        f"years alone, as {location.shown(cells.iloc[rows[0]])}, are read as their first day, {changed.iloc[rows[0]]}"
    )
    location.warn(found, "give the column the kind numeric if years are enough, or write dates", rows)
    return changed, np.where(years, np.nan, numbers)


def _warn_near_1970(cells: Cells, numbers: NDArray[np.float64], location: Location) -> None:
    rows = np.flatnonzero(np.isfinite(numbers))
    if not numbers[rows].any():
        return
    moment = str(np.datetime64(int(np.floor(numbers[rows[-1]])), "s")).replace("T", " ")
    found = f"numbers, read as seconds since 1970, all lie within days of 1970-01-01, as {shown(cells.iloc[rows[-1]])}"
    location.warn(f"{found} ({moment})", "give the column the kind numeric, or write dates", rows)
