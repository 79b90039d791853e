"""Id columns that two tables call alike, in whatever language."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.types.id_mismatch import without_zeros

_OWN, _MOSTLY, _MEETS = 0.9, 0.5, 0.3
"""Share of the rows of a table with an id of their own, in clean tables and in others, and share of the smaller set of
ids that is in the other."""


def shared_id(interactions: pd.DataFrame, table: pd.DataFrame) -> str | None:
    """The column of ids that the interactions and a table of users or items call alike; None without one.

    In the table almost each row has its own, repeated in the interactions, and the values meet: as they are written,
    or but for zeros at the front and decimals, which `recsys.data.ingest.cross_checks` reports.

    Example:
        >>> orders = pd.DataFrame({"Kundennr": ["7", "7", "9"], "Mandant": ["1", "1", "1"]})
        >>> shared_id(orders, pd.DataFrame({"Kundennr": ["007", "009"], "Mandant": ["1", "1"]}))
        'Kundennr'
    """
    both = [str(name) for name in table.columns if name in interactions.columns]
    return _best({name: _meeting(interactions[name], table[name]) for name in both})


def meeting_id(ids: Cells, table: pd.DataFrame) -> str | None:
    """The column of a table of users or items that has the ids of the interactions, whatever it is called."""
    return _best({str(name): _meeting(ids, table[name]) for name in table.columns})


def nearest_id(ids: Cells, table: pd.DataFrame) -> str | None:
    """As `meeting_id`, also where up to half of the rows repeat an id, which the checks of ids then report."""
    return meeting_id(ids, table) or _best({str(name): _meeting(ids, table[name], _MOSTLY) for name in table.columns})


def _best(met: Mapping[str, float]) -> str | None:
    """The column that meets most, if it meets enough."""
    best = max(met, key=lambda name: met[name], default=None)
    return best if best is not None and met[best] >= _MEETS else None


def _meeting(ids: Cells, keys: Cells, least: float = _OWN) -> float:
    """Share of the smaller set that is in the other; 0 where less than ``least`` of the rows have their own value."""
    own, seen = keys.dropna().map(str), ids.dropna().map(str)
    if not len(own) or not len(seen) or own.nunique() < least * len(keys) or seen.nunique() == len(seen) > 1:
        return 0.0
    ours, theirs = (set(without_zeros(pd.Series(part.unique(), dtype="str"))) for part in (seen, own))
    return len(ours & theirs) / min(len(ours), len(theirs))
