"""The page of a run: a table, and memory and latency over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.benchmarks.soak import checks

if TYPE_CHECKING:
    from pipelines.benchmarks.soak.__main__ import Run

_STEP = 10.0


def write(run: Run, faults: dict[str, list[str]], folder: Path, allowed: float) -> str:
    """Writes ``results.md`` and ``results.png``; returns the table."""
    shown = "\n".join(f"| {what} | {value} |" for what, value in rows(run, faults, allowed).items())
    table = f"| what | figure |\n|---|--:|\n{shown}"
    told = [f"- {kind}: {text}" for kind, texts in faults.items() for text in texts[:20]]
    plan = run.plan
    head = f"# {plan.minutes:g} minutes at {plan.rate:g} requests/s, {plan.moves} moves, {plan.kills} kills"
    parts = [head, table, "![memory and p99](results.png)", *(["\n".join(told)] if told else [])]
    (folder / "results.md").write_text("\n\n".join(parts) + "\n")
    _draw(run, folder / "results.png")
    return table


def rows(run: Run, faults: dict[str, list[str]], allowed: float) -> dict[str, str]:
    """The rows of the table."""
    client, away = run.client, [back - gone for gone, back in run.supervisor.away]
    late = np.array(checks.staleness(client.answered, run.moves))
    held = checks.memory(run.supervisor.lives, run.plan.warm)
    events = sum(len(person.events) for person in client.people)
    lists = sum(len(person.lists) for person in client.people)
    answers = np.array([seconds for _, seconds in client.seconds])
    p50, p99 = 1000 * np.quantile(answers, [0.5, 0.99])
    changes = len(run.messages("model_changed"))
    kinds = ", ".join(f"{name} {n:,}" for name, n in client.asked.most_common())
    return {
        "requests sent": f"{client.asked.total():,} ({kinds})",
        "answered, lists compared with those of their version": f"{len(answers):,}",
        "p50, p99, ms": f"{p50:.1f}, {p99:.1f}",
        "moves of the alias; loaded while serving": f"{len(run.moves) - 1}; {changes}",
        "a version answered after its reign for at most, s": f"{late.max():.1f} (allowed {allowed:.1f})",
        "kills; absences; seconds away in all, longest": (
            f"{run.plan.kills}; {len(away)}; {sum(away):.0f}, {max(away, default=0):.1f}"
        ),
        "requests that failed, all during an absence": f"{len(client.failed):,}",
        "events acknowledged; sent again until they were": f"{events:,}; {client.repeats:,} times",
        "lists of users with events, compared": f"{lists:,}",
        "memory of the first and the last quarter, MiB": f"{held.first:.0f}, {held.last:.0f}",
        "its slope within a life; in the longest life, MiB an hour": f"{held.slope:+.1f}; {held.longest:+.1f}",
        **{kind: str(len(texts)) for kind, texts in faults.items()},
    }


def _draw(run: Run, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for life in run.supervisor.lives:
        if life.memory:
            moments, sizes = np.array(life.memory).T
            above.plot((moments - run.begin) / 60, sizes, color="C0")
    came, seconds = np.array(run.client.seconds).T
    bucket = ((came - run.begin) // _STEP).astype(int)
    at = np.unique(bucket)
    below.plot((at + 0.5) * _STEP / 60, [1000 * np.quantile(seconds[bucket == each], 0.99) for each in at], color="C1")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        for gone, back in run.supervisor.away:
            axes.axvspan((gone - run.begin) / 60, (back - run.begin) / 60, color="C3", alpha=0.3)
        for move in run.moves[1:]:
            axes.axvline((move.before - run.begin) / 60, color="grey", lw=0.5)
    above.set(ylabel="resident, MiB", ylim=(0, None), title="absences red, moves grey")
    below.set(ylabel=f"p99 of {_STEP:.0f} s, ms", yscale="log", xlabel="minutes")
    figure.savefig(path, dpi=110)
