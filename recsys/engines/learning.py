"""How engines call the training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.engine import Engine, EngineConfig, FitContext, Request
from recsys.evaluation.evaluate import score_metric
from recsys.seeding import stream
from recsys.training.checkpoint import Progress
from recsys.training.loop import LoopOptions, Task
from recsys.training.loop import train as train_loop

BatchT = TypeVar("BatchT")


class TrainedConfig(EngineConfig):
    """The options of an engine that trains by gradient descent.

    Args:
        training: the training loop.
    """

    training: LoopOptions = LoopOptions()


def run_training(
    engine: Engine,
    task: Task[BatchT],
    data: Dataset,
    train: Interactions,
    context: FitContext,
    options: LoopOptions | None = None,
) -> Progress:
    """Trains ``task`` for ``engine``; a checkpoint is resumed only where engine, data and options are the same.

    Args:
        engine: whose task it is; its config names the options of the loop.
        task: what to train.
        data: the dataset.
        train: the interactions that are learnt from.
        context: seed, number of epochs, where checkpoints are kept, and the tracker.
        options: of the loop, where they are not the ``training`` of the engine's config.
    """
    identity = (
        engine.kind,
        data.fingerprint,
        train.fingerprint,
        engine.config.model_dump_json(),
        str(context.seed),
        str(context.filter_seen),
    )
    if options is None:
        assert isinstance(engine.config, TrainedConfig), f"{engine.kind} has no training options"
        options = engine.config.training
    return train_loop(
        task,
        options,
        context.seed,
        context.tracker,
        epochs=context.epochs,
        directory=context.directory,
        identity="/".join(identity),
        name=engine.kind,
    )


def validation_metric(
    engine: Engine, data: Dataset, context: FitContext, metric: str, max_users: int, update: Callable[[], object]
) -> Callable[[], float] | None:
    """A function that measures ``engine`` on the validation users as it stands; None where nothing validates.

    Args:
        engine: gives the vectors each time.
        data: what the rows of the validation part refer to.
        context: the validation part.
        metric: such as ``"ndcg@10"``.
        max_users: at most so many random users are evaluated, always the same.
        update: called first; brings the engine's vectors up to date with the module in training.
    """
    if context.validation is None:
        return None
    holdout = context.validation.sampled(max_users, stream(context.seed, engine.kind, "asked"))
    request = Request.from_dataset(data, holdout.users, holdout.history)

    def measure() -> float:
        update()
        return score_metric(engine.user_vectors(request), engine.item_vectors(data.items), holdout, metric)

    return measure
