"""Event types whose names say that they are no likes, and that are read as likes."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from recsys.data.feedback.event_words import likely_meaning
from recsys.data.ingest.checks import Cells
from recsys.data.ingest.config import InteractionColumns
from recsys.data.ingest.issues import Location

_NAMES = "event|action|activity|behaviou?r|interaction|feedback|reaction|type|status|verb"
_MOST_TYPES = 30
LIKES = "count as likes"
"""The end of the warning."""


def warn_negative_events(cells: Cells, location: Location, columns: InteractionColumns) -> None:
    """Warns of event types as ``skip`` and ``unfollow`` that count as likes.

    Args:
        cells: [n], of the column of event types, or of one that nothing reads and that is called as such columns are.
        location: the column.
        columns: that say which types have a meaning.
    """
    name = location.column or ""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if name != columns.event and not re.search(rf"(?:^|[\W_])(?:{_NAMES})(?:s?$|[\W_])", words):
        return
    codes, distinct = pd.factorize(cells if cells.dtype != object else pd.Series(cells, dtype="str"))
    texts = pd.Series(distinct, dtype="str")
    types = texts.tolist()
    named = columns.event_meaning if name == columns.event else {}
    found = {kind: meaning for kind in types if kind not in named and (meaning := likely_meaning(kind)) is not None}
    if not found or len(types) > _MOST_TYPES:
        return
    rows = np.flatnonzero(np.append(texts.isin(list(found)), False)[codes])
    listed = ", ".join(
        f"{json.dumps(kind, ensure_ascii=False)} = {json.dumps(meaning)}" for kind, meaning in found.items()
    )
    says = "" if name == columns.event else f"data.columns.event = {json.dumps(name, ensure_ascii=False)} and "
    location.warn(
        f"{len(rows):,} rows of {', '.join(map(repr, found))} {LIKES}",
        f'if they are none, {says}data.columns.event_meaning = {{{listed}}} takes them so; "like" instead settles it',
        rows,
    )
