"""The page of a search for options: the metric of every trial, and which options it depended on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from recsys.evaluation.report.html import page
from recsys.evaluation.report.html_table import table
from recsys.evaluation.report.plots import subplots, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STATES = {"complete": "#2563a8", "pruned": "#c9d0d6", "failed": "#c0392b"}


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
    parts = [
        f"<p>{escape(metric)} on the validation users; the test users were not looked at. Every engine had the same "
        "budget.</p>",
        table(["engine", "trials", "pruned", "failed", "as given", f"best {metric}", "seconds"], _rows(engines)),
    ]
    for engine, tuned in engines.items():
        parts += [f"<h2>{escape(engine)}</h2>", _figure(metric, tuned), _best(metric, tuned)]
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
    rows = [[str(p.number), _number(p.value), f"{p.seconds:.1f}", escape(p.options)] for p in first]
    return table(["trial", metric, "seconds", "options"], rows) if rows else "<p>No trial has ended.</p>"


def _figure(metric: str, tuned: TunedEngine) -> str:
    figure, axes = subplots(2)
    _by_trial(axes[0], tuned.trials)
    axes[0].set_title(f"{metric} by trial", loc="left")
    axes[0].set_xlabel("trial")
    axes[1].set_title("share of the metric's variance", loc="left")
    names = list(tuned.importances)[::-1]
    if names:
        axes[1].barh(names, [tuned.importances[name] for name in names], color=_STATES["complete"])
    else:
        axes[1].text(0.5, 0.5, "too few trials to tell", ha="center", transform=axes[1].transAxes)
        axes[1].set_yticks([])
    return svg(figure)


def _by_trial(axis: Axes, trials: Sequence[TrialPoint]) -> None:
    for state, colour in _STATES.items():
        points = [(p.number, p.value) for p in trials if p.state == state and p.value is not None]
        if points:
            numbers, values = zip(*points, strict=True)
            axis.scatter(numbers, values, color=colour, s=18, label=state)
    best, line = float("-inf"), []
    for p in trials:
        best = max(best, p.value if p.state == "complete" and p.value is not None else best)
        line.append(best)
    if line and max(line) > float("-inf"):
        axis.step([p.number for p in trials], line, where="post", color="#1d2433", linewidth=0.8, label="best so far")
        axis.legend(frameon=False, fontsize=8)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
