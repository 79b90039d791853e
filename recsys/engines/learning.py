"""How engines call the training loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from recsys.data.dataset import Dataset
from recsys.engine import Engine, Request, Resources
from recsys.evaluation.evaluate import score_metric
from recsys.seeding import stream
from recsys.tracking import Tracker
from recsys.training.loop import LoopOptions, Progress, Task, train

BatchT = TypeVar("BatchT")


def run_training(
    task: Task[BatchT], options: LoopOptions, resources: Resources, tracker: Tracker, *made_from: str
) -> Progress:
    """Trains ``task`` with what the engine was given; see `recsys.training.loop.train`.

    Args:
        task: what to train.
        options: how.
        resources: its seed, its number of epochs, and where it keeps checkpoints.
        tracker: sees the curve and the progress.
        made_from: what a checkpoint must have been made from, beside the seed, to be resumed.
    """
    return train(
        task,
        options,
        resources.seed,
        tracker,
        epochs=resources.epochs,
        directory=resources.directory,
        identity="/".join((*made_from, str(resources.seed), str(resources.filter_seen))),
    )


def validation(
    engine: Engine, data: Dataset, resources: Resources, metric: str, validation_users: int, ready: Callable[[], object]
) -> Callable[[], float] | None:
    """What a task's ``validate`` calls: the metric of ``engine`` as it stands; None where nothing validates.

    Args:
        engine: asked for its vectors each time.
        data: what the rows of the validation questions refer to.
        resources: the validation questions.
        metric: such as ``"ndcg@10"``.
        validation_users: at most so many random users, always the same.
        ready: called first; brings what the engine answers with up to date with what is being trained.
    """
    if resources.validation is None:
        return None
    holdout = resources.validation.sampled(validation_users, stream(resources.seed, engine.kind, "asked"))
    request = Request.from_dataset(data, holdout.users, holdout.history)

    def measure() -> float:
        ready()
        return score_metric(engine.user_vectors(request), engine.item_vectors(data.items), holdout, metric)

    return measure
