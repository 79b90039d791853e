"""The page of a search for options: the metric of every trial, and which options it depended on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from recsys.evaluation.report.page.bars import shares
from recsys.evaluation.report.page.charts import Axis, Line, Point, line_chart
from recsys.evaluation.report.page.html import card, grid, page, section
from recsys.evaluation.report.page.marks import Look, legend
from recsys.evaluation.report.page.tables import table

_STATES = ("complete", "pruned", "failed")
_LOOKS = {name: Look(number, name) for number, name in enumerate(_STATES)}


@dataclass(frozen=True)
class TrialPoint:
    """One trial of the page.

    Args:
        number: of the trial.
        state: ``complete``, ``pruned`` or ``failed``.
        value: of the metric; of a pruned trial the last one of its curve, None without one.
        seconds: of the fit.
        options: what was tried, as text.
    """

    number: int
    state: str
    value: float | None
    seconds: float
    options: str


@dataclass(frozen=True)
class TunedEngine:
    """One engine of the page.

    Args:
        trials: in order.
        importances: option -> share in the variance of the metric; empty where too few trials have ended.
    """

    trials: Sequence[TrialPoint]
    importances: Mapping[str, float] = field(default_factory=dict)


def tuning_page(name: str, metric: str, engines: Mapping[str, TunedEngine]) -> str:
    """One HTML file that opens without a network.

    Args:
        name: of the run.
        metric: what the trials are ordered by.
        engines: by name.
    """
    head = ["engine", "trials", "pruned", "failed", "as given", f"best {escape(metric)}", "seconds"]
    said = "on the validation users; the test users were not looked at. Every engine had the same budget."
    parts = [f"<p>{escape(metric)} {said}</p>", card(table(head, _rows(engines)))]
    parts += [
        section(engine, legend(_LOOKS.values()), grid(*_figures(metric, tuned)), card(_best(metric, tuned)))
        for engine, tuned in engines.items()
    ]
    return page(f"Tuning of {name}", parts)


def _rows(engines: Mapping[str, TunedEngine]) -> list[list[str]]:
    rows = []
    for name, tuned in engines.items():
        complete = [p.value for p in tuned.trials if p.state == "complete" and p.value is not None]
        given = next((p.value for p in tuned.trials if p.options == "as given"), None)
        counts = [sum(p.state == state for p in tuned.trials) for state in ("pruned", "failed")]
        seconds = sum(p.seconds for p in tuned.trials)
        best = _number(max(complete, default=None))
        rows.append([escape(name), str(len(tuned.trials)), *map(str, counts), _number(given), best, f"{seconds:.1f}"])
    return rows


def _best(metric: str, tuned: TunedEngine) -> str:
    """The five best trials."""
    complete = [p for p in tuned.trials if p.state == "complete" and p.value is not None]
    first = sorted(complete, key=lambda p: -(p.value or 0.0))[:5]
    rows = [[str(p.number), escape(p.options), _number(p.value), f"{p.seconds:.1f}"] for p in first]
    return (
        table(["trial", "options", escape(metric), "seconds"], rows, text=2) if rows else "<p>No trial has ended.</p>"
    )


def _figures(metric: str, tuned: TunedEngine) -> list[str]:
    """The metric of each trial, and the share of each option in the metric's variance."""
    title = "share of the metric's variance"
    few = f"<figure><figcaption>{title}</figcaption><p class='note'>Too few trials to tell.</p></figure>"
    return [_by_trial(metric, tuned.trials), shares(title, tuned.importances) if tuned.importances else few]


def _by_trial(metric: str, trials: Sequence[TrialPoint]) -> str:
    lines = [
        Line(
            look,
            [
                Point(p.number, p.value, tip=f"trial {p.number}, {state}: {p.value:.4f}\n{p.options}")
                for p in trials
                if p.state == state and p.value is not None
            ],
        )
        for state, look in _LOOKS.items()
    ]
    return line_chart(f"{metric} by trial", lines, Axis("trial"), joined=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
