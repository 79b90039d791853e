"""Summary of the anomalies of demand in raw tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys.data.demand.anomalies import HISTORY, RATE, Anomaly, anomalies, report_periods
from recsys.data.demand.periods import DAY, Periods
from recsys.data.ingest.id_column import joint_codes
from recsys.data.ingest.issues import shown
from recsys.data.ingest.tables import TypedTables
from recsys.data.vocabulary import Ids
from recsys.json_values import JsonObject

_SHOWN = 5
_LISTED = 1000
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 52


@dataclass(frozen=True, eq=False)
class SideSummary:
    """The anomalies of the items, or of the users.

    Args:
        what: ``items`` or ``users``.
        ids: [n] the ids of the rows that ``flagged`` refers to.
        flagged: the anomalies by ascending p-value.
        looked_at: the number of counts that were tested.
    """

    what: str
    ids: Ids
    flagged: tuple[Anomaly, ...]
    looked_at: int


@dataclass(frozen=True, eq=False)
class DemandSummary:
    """The periods of the data, and the anomalies of items and of users; see `recsys.data.demand.anomalies`."""

    periods: Periods
    sides: tuple[SideSummary, ...]

    def to_dict(self) -> JsonObject:
        """JSON values, with at most a thousand anomalies of items and of users each."""
        sides = {side.what: self._side(side) for side in self.sides}
        facts = {"period_days": self.periods.seconds // DAY, "periods": self.periods.n, "from": self._day(0)}
        return {**facts, "false_discovery_rate": RATE, **sides}

    def to_text(self) -> str:
        """A summary line, then a line for each of the most significant anomalies with a bar chart of all counts."""
        unit = "week" if self.periods.seconds > DAY else "day"
        lines = [
            f"demand: {self.periods.n:,} {unit}s from {self._day(0)}; counts far above the forecast from the {unit}s "
            f"before, and of new users above others in their first {HISTORY}, at a false discovery rate of {RATE:.0%}"
        ]
        for side in self.sides:
            count = f"{len(side.flagged):,}" if side.flagged else "none"
            lines.append(f"  {side.what}: {count} of {side.looked_at:,} counts")
            for flag in side.flagged[:_SHOWN]:
                facts = f"{flag.count:,} events, {flag.expected:.1f} expected, p {flag.p:.0e}"
                place = f"{shown(side.ids[flag.row])}, {unit} of {self._day(flag.period)}"
                lines.append(f"    {place}: {facts}  {bars(flag.history)}")
        return "\n".join(lines)

    def _side(self, side: SideSummary) -> JsonObject:
        flagged = [
            {
                "id": side.ids[flag.row].item() if isinstance(side.ids[flag.row], np.generic) else side.ids[flag.row],
                "from": self._day(flag.period),
                "count": flag.count,
                "expected": flag.expected,
                "p": flag.p,
            }
            for flag in side.flagged[:_LISTED]
        ]
        return {"looked_at": side.looked_at, "n_flagged": len(side.flagged), "flagged": flagged}

    def _day(self, period: int) -> str:
        return pd.Timestamp(self.periods.start + period * self.periods.seconds, unit="s").date().isoformat()


def demand_summary(tables: TypedTables) -> DemandSummary | None:
    """Anomalies in the counts of items and of users; None without timestamps, or for fewer than 12 days."""
    parts = [part for part in tables.interactions if part.has_timestamps and part.order is not None]
    if not parts or None in tables.integers:
        return None
    usable = [part.keep & part.user.good & part.item.good & ~np.isnan(part.time) for part in parts]
    time = np.concatenate([part.time[where] for part, where in zip(parts, usable, strict=True)]).astype(np.int64)
    periods = report_periods(time) if len(time) else None
    if periods is None:
        return None
    sides = []
    for what, columns in (("items", [part.item for part in parts]), ("users", [part.user for part in parts])):
        rows, distinct = joint_codes(columns, usable)
        flagged, looked_at = anomalies(periods.counts(rows, time, len(distinct)), newcomers=what == "users")
        sides.append(SideSummary(what, distinct, tuple(flagged), looked_at))
    return DemandSummary(periods, tuple(sides))


def bars(counts: tuple[int, ...]) -> str:
    """A bar chart of counts in one line of at most 52 characters; a bar is the maximum of one or more counts.

    Example:
        >>> bars((0, 1, 2, 8, 0))
        '▁▁▂█▁'
    """
    step = -(-len(counts) // _WIDTH)
    heights = [max(counts[start : start + step]) for start in range(0, len(counts), step)]
    top = max(max(heights), 1)
    return "".join(_BARS[height * (len(_BARS) - 1) // top] for height in heights)
