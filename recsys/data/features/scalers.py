"""Scalers: numbers, times and vectors in units of the training distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.ingest.cells import is_list, numbers, seconds
from recsys.data.ingest.checks import Cells


@dataclass(frozen=True)
class Numeric:
    """A numeric column, or a component of a time column.

    Args:
        name: of the column.
        kind: ``numeric``.
        centre: mean of train.
        spread: standard deviation of train, 1 if it is 0.
        quantiles: of train at 33 evenly spaced probabilities; empty if train has no number. They are also the bins of
            the piecewise-linear encoder.
        style: ``standard`` or ``quantile``.
    """

    name: str
    kind: str
    centre: float
    spread: float
    quantiles: tuple[float, ...]
    style: str

    @classmethod
    def fit(cls, name: str, train: Cells, style: str) -> Numeric:
        """Fits the mean, the standard deviation and 33 quantiles of ``train``."""
        values = numbers(train).to_numpy(np.float64)
        values = values[np.isfinite(values)]
        quantiles = tuple(np.quantile(values, np.linspace(0, 1, 33)).tolist()) if len(values) else ()
        return cls(name, "numeric", *_mean_and_deviation(values), quantiles, style)

    def transform(self, column: Cells) -> NDArray[np.generic]:
        """float32 [n, 1], NaN where missing."""
        values = numbers(column).to_numpy(np.float64, copy=True)
        values[~np.isfinite(values)] = np.nan
        return self.scaled(values).astype(np.float32)[:, None]

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values in units of the training distribution."""
        if self.style == "standard" or len(set(self.quantiles)) < 2:
            scaled: NDArray[np.float64] = (values - self.centre) / self.spread
            return scaled
        from scipy.special import ndtri

        grid = np.linspace(0, 1, len(self.quantiles))
        points, first = np.unique(np.array(self.quantiles), return_index=True)
        last = len(self.quantiles) - 1 - np.unique(np.array(self.quantiles)[::-1], return_index=True)[1]
        share = np.interp(values, points, (grid[first] + grid[last]) / 2)
        normal: NDArray[np.float64] = ndtri(np.clip(share, 0.005, 0.995))
        normal[np.isnan(values)] = np.nan
        return normal

    def grown(self, column: Cells, min_count: int) -> Numeric:
        """The same scaler: refitting it would change the vectors of existing entities."""
        return self


@dataclass(frozen=True)
class Time:
    """A time column: hour of the day, day of the week and day of the year as sine and cosine, and the scaled time.

    Args:
        name: of the column.
        kind: ``time``.
        centre: mean of train, seconds since 1970 UTC.
        spread: standard deviation of train.
    """

    name: str
    kind: str
    centre: float
    spread: float

    width = 7

    @classmethod
    def fit(cls, name: str, train: Cells) -> Time:
        """Fits the mean and the standard deviation of ``train``."""
        times = seconds(train).to_numpy(np.float64)
        return cls(name, "time", *_mean_and_deviation(times[np.isfinite(times)]))

    def transform(self, column: Cells) -> NDArray[np.generic]:
        """float32 [n, 7], NaN where missing."""
        times = seconds(column).to_numpy(np.float64)
        parts = [(times - self.centre) / self.spread]
        for period in (86_400.0, 7 * 86_400.0, 365.2425 * 86_400.0):
            angle = 2 * np.pi * times / period
            parts += [np.sin(angle), np.cos(angle)]
        return np.stack(parts, 1).astype(np.float32)

    def grown(self, column: Cells, min_count: int) -> Time:
        """The same scaler, see `Numeric.grown`."""
        return self


@dataclass(frozen=True)
class Embedded:
    """A column of precomputed vectors.

    Args:
        name: of the column.
        kind: ``embedding``.
        width: D of the vectors.
        spread: root mean square of train's components.
    """

    name: str
    kind: str
    width: int
    spread: float

    @classmethod
    def fit(cls, name: str, train: Cells) -> Embedded | None:
        """Fits the dimension and the root mean square of the vectors of ``train``; None if there are none."""
        cells = [np.asarray(cell, np.float64) for cell in train if is_list(cell) and len(cell)]
        if not cells:
            return None
        spread = float(np.sqrt(np.mean([np.square(cell).mean() for cell in cells])))
        return cls(name, "embedding", len(cells[0]), spread or 1.0)

    def transform(self, column: Cells) -> NDArray[np.generic]:
        """float32 [n, D], NaN rows where missing or of another length."""
        result = np.full((len(column), self.width), np.nan, np.float32)
        for place, cell in enumerate(column):
            if is_list(cell) and len(cell) == self.width:
                result[place] = np.asarray(cell, np.float32) / self.spread
        return result

    def grown(self, column: Cells, min_count: int) -> Embedded:
        """The same scaler, see `Numeric.grown`."""
        return self


def _mean_and_deviation(values: NDArray[np.float64]) -> tuple[float, float]:
    return (float(values.mean()), float(values.std()) or 1.0) if len(values) else (0.0, 1.0)
