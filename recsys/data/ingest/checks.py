"""Rules for the cells of a column, checked with pandera, which no other module imports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.issues import Location

Cells: TypeAlias = "pd.Series[Any]"
"""A column of a table."""


@dataclass(frozen=True)
class Rule:
    """A condition on the cells of a column.

    Args:
        holds: maps cells [n] to a mask [n] of the cells that satisfy the rule.
        found: the message about the others; ``{}`` is replaced by the first of them.
        remedy: how to correct them.
    """

    holds: Callable[[Cells], object]
    found: str
    remedy: str


def check(cells: Cells, rules: Sequence[Rule], location: Location, shown_as: Cells | None = None) -> NDArray[np.bool_]:
    """Mask [n] of the cells that satisfy all ``rules``; for each violated rule, one error with all its rows is added.

    Args:
        cells: index 0..n-1; missing cells are checked too.
        rules: all are checked, also for cells that violate another rule.
        location: the column, for errors.
        shown_as: the original cells, which messages quote, if ``cells`` were converted.
    """
    good = np.ones(len(cells), bool)
    for number, rows in _broken(cells, rules).items():
        example = location.shown((cells if shown_as is None else shown_as).iloc[rows[0]])
        location.error(rules[number].found.replace("{}", example), rules[number].remedy, rows)
        good[rows] = False
    return good


def _broken(cells: Cells, rules: Sequence[Rule]) -> dict[int, NDArray[np.int64]]:
    """The rows that violate each rule, by the number of the rule; rules that hold for all rows are left out."""
    if all(np.asarray(rule.holds(cells), bool).all() for rule in rules):
        return {}
    import pandera.pandas as pandera

    def series(rule: Rule) -> Callable[[Cells], Cells]:
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
