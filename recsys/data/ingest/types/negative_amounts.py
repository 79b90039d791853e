"""Quantities below zero, which are returns, in a column of interactions that no option names."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from recsys.data.ingest.cells import is_missing
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import Location

_NAMES = "qty|quantity|quantities|menge|anzahl|amount|stück|stueck|stk|units|pieces|pcs|count|quantité|cantidad"
_NUMBER = re.compile(r"\s*[-+−]?\s*\d[\d.,]*\s*-?\s*")
_NEGATIVE = re.compile(r"\s*[-−]\s*[\d.,]*[1-9].*|[^1-9]*[1-9].*-\s*")
_SHARE = 0.9
"""At least this share of the cells are numbers."""


def warn_negative_amounts(cells: Cells, location: Location) -> None:
    """Warns of negative cells of a column that is called as a quantity is.

    Args:
        cells: [n], of a column that nothing reads.
        location: the column.
    """
    name = location.column or ""
    if not re.search(rf"(?:^|[\W_])(?:{_NAMES})(?:$|[\W_])", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()):
        return
    filled = np.flatnonzero(~is_missing(cells))
    codes, distinct = pd.factorize(cells.iloc[filled].map(str) if cells.dtype == object else cells.iloc[filled])
    texts = [str(cell) for cell in distinct]
    is_number = np.array([_NUMBER.fullmatch(text) is not None for text in texts], bool)
    if is_number[codes].sum() < _SHARE * max(len(filled), 1):
        return
    below = is_number & np.array([_NEGATIVE.match(text) is not None for text in texts], bool)
    rows = filled[below[codes]]
    if len(rows):
        counted = "1 row is" if len(rows) == 1 else f"{len(rows):,} rows are"
        location.warn(
            f"{counted} below zero, as {location.shown(cells.iloc[rows[0]])}, and read as purchases, for no option "
            "names the column",
            f'data.columns.weight = "{name}" and data.positive_from = 1 read them as returns, which take purchases '
            "back; or drop the rows",
            rows,
        )
