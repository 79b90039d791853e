"""The training loop and the validation metric of an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import Field

from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.engine import Engine, FitContext, Request
from recsys.evaluation.evaluate import score_metric
from recsys.ranking import device_of
from recsys.seeding import stream
from recsys.training.checkpoint import Progress
from recsys.training.loop import LoopOptions, Task
from recsys.training.loop import train as train_loop

BatchT = TypeVar("BatchT")


class TrainedConfig(EngineConfig):
    """The options of an engine that trains by gradient descent.

    Args:
        training: the training loop.
        stop_epoch: training ends after so many epochs, as they were chosen earlier, while the learning-rate schedule
            still spans ``training.epochs``; None chooses the number on validation.
    """

    training: LoopOptions = LoopOptions()
    stop_epoch: int | None = Field(None, ge=1)

    def chooses_on_validation(self) -> bool:
        return self.stop_epoch is None

    def ranking_device(self) -> str:
        return self.training.device


def run_training(
    engine: Engine,
    task: Task[BatchT],
    data: Dataset,
    train: Interactions,
    context: FitContext,
    options: LoopOptions | None = None,
) -> Progress:
    """Trains ``task``; a checkpoint is resumed only where engine, data, options and seed are the same.

    Args:
        engine: the engine of the task.
        task: module, batches and loss.
        data: the dataset.
        train: the training interactions.
        context: gives the seed, the number of epochs, the folder of checkpoints, and the tracker.
        options: of the loop; None takes ``training`` of the engine's config.
    """
    identity = (
        engine.kind,
        data.fingerprint,
        train.fingerprint,
        engine.chosen_config().model_dump_json(),
        str(context.seed),
        str(context.filter_seen),
    )
    if options is None:
        assert isinstance(engine.config, TrainedConfig), f"{engine.kind} has no training options"
        options = engine.config.training
    stop_epoch = engine.config.stop_epoch if isinstance(engine.config, TrainedConfig) else None
    return train_loop(
        task,
        options,
        context.seed,
        context.tracker,
        epochs=context.epochs or stop_epoch,
        directory=context.directory,
        identity="/".join(identity),
        name=engine.kind,
    )


def validation_metric(
    engine: Engine, data: Dataset, context: FitContext, metric: str, max_users: int, update: Callable[[], object]
) -> Callable[[], float] | None:
    """A function that computes the current validation metric of ``engine``; None without validation data.

    Args:
        engine: gives the vectors.
        data: the dataset whose rows the validation data refers to.
        context: gives the validation data.
        metric: such as ``"ndcg@10"``.
        max_users: at most so many random users are evaluated, the same ones each time.
        update: called first; recomputes the engine's vectors from the module in training.
    """
    if context.validation is None:
        return None
    holdout = context.validation.sampled(max_users, stream(context.seed, engine.kind, "asked"))
    request = Request.from_dataset(data, holdout.users, holdout.history)

    def measure() -> float:
        update()
        users, items = engine.user_vectors(request), engine.item_vectors(data.items)
        return score_metric(users, items, holdout, metric, device_of(engine))

    return measure
