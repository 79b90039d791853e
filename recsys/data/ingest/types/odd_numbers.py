"""Numbers far away from all others of their column, and numbers that their column's name does not allow."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from recsys.data.ingest.issues import Location

_LEAST_CELLS, _LEAST_VALUES = 20, 4
_FEW = 0.05
"""Numbers that more than this share of the cells have are no outliers."""
_CODES = (-1, -9, -99, -999, -9999)
"""Whole numbers by which exports say that there is no value."""
_AMOUNTS = r"price|cost|amount|total|revenue|quantity|qty|count|stock|fee|views|clicks"
_AGES, _YEARS = r"age|ages|alter|user_age|age_years|customer_age", r"year|yr|yob|release_year|birth_?year|year_of_birth"


def warn_odd_numbers(values: NDArray[np.float64], location: Location) -> None:
    """Warns of negative numbers among positive ones, of outliers, and of ages and years that nobody has.

    Args:
        values: float64 [n], NaN where missing.
        location: the column; by its name ages, years and amounts are known.
    """
    filled = np.flatnonzero(np.isfinite(values))
    numbers, name = values[filled], (location.column or "").lower()
    impossible, negative, far = _impossible(numbers, name), _negative(numbers, name), outliers(numbers)
    usual = numbers[~(impossible | negative | far)]
    span = f"the others are {usual.min():.10g} to {usual.max():.10g}" if len(usual) else "all are"
    for odd, what in (
        (impossible, f"what no {name} is"),
        (negative & ~impossible, "below zero"),
        (far & ~negative & ~impossible, "far from all others"),
    ):
        rows = filled[odd]
        if len(rows):
            counted = "1 number is" if len(rows) == 1 else f"{len(rows):,} numbers are"
            remedy = "correct the cells, or leave them empty where the number is not known"
            location.warn(f"{counted} {what}, as {values[rows[0]]:.10g}; {span}", remedy, rows)


def outliers(numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Bool [n]: the numbers beyond a gap of more than three times the range of all numbers on the other side.

    Distinct numbers are walked from the middle eight tenths outwards. Where they are positive and spread over a factor
    of three, the number beyond the gap must also be at least 8 times the largest before it, and where over a factor of
    100, as prices and counts, 100 times or their square root: such columns have long tails.

    Args:
        numbers: float64 [n], finite.

    Example:
        >>> outliers(np.array([*range(18, 60), 999.0])).nonzero()[0].tolist()
        [42]
    """
    distinct = np.unique(numbers)
    none = np.zeros(len(numbers), bool)
    if len(numbers) < _LEAST_CELLS or len(distinct) < _LEAST_VALUES:
        return none
    cut = max(1, round(0.1 * len(distinct)))
    core = distinct[cut:-cut] if len(distinct) > 2 * cut + 1 else distinct[:-cut]
    low, high = float(core[0]), float(core[-1])
    if low == high:
        return none
    for value in distinct[distinct > high]:
        if value - high > 3 * (high - low) and _far_in_ratio(low, high, value):
            break
        high = float(value)
    for value in distinct[distinct < low][::-1]:
        if low - value > 3 * (high - low):
            break
        low = float(value)
    far: NDArray[np.bool_] = (numbers < low) | (numbers > high)
    return far if far.sum() <= max(1, _FEW * len(numbers)) else none


def _far_in_ratio(low: float, high: float, value: float) -> bool:
    if high <= 0:
        return True
    spread = high / low if low > 0 else np.inf
    if spread <= 3:
        return True
    return bool(value >= 8 * high) if spread <= 100 else bool(value >= max(100.0, min(spread, 1e6) ** 0.5) * high)


def _negative(numbers: NDArray[np.float64], name: str) -> NDArray[np.bool_]:
    """Numbers below zero of a column of amounts, unless most are; else the few that are codes or far below zero."""
    negative, none = numbers < 0, np.zeros(len(numbers), bool)
    if _is_named(name, _AMOUNTS):
        return negative if negative.sum() <= 0.5 * len(numbers) else none
    if len(numbers) < _LEAST_CELLS or negative.sum() > _FEW * len(numbers) or not (numbers > 0).any():
        return none
    whole = bool((numbers == np.round(numbers)).all())
    odd: NDArray[np.bool_] = numbers < -0.5 * np.median(numbers[numbers > 0])
    return odd | (np.isin(numbers, _CODES) & whole)


def _impossible(numbers: NDArray[np.float64], name: str) -> NDArray[np.bool_]:
    if re.fullmatch(_AGES, name):
        odd = (numbers < 0) | (numbers > 120)
    elif re.fullmatch(_YEARS, name):
        odd = (numbers > 2100) | ((numbers >= 0) & (numbers < 100) & bool((numbers > 1000).any()))
    else:
        return np.zeros(len(numbers), bool)
    return odd if odd.sum() <= 0.5 * len(numbers) else np.zeros(len(numbers), bool)


def _is_named(name: str, pattern: str) -> bool:
    return bool(re.search(rf"(?:^|_|\b)(?:{pattern})(?:s|_|\b|$)", name))
