"""Fitting an engine on a split, and its refit on train and validation together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.partition import Split
from recsys.engine import Engine, FitContext
from recsys.tracking import SilentTracker, Tracker

Fit = Callable[[Engine, Dataset, Interactions, FitContext], Engine]
"""Fits an engine that is not fitted on training interactions, and returns it fitted."""


def fit_here(engine: Engine, data: Dataset, train: Interactions, context: FitContext) -> Engine:
    """The `Fit` of this process."""
    return engine.fit(data, train, context=context)


@dataclass(frozen=True)
class Refit:
    """Options of a refit: fitting again on train and validation together, with what validation chose.

    Args:
        parts: for a hybrid, a function that returns its refitted component engines by name.
        tracker: reports the progress of the refit, which computes no validation metrics.
        keep: a function that gets the engine of the first fit, for instance to save it; None if it is not needed.
    """

    parts: Callable[[], Mapping[str, Engine]] = dict
    tracker: Tracker = field(default_factory=SilentTracker)
    keep: Callable[[Engine], None] | None = None


def fit_engine(
    engine: Engine,
    data: Dataset,
    split: Split,
    context: FitContext,
    refit: Refit | None = None,
    fit: Fit = fit_here,
) -> Engine:
    """``engine`` fitted on ``split.train``; with ``refit``, a new one fitted on train and validation together.

    The first fit, on ``split.train``, chooses the number of epochs and the weights of a hybrid on the validation users.
    The refit uses these values and has no validation. For an engine that chooses nothing on validation the first fit is
    skipped and it is fitted on train and validation alone, unless ``refit.keep`` needs the engine of the first fit.

    Args:
        engine: an engine that is not fitted.
        data: the dataset.
        split: its split.
        context: the context of the first fit.
        refit: options of the refit; None fits on ``split.train`` alone.
        fit: where it is fitted.

    Returns:
        What ``fit`` made without ``refit``; a new engine with it.
    """
    if refit is None:
        return fit(engine, data, split.train, context)
    chooses = engine.config.chooses_on_validation()
    epochs: int | None = None
    if chooses or refit.keep is not None:
        engine = fit(engine, data, split.train, context)
        epochs = engine.epochs_
        if refit.keep is not None:
            refit.keep(engine)
    directory = None if context.directory is None else context.directory.parent / "refit"
    refit_context = replace(context, directory=directory, parts=refit.parts(), tracker=refit.tracker)
    return fit_again(engine, data, split.train_and_validation, refit_context, epochs, fit)


def fit_again(
    engine: Engine,
    data: Dataset,
    train: Interactions,
    context: FitContext,
    epochs: int | None,
    fit: Fit = fit_here,
) -> Engine:
    """A new engine of the same recipe, fitted on ``train`` with what the first fit chose and without validation.

    Args:
        engine: the engine of the first fit, which chose the options of `Engine.chosen_config`.
        data: the dataset.
        train: the training interactions, such as all of ``data``.
        context: the context of the fit; its validation part is not used. For a hybrid, ``parts`` are the component
            engines fitted on ``train``.
        epochs: the number of epochs, as the first fit chose it; None is that of the options.
        fit: where it is fitted.
    """
    again = replace(context, validation=None, epochs=epochs)
    return fit(type(engine)(engine.chosen_config()), data, train, again)
