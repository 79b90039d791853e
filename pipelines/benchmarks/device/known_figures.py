"""Seconds of training until an engine, or another library, is as accurate on validation as the results page says."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.benchmarks.peers.harness import export, load, peer_lines
from pipelines.config_paths import DEMO
from pipelines.specs import engine_spec
from recsys.data.dataset import Dataset
from recsys.data.splits.split import Split
from recsys.engine import FitContext
from recsys.engines import ENGINES
from recsys.json_values import JsonObject
from recsys.tracking import SilentTracker

NEAR = 0.99
"""Share of a figure that counts as reached: another device rounds otherwise."""
_PART = 20
"""A quick run has every so many users."""
_RECTOOLS: JsonObject = {"n_factors": 128, "n_heads": 2}


@dataclass(frozen=True)
class Figure:
    """A validation figure of the results page.

    Args:
        config: stem of a file of ``pipelines/configs``.
        engine: of the config.
        ndcg: the best NDCG@10 on validation, as it was measured on a CPU.
    """

    config: str
    engine: str
    ndcg: float


FIGURES = (Figure("movielens-1m", "sequence", 0.2038), Figure("beauty", "sequence", 0.0711))


@dataclass(frozen=True)
class Curve:
    """Seconds since the start of a training, and NDCG@10 on validation, one each an epoch that was validated."""

    points: Sequence[tuple[float, float]]

    def reached(self, ndcg: float) -> float | None:
        """The seconds until NDCG@10 was at least ``ndcg``; None where it never was."""
        return next((seconds for seconds, found in self.points if found >= ndcg), None)

    def line(self, name: str, ndcg: float) -> str:
        """The curve beside a known figure, in a line."""
        seconds, best = max(self.points, key=lambda point: point[1])
        when = self.reached(NEAR * ndcg)
        reached = "not reached" if when is None else f"within 1 % after {when:.1f} s"
        return f"{name}: NDCG@10 {best:.4f} after {seconds:.1f} s; known {ndcg:.4f}, {reached}"


class _Clock(SilentTracker):
    def __init__(self) -> None:
        self.start, self.points = time.perf_counter(), list[tuple[float, float]]()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if "metric" in metrics:
            self.points.append((time.perf_counter() - self.start, metrics["metric"]))


def ours(figure: Figure, device: str, quick: bool) -> Curve:
    """Trains the engine of the config on ``device``; its seconds include validation.

    Raises:
        RecsysError: such as where the data is not there.
    """
    config = DEMO.with_name(f"{figure.config}.toml")
    run, data, split = load(config)
    options = dict(run.engines[figure.engine])
    quickly = {"epochs": 1, "validate_every": 1} if quick else {}
    options["training"] = {**options.get("training", {}), "device": device, **quickly}
    spec = engine_spec(figure.engine, options)
    split = _part(data, split) if quick else split
    clock = _Clock()
    context = FitContext(run.seed, split.validation, tracker=clock)
    ENGINES[spec.kind](spec.config).fit(data, split.train, context=context)
    return Curve(clock.points)


def theirs(figure: Figure, device: str, quick: bool, seconds: float) -> Curve:
    """Trains RecTools' SASRec on the same interactions; its seconds are those of its training alone.

    Raises:
        RecsysError: such as where the data is not there.
    """
    _, data, split = load(DEMO.with_name(f"{figure.config}.toml"))
    folder = export(f"{figure.config}-device", _part(data, split) if quick else split)
    options = json.dumps({**_RECTOOLS, "accelerator": "gpu" if device == "cuda" else "cpu"})
    limits = ["--seconds", str(seconds), *(["--epochs", "1"] if quick else [])]
    found = peer_lines("rectools", "rectools_sasrec.py", folder, "--options", options, *limits)
    return Curve([(point["seconds"], point["ndcg@10"]) for point in found])


def _part(data: Dataset, split: Split) -> Split:
    """The split of every twentieth user."""
    users = np.arange(data.n_users) % _PART == 0
    validation = split.validation.of_users(split.validation.users[users[split.validation.users]])
    return replace(split, train=split.train.select(users[split.train.user]), validation=validation)
