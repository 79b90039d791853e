"""Rules that each cell of a column must keep, checked by pandera: the only place that imports it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.issues import Location, shown


@dataclass(frozen=True)
class Rule:
    """What a cell must keep.

    Args:
        holds: cells [n] -> bool [n].
        found: what is wrong where it does not hold; ``{}`` becomes the first such cell.
        remedy: what to do.
    """

    holds: Callable[[pd.Series[Any]], Any]
    found: str
    remedy: str


def kept(
    cells: pd.Series[Any], rules: Sequence[Rule], place: Location, shown_as: pd.Series[Any] | None = None
) -> NDArray[np.bool_]:
    """Which cells [n] keep all ``rules``; each rule that any breaks is one error with all its rows.

    Args:
        cells: index 0..n-1; a rule sees missing cells too.
        rules: checked all, whatever the others find.
        place: the column.
        shown_as: the cells as they stand in the file, where ``cells`` are something made of them.
    """
    good = np.ones(len(cells), bool)
    for number, rows in _broken(cells, rules).items():
        example = shown((cells if shown_as is None else shown_as).iloc[rows[0]])
        place.error(rules[number].found.replace("{}", example), rules[number].remedy, rows)
        good[rows] = False
    return good


def _broken(cells: pd.Series[Any], rules: Sequence[Rule]) -> dict[int, NDArray[np.int64]]:
    """Number of a rule -> rows that break it."""
    import pandera.pandas as pandera

    def series(rule: Rule) -> Callable[[pd.Series[Any]], pd.Series[Any]]:
        return lambda cells: pd.Series(np.asarray(rule.holds(cells), bool), index=cells.index)

    checks = [pandera.Check(series(rule), name=str(n), ignore_na=False) for n, rule in enumerate(rules)]
    try:
        pandera.SeriesSchema(checks=checks, nullable=True).validate(cells, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        assert cases["index"].notna().all(), f"a rule cannot be applied: {cases.iloc[0].to_dict()}"
        rows = cases["index"].to_numpy(np.int64)
        numbers = cases["check_number"].to_numpy(np.int64)
        return {int(number): np.sort(rows[numbers == number]) for number in np.unique(numbers)}
    return {}
