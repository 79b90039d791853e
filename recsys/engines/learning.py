"""How engines call the training loop."""

from __future__ import annotations

from typing import TypeVar

from recsys.engine import Resources
from recsys.tracking import Tracker
from recsys.training.loop import LoopOptions, Progress, Task, train

BatchT = TypeVar("BatchT")


def learn(
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
        identity="/".join((*made_from, str(resources.seed))),
    )
