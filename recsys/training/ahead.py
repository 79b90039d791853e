"""Batches made ahead: a thread prepares the next ones on the CPU while the model trains on this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor

BatchT = TypeVar("BatchT")
PreparedT = TypeVar("PreparedT")
Batch_contra = TypeVar("Batch_contra", contravariant=True)
T = TypeVar("T")


class Losses(Protocol[Batch_contra]):
    """A task that computes the loss of a batch."""

    def loss(self, batch: Batch_contra, rng: np.random.Generator) -> Tensor: ...


@runtime_checkable
class PreparesBatches(Protocol[Batch_contra, PreparedT]):
    """A task whose ``loss`` is `prepare`, which needs neither the model nor its device, and then `prepared_loss`."""

    def prepare(self, batch: Batch_contra, rng: np.random.Generator) -> PreparedT:
        """What the loss of a batch is computed from, numbers drawn: CPU tensors in dataclasses, tuples and dicts."""
        ...

    def prepared_loss(self, prepared: PreparedT) -> Tensor:
        """The loss, of tensors on the device of the model."""
        ...


def losses(
    task: Losses[BatchT], batches: Iterator[tuple[BatchT, np.random.Generator]], ahead: int, device: torch.device
) -> Generator[Callable[[], Tensor]]:
    """For each batch, in order, a function that computes its loss; close the iterator where it is not read to its end.

    Each batch has a random generator of its own, so that the losses are the same however far ahead it is prepared. On
    CUDA it is copied from pinned memory while the device computes.

    Args:
        task: one that `PreparesBatches` has up to ``ahead`` batches prepared by a thread, which ends with the iterator.
        batches: with their generators.
        ahead: 0 prepares each when it is due.
        device: of the model.
    """
    if not ahead or not isinstance(task, PreparesBatches):
        for batch, rng in batches:
            yield partial(task.loss, batch, rng)
        return
    pinned = device.type == "cuda"
    current = torch.cuda.current_device() if pinned else 0

    def begin() -> None:
        if pinned:  # a new thread would open a context on the first device, that of another process
            torch.cuda.set_device(current)

    def prepare(batch: BatchT, rng: np.random.Generator) -> object:
        prepared = task.prepare(batch, rng)
        return moved(prepared, Tensor.pin_memory) if pinned else prepared

    thread = ThreadPoolExecutor(1, "batches", begin)
    try:
        queue: deque[Future[object]] = deque()
        for batch, rng in batches:
            queue.append(thread.submit(prepare, batch, rng))
            if len(queue) > ahead:
                yield _loss(task, queue.popleft().result(), device)
        while queue:
            yield _loss(task, queue.popleft().result(), device)
    finally:
        thread.shutdown(cancel_futures=True)


def _loss(task: PreparesBatches[BatchT, PreparedT], prepared: PreparedT, device: torch.device) -> Callable[[], Tensor]:
    return lambda: task.prepared_loss(moved(prepared, lambda part: part.to(device, non_blocking=True)))


def moved(value: T, move: Callable[[Tensor], Tensor]) -> T:
    """``value`` with every tensor in its dicts, tuples and dataclasses replaced by what ``move`` gives for it."""
    found: object = value
    if isinstance(value, Tensor):
        found = move(value)
    elif isinstance(value, dict):
        found = {name: moved(part, move) for name, part in value.items()}
    elif isinstance(value, tuple):
        found = tuple(moved(part, move) for part in value)
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{field.name: moved(getattr(value, field.name), move) for field in fields(value)})
    return cast("T", found)
