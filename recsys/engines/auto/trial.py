"""Trials: fits of one choice of options, scored on the validation users."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.engine import Engine, FitContext, VectorModel
from recsys.engines.auto.recipe import PartRecipe
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric
from recsys.seeding import stream

MOST_USERS = 10_000
"""Of the validation users; more change no choice."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What every trial is fitted and scored with.

    Args:
        data: the dataset.
        train: the training interactions.
        validation: the users on whom epochs and options are chosen.
        halves: of these users, at random: the weights of a hybrid that are searched on one are measured on the other.
        context: of every fit, with the tables.
        metric: such as ``ndcg@10``.
    """

    data: Dataset
    train: Interactions
    validation: Holdout
    halves: tuple[Holdout, Holdout]
    context: FitContext
    metric: str

    @classmethod
    def of(cls, data: Dataset, train: Interactions, validation: Holdout, context: FitContext, metric: str) -> Bench:
        """At most `MOST_USERS` validation users, and two halves of them; of a single user both halves are this user."""
        order = stream(context.seed, "auto", "halves").permutation(validation.users)[:MOST_USERS]
        half = max(len(order) // 2, 1)
        first, second = (
            validation.of_users(np.sort(users)) if len(users) else validation for users in (order[:half], order[half:])
        )
        users = validation.of_users(np.sort(order))
        return cls(data, train, users, (first, second), replace(context, validation=users), metric)

    def fit(self, part: PartRecipe, context: FitContext | None = None) -> Engine:
        """The engine of ``part``, fitted on train."""
        return part.engine().fit(self.data, self.train, context=context or self.context)

    def score(self, engine: VectorModel) -> float:
        """The mean of the metric over the validation users."""
        return float(self.values(engine, self.validation).mean())

    def values(self, engine: VectorModel, holdout: Holdout) -> NDArray[np.float64]:
        """float64 [U]: the metric of each user of ``holdout``."""
        k = parse_metric(self.metric)[1]
        return evaluate(engine, self.data, holdout, ks=(k,)).values[self.metric]


@dataclass(frozen=True, eq=False)
class Trial:
    """A fitted choice.

    Args:
        name: of the engine in a config.
        part: its kind and options.
        value: of the metric, on the validation users.
        seconds: of the fit.
        scoring: seconds of the computation of ``value``.
        engine: the fitted engine.
    """

    name: str
    part: PartRecipe
    value: float
    seconds: float
    scoring: float
    engine: Engine

    @classmethod
    def run(cls, bench: Bench, name: str, part: PartRecipe, context: FitContext | None = None) -> Trial:
        """Fits and scores."""
        started = time.monotonic()
        engine = bench.fit(part, context)
        seconds = time.monotonic() - started
        value = bench.score(engine)
        return cls(name, part, value, seconds, time.monotonic() - started - seconds, engine)

    def line(self, metric: str) -> str:
        """What is told to the user: name, metric, seconds and options."""
        return f"{self.name:<16} {metric} {self.value:.4f}  {self.seconds:6.1f} s  {options_text(self.part.options)}"


def options_text(options: Mapping[str, object]) -> str:
    """Options as one line.

    Example:
        >>> options_text({"decay": 0.9, "window": 7.0})
        'decay 0.9, window 7'
    """
    parts = (f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in options.items())
    return ", ".join(parts)


def machine_flops() -> float:
    """Floating-point operations a second of a product of two matrices on this machine, now."""
    square = torch.ones(512, 512)
    started = time.monotonic()
    for _ in range(4):
        square @ square
    return 4 * 2 * 512**3 / max(time.monotonic() - started, 1e-4)
