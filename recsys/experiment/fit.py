"""Fitting an engine on a split, and its refit on train and validation together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from recsys.data.dataset import Dataset
from recsys.data.splits.partition import Split
from recsys.engine import Engine, FitContext
from recsys.engines.learning import TrainedConfig
from recsys.tracking import SilentTracker, Tracker


@dataclass(frozen=True)
class Refit:
    """How an engine is fitted once more, on train and validation together.

    Args:
        parts: the refitted engines that this one is made of, called when they are needed.
        tracker: sees the second fit, which has no validation and no curve.
        keep: is given the engine from before the refit; None drops it.
    """

    parts: Callable[[], Mapping[str, Engine]] = dict
    tracker: Tracker = field(default_factory=SilentTracker)
    keep: Callable[[Engine], None] | None = None


def fit_engine(engine: Engine, data: Dataset, split: Split, context: FitContext, refit: Refit | None = None) -> Engine:
    """``engine`` fitted on ``split.train``; with ``refit``, a new one fitted on train and validation together.

    Validation chooses the number of epochs and a hybrid's weights; the refit looks at no validation. An engine that
    chooses nothing on validation is refitted at once, unless it is to be kept from before the refit.

    Args:
        engine: not fitted yet.
        data: the dataset.
        split: its split.
        context: of the first fit.
        refit: see above; None fits once.

    Returns:
        The engine to use: ``engine`` itself, or its refit.
    """
    if refit is None:
        return engine.fit(data, split.train, context=context)
    chooses = isinstance(engine.config, TrainedConfig) or bool(engine.config.uses_parts())
    epochs: int | None = None
    if chooses or refit.keep is not None:
        engine.fit(data, split.train, context=context)
        epochs = engine.epochs_
        if refit.keep is not None:
            refit.keep(engine)
    directory = None if context.directory is None else context.directory.parent / "refit"
    again = replace(
        context, validation=None, epochs=epochs, directory=directory, parts=refit.parts(), tracker=refit.tracker
    )
    return type(engine)(engine.chosen_config()).fit(data, split.train_and_validation, context=again)
