"""The training loop, shared by every model."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from recsys.config import Config
from recsys.seeding import stream, stream_seed
from recsys.tracking import SilentTracker, Tracker
from recsys.training.ahead import losses
from recsys.training.averaging import averaged, update_average
from recsys.training.checkpoint import Checkpoint, CheckpointFolder, Progress, Trained
from recsys.training.deterministic import deterministic
from recsys.training.diagnosis import diagnose
from recsys.training.divergence import DivergenceCheck, LossSum
from recsys.training.optimizers import clip_grad_norm, make_optimizers, set_learning_rates
from recsys.training.row_adam import RowAdam
from recsys.training.sharded_checkpoint import ShardedCheckpoint
from recsys.training.sharded_tables import join_tables
from recsys.training.workers import Workers

Batch_contra = TypeVar("Batch_contra", contravariant=True)
BatchT = TypeVar("BatchT")

_AHEAD = {"cpu": 0, "cuda": 2}
"""Batches made ahead: on CPU a thread takes from the model as much as it gives."""
_LOSSES_READ = {"cpu": 1, "cuda": 16}
"""Losses read at once."""
_SHARDED = {"auto": 2**30, True: 0, False: math.inf}
"""Bytes of the weights of a table that is sharded: 4 million rows of 64."""


class LoopOptions(Config):
    """Options of the training loop: AdamW, a learning-rate schedule and early stopping.

    Args:
        epochs: largest number of passes over the data.
        steps_per_epoch: an epoch is at most so many random batches, to validate more often than once a pass; None: all.
        learning_rate: peak learning rate of AdamW.
        weight_decay: decoupled weight decay.
        schedule: of the learning rate after ``warmup`` steps.
        warmup: steps of linear warm-up.
        max_grad_norm: gradients are clipped to this norm; 0 does not clip.
        ema: decay of the exponential moving average of the weights, which is then validated and kept; 0 without.
        patience: validations without a better metric before training stops; 0 never stops early.
        validate_every: epochs between validations.
        checkpoint_seconds: least time between two checkpoints inside an epoch.
        lr_multipliers: name prefix of parameters -> factor of their learning rate; 0 freezes them.
        device: ``auto`` takes CUDA (with bf16) when there is one. Evaluation, recommendation and the service encode by
            towers and rank dense vectors there too, in single precision; ``cuda`` without one does so on the CPU.
        shard_tables: whether several processes split the rows of the id tables among them, with their optimizer state,
            instead of each holding all; ``auto`` splits tables of at least 1 GiB.
        batches_ahead: batches that a thread prepares while the model trains, in two-tower, sequence and GraphSAGE
            engines; 0 prepares each when it is due, None takes 2 on CUDA and 0 on CPU. The weights are the same.
    """

    epochs: int = Field(30, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: int = Field(50, ge=0)
    max_grad_norm: float = Field(0.0, ge=0)
    ema: float = Field(0.0, ge=0, lt=1)
    patience: int = Field(5, ge=0)
    validate_every: int = Field(1, ge=1)
    checkpoint_seconds: float = Field(20.0, ge=0)
    lr_multipliers: dict[str, float] = Field(default_factory=dict)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    shard_tables: Literal["auto"] | bool = "auto"
    batches_ahead: int | None = Field(None, ge=0)


class Task(Protocol[BatchT]):
    """A training task: a module, its batches, its loss and the validation metric for early stopping."""

    @property
    def module(self) -> nn.Module:
        """The module that is trained in place."""
        ...

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[BatchT]:
        """The batches of an epoch, in random order; equal for equal epochs and generators."""
        ...

    def loss(self, batch: BatchT, rng: np.random.Generator) -> Tensor:
        """The scalar to minimize."""
        ...

    def examples(self, batch: BatchT) -> float:
        """Number of examples whose mean is the loss of a batch; the processes of a training weigh theirs by it."""
        ...

    def validate(self) -> float | None:
        """The validation metric, higher is better; None without validation."""
        ...


@deterministic()
def train(
    task: Task[BatchT],
    options: LoopOptions,
    seed: int,
    tracker: Tracker,
    *,
    epochs: int | None = None,
    directory: Path | None = None,
    identity: str = "",
    name: str = "the model",
) -> Progress:
    """Trains ``task.module`` in place and leaves in it the weights of the best epoch.

    Every step draws its random numbers from a stream named by epoch and step, and sums are `deterministic`, so that the
    weights of a run that was killed and resumed from ``directory`` are, bit for bit, those of an uninterrupted one.
    Under ``torchrun`` the processes share the batches of a step, see `recsys.training.workers`.

    Args:
        task: module, batches, loss and validation.
        options: of the loop.
        seed: of every random stream.
        tracker: receives the training curve, epochs before a resumption included, and the progress.
        epochs: number of epochs of a refit, without validation; the schedule still spans ``options.epochs``.
        directory: of the checkpoint; None keeps none. A damaged checkpoint is reported and ignored.
        identity: of config, data and code; a checkpoint of another identity is ignored.
        name: of the model, for messages.

    Returns:
        The number of the best epoch and the training curve.

    Raises:
        ConfigError: ``options.lr_multipliers`` names no parameter, or freezes them all; or training diverged: the loss
            of a step, or a weight at the end of an epoch, is NaN or infinite.
    """
    device = _device(options)
    workers, check = Workers.of_environment(device), DivergenceCheck(name, options.learning_rate, options.max_grad_norm)
    ahead = options.batches_ahead if options.batches_ahead is not None else _AHEAD[device.type]
    sharded = workers.shard(task.module, device, _SHARDED[options.shard_tables])
    module = task.module.to(device)
    workers.begin_equal(module)
    if not workers.is_first:
        tracker = SilentTracker()
    optimizers = make_optimizers(module, options.learning_rate, options.weight_decay, options.lr_multipliers)
    ema = copy.deepcopy(module) if options.ema else None
    trained = Trained(module, optimizers, ema)
    best: dict[str, Tensor] = {}
    folder = CheckpointFolder(directory) if directory is not None and workers.is_first else None
    checkpoint = _checkpoint(directory, identity, workers, sharded)
    state = Progress()
    if checkpoint and (restored := checkpoint.restore(trained, tracker)):
        state, best = restored
        for point in state.curve:
            _log_epoch(tracker, point)
        tracker.info(f"training resumes at epoch {state.epoch + 1}, step {state.step}")
    workers.check_equal(state.epoch, state.step, str(directory))
    if not (workers.is_first or sharded):
        checkpoint = None
    last, loss_sum = epochs or options.epochs, LossSum(state, check, _LOSSES_READ[device.type])
    batches: Sequence[BatchT] = ()
    while state.epoch < last and not state.finished:
        epoch, batches = state.epoch, task.batches(state.epoch, stream(seed, "batches", state.epoch))
        started, first, steps = time.monotonic(), state.step, workers.steps(batches, options.steps_per_epoch)
        module.train()
        todo = (
            (workers.batch(batches, step)[0], stream(seed, "step", epoch, step, *workers.stream()))
            for step in range(first, steps)
        )
        with closing(losses(task, todo, ahead, device)) as computed:
            for compute in computed:
                torch.manual_seed(stream_seed(seed, "torch", epoch, state.step, *workers.stream()))
                batch, counts = workers.batch(batches, state.step)
                set_learning_rates(optimizers, *_learning_rate(options, epoch * steps + state.step, steps))
                loss = _step(compute, task.examples(batch) * counts, trained, options, workers, device)
                state.step += 1
                loss_sum.add(loss)
                if ema is not None:
                    update_average(ema, module, options.ema)
                seconds = (time.monotonic() - started) / (state.step - first)
                tracker.progress(_line(state, loss_sum.mean(), steps, last, seconds))
                if checkpoint and checkpoint.is_due(options.checkpoint_seconds):
                    loss_sum.read()
                    checkpoint.save(state, trained, best)
        loss_sum.read()
        check.weights(module, state)
        _log_epoch(tracker, _end_epoch(task, ema, options, state, best, workers, steps, choose=epochs is None))
        if checkpoint:
            checkpoint.save(state, trained, best)
        if folder is not None:
            folder.remove_others(workers.count if sharded else 1)
    if epochs is None:
        if not batches:  # a finished training was resumed
            batches = task.batches(state.epoch - 1, stream(seed, "batches", state.epoch - 1))
        done = state.epoch * workers.steps(batches, options.steps_per_epoch)
        for doubt in diagnose(state.curve, done, options.warmup):
            tracker.info(f"  warning: training of {name}: {doubt}")
    if not best:
        state.best_epoch = state.epoch
    module.load_state_dict(best or (ema if ema is not None else module).state_dict())
    del trained, optimizers, ema, best  # before the tables are made whole, which takes memory
    join_tables(module)
    module.eval()
    return state


def _checkpoint(
    directory: Path | None, identity: str, workers: Workers, sharded: bool
) -> Checkpoint | ShardedCheckpoint | None:
    if directory is None:
        return None
    if workers.count > 1:  # whose batches and random streams follow from their number
        identity = f"{identity}/{workers.count} processes"
    if sharded:
        return ShardedCheckpoint(directory, identity, workers)
    return Checkpoint(directory / "training.safetensors", identity)


def _step(
    compute: Callable[[], Tensor],
    size: float,
    trained: Trained,
    options: LoopOptions,
    workers: Workers,
    device: torch.device,
) -> Tensor:
    """One step of all optimizers; the loss, over all processes. A batch of no ``size`` has no gradient."""
    for optimizer in trained.optimizers:
        optimizer.zero_grad(set_to_none=isinstance(optimizer, RowAdam))
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    with torch.set_grad_enabled(size > 0), half:
        loss = compute()
    if size:
        torch.autograd.backward(loss)
    found = workers.reduce(trained.module, loss.detach() if size else loss.new_zeros(()), size)
    if options.max_grad_norm:
        clip_grad_norm(trained.module, options.max_grad_norm, workers)
    for optimizer in trained.optimizers:
        optimizer.step()
    return found


def _end_epoch(
    task: Task[BatchT],
    ema: nn.Module | None,
    options: LoopOptions,
    state: Progress,
    best: dict[str, Tensor],
    workers: Workers,
    steps: int,
    choose: bool,
) -> dict[str, float]:
    """Counts the epoch, validates where one is due, keeps the best weights; the epoch's point of the curve."""
    point = {"epoch": float(state.epoch + 1), "loss": state.loss_sum / max(steps, 1)}
    state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0
    if choose and (state.epoch % options.validate_every == 0 or state.epoch == options.epochs):
        with averaged(task.module, ema):
            metric = workers.from_first(task.validate, task.module)
            if metric is not None:
                point["metric"] = metric
                if state.best_metric is None or metric > state.best_metric:
                    state.best_metric, state.best_epoch = metric, state.epoch
                    best.update({name: value.detach().clone() for name, value in task.module.state_dict().items()})
                waited = (state.epoch - state.best_epoch) // options.validate_every
                state.finished = 0 < options.patience <= waited
    state.curve.append(point)
    return point


def _log_epoch(tracker: Tracker, point: Mapping[str, float]) -> None:
    tracker.log_metrics({key: value for key, value in point.items() if key != "epoch"}, step=int(point["epoch"]))


def _learning_rate(options: LoopOptions, step: int, steps: int) -> tuple[float, float, float]:
    """The peak learning rate, and the factors of warm-up and schedule over epochs of ``steps``."""
    total = steps * options.epochs
    warmup = min(1.0, (step + 1) / (options.warmup + 1))
    done = min(1.0, step / max(total, 1))
    decay = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}[options.schedule]
    return options.learning_rate, warmup, decay


def _line(state: Progress, loss: float, steps: int, epochs: int, seconds: float) -> str:
    left = seconds * (steps - state.step + steps * (epochs - state.epoch - 1))
    metric = "" if state.best_metric is None else f"  best {state.best_metric:.4f} (epoch {state.best_epoch})"
    return f"epoch {state.epoch + 1}/{epochs}  {state.step}/{steps}  loss {loss:.4f}{metric}  {left:.0f} s left"


def _device(options: LoopOptions) -> torch.device:
    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(options.device)
