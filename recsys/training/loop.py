"""The training loop: the only one."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from recsys.choices import did_you_mean
from recsys.config import Config
from recsys.errors import ConfigError
from recsys.seeding import stream, stream_seed
from recsys.tracking import Tracker
from recsys.training.checkpoint import Checkpoint
from recsys.training.row_adam import RowAdam, row_tables

Batch_contra = TypeVar("Batch_contra", contravariant=True)
BatchT = TypeVar("BatchT")


class LoopOptions(Config):
    """How to train.

    Args:
        epochs: at most this many passes.
        learning_rate: peak rate of AdamW.
        weight_decay: decoupled decay of all weights.
        schedule: of the learning rate after ``warmup`` steps.
        warmup: steps of linear rise.
        max_grad_norm: largest gradient norm; 0 does not clip.
        ema: decay of the exponential moving average of the weights that is validated and kept; 0 keeps the weights.
        patience: validations without a better metric before training stops; 0 never stops early.
        validate_every: epochs between validations.
        checkpoint_seconds: least time between two checkpoints inside an epoch.
        lr_multipliers: learning-rate factor of the parameters whose name starts with the key; 0 freezes them.
        device: ``auto`` takes CUDA (with bf16) when there is one.
    """

    epochs: int = Field(30, ge=1)
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


class Task(Protocol[BatchT]):
    """What is trained: a module, its batches, its loss and the metric that chooses the epoch."""

    @property
    def module(self) -> nn.Module:
        """What is trained, in place."""
        ...

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[BatchT]:
        """The batches of an epoch; the same for the same epoch and stream."""
        ...

    def loss(self, batch: BatchT, rng: np.random.Generator) -> Tensor:
        """The scalar to descend."""
        ...

    def validate(self) -> float | None:
        """The metric to maximise, or None when there is nothing to choose on."""
        ...


@dataclass
class Progress:
    """Where a training stands; JSON values alone."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best_epoch: int = 0
    best_metric: float | None = None
    finished: bool = False
    curve: list[dict[str, float]] = field(default_factory=list)


def train(
    task: Task[BatchT],
    options: LoopOptions,
    seed: int,
    tracker: Tracker,
    *,
    epochs: int | None = None,
    directory: Path | None = None,
    identity: str = "",
) -> Progress:
    """Trains ``task.module`` in place and leaves in it the weights of the best epoch.

    Every step draws its random numbers from a stream named by epoch and step, so that a run that was killed and
    resumes from ``directory`` ends with the same bytes as one that was left alone.

    Args:
        task: what to train.
        options: how.
        seed: gives every stream.
        tracker: sees the curve, that of before a kill included, and the progress.
        epochs: stop after this many; the schedule still spans ``options.epochs`` (a refit repeats what was chosen).
        directory: keeps the checkpoint; None keeps none.
        identity: what the checkpoint must have been made from to be resumed.

    Raises:
        ConfigError: ``options.lr_multipliers`` names no parameter, or freezes them all.
    """
    device = _device(options)
    module = task.module.to(device)
    optimizers = _optimizers(module, options)
    ema = copy.deepcopy(module) if options.ema else None
    best: dict[str, Tensor] = {}
    checkpoint = Checkpoint(directory / "training.safetensors", identity) if directory else None
    state = Progress()
    if checkpoint and (found := checkpoint.restore(module, optimizers, ema)):
        state, best = Progress(**found[0]), found[1]
        for point in state.curve:
            _tell(tracker, point)
        tracker.info(f"training resumes at epoch {state.epoch + 1}, step {state.step}")
    last = epochs or options.epochs
    saved = time.monotonic()
    while state.epoch < last and not state.finished:
        batches = task.batches(state.epoch, stream(seed, "batches", state.epoch))
        started, first = time.monotonic(), state.step
        module.train()
        while state.step < len(batches):
            torch.manual_seed(stream_seed(seed, "torch", state.epoch, state.step))
            rng = stream(seed, "step", state.epoch, state.step)
            total = len(batches) * options.epochs
            _set_rate(optimizers, options, state.epoch * len(batches) + state.step, total)
            state.loss_sum += _step(task, batches[state.step], rng, optimizers, options, device)
            state.step += 1
            if ema is not None:
                _average(ema, module, options.ema)
            tracker.progress(_line(state, len(batches), last, (time.monotonic() - started) / (state.step - first)))
            if checkpoint and time.monotonic() - saved > options.checkpoint_seconds:
                checkpoint.save(vars(state), module, optimizers, ema, best)
                saved = time.monotonic()
        _end_epoch(task, ema, options, state, best, len(batches), tracker, choose=epochs is None)
        if checkpoint:
            checkpoint.save(vars(state), module, optimizers, ema, best)
            saved = time.monotonic()
    final = best or (ema if ema is not None else module).state_dict()
    module.load_state_dict(final)
    module.eval()
    if not best:
        state.best_epoch = state.epoch
    return state


def _step(
    task: Task[BatchT],
    batch: BatchT,
    rng: np.random.Generator,
    optimizers: Sequence[torch.optim.Optimizer],
    options: LoopOptions,
    device: torch.device,
) -> float:
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=isinstance(optimizer, RowAdam))
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        loss = task.loss(batch, rng)
    loss.backward()  # type: ignore[no-untyped-call]
    if options.max_grad_norm:
        _clip(task.module, options.max_grad_norm)
    for optimizer in optimizers:
        optimizer.step()
    return float(loss.detach())


def _end_epoch(
    task: Task[BatchT],
    ema: nn.Module | None,
    options: LoopOptions,
    state: Progress,
    best: dict[str, Tensor],
    steps: int,
    tracker: Tracker,
    choose: bool,
) -> None:
    point = {"epoch": float(state.epoch + 1), "loss": state.loss_sum / max(steps, 1)}
    state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0
    if choose and (state.epoch % options.validate_every == 0 or state.epoch == options.epochs):
        with averaged(task.module, ema):
            metric = task.validate()
            if metric is not None:
                point["metric"] = metric
                if state.best_metric is None or metric > state.best_metric:
                    state.best_metric, state.best_epoch = metric, state.epoch
                    best.update({name: value.detach().clone() for name, value in task.module.state_dict().items()})
                waited = (state.epoch - state.best_epoch) // options.validate_every
                state.finished = 0 < options.patience <= waited
    state.curve.append(point)
    _tell(tracker, point)


def _tell(tracker: Tracker, point: Mapping[str, float]) -> None:
    tracker.log_metrics({key: value for key, value in point.items() if key != "epoch"}, step=int(point["epoch"]))


@contextmanager
def averaged(module: nn.Module, ema: nn.Module | None) -> Iterator[None]:
    """``module`` with the averaged weights inside the block, in evaluation mode."""
    training = module.training
    own = {name: value.clone() for name, value in module.state_dict().items()} if ema is not None else {}
    if ema is not None:
        module.load_state_dict(ema.state_dict())
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if ema is not None:
            module.load_state_dict(own)
        module.train(training)


def _optimizers(module: nn.Module, options: LoopOptions) -> list[torch.optim.Optimizer]:
    """AdamW for what every step moves, and row by row for embedding tables."""
    _check_rates(module, options.lr_multipliers)
    tables = row_tables(module)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        factor = rate_of(name, options.lr_multipliers)
        parameter.requires_grad_(factor > 0 and parameter.requires_grad)
        if parameter.requires_grad:
            if parameter not in tables:
                parameter.grad = torch.zeros_like(parameter)  # never None, so that a resumed run steps like the first
            groups.setdefault((parameter in tables, factor), []).append(parameter)
    if not groups:
        raise ConfigError(
            f"nothing is left to train: training.lr_multipliers {options.lr_multipliers} freeze every parameter"
        )
    rate, decay = options.learning_rate, options.weight_decay
    parts = {
        kind: [{"params": p, "lr": rate * f, "factor": f} for (rows, f), p in groups.items() if rows == kind]
        for kind in (False, True)
    }
    optimizers: list[torch.optim.Optimizer] = []
    if parts[False]:
        optimizers.append(torch.optim.AdamW(parts[False], lr=rate, weight_decay=decay, fused=True))
    if parts[True]:
        optimizers.append(RowAdam(parts[True], rate, decay))
    return optimizers


def _check_rates(module: nn.Module, lr_multipliers: Mapping[str, float]) -> None:
    parts = [name.split(".") for name, _ in module.named_parameters()]
    prefixes = dict.fromkeys(".".join(part[:n]) for part in parts for n in range(1, len(part) + 1))
    for name in lr_multipliers:
        if name not in prefixes:
            raise ConfigError(
                f"training.lr_multipliers names {name!r}, and no parameter starts with it{did_you_mean(name, prefixes) or '.'} "
                f"The parts are: {', '.join(dict.fromkeys(part[0] for part in parts))}"
            )


def _clip(module: nn.Module, largest: float) -> None:
    """Scales all gradients together so that their common norm is at most ``largest``."""
    grads = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    norms = [(grad.coalesce().values() if grad.is_sparse else grad).norm() for grad in grads]
    factor = (largest / (torch.stack(norms).norm() + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(factor)


def rate_of(name: str, lr_multipliers: Mapping[str, float]) -> float:
    """The learning-rate factor of a parameter: that of the longest key that its name starts with, else 1.

    Example:
        >>> rate_of("items.encoders.year.project", {"items": 0.0, "items.encoders.year": 0.5})
        0.5
    """
    matching = [prefix for prefix in lr_multipliers if name == prefix or name.startswith(f"{prefix}.")]
    return lr_multipliers[max(matching, key=len)] if matching else 1.0


def _set_rate(optimizers: Sequence[torch.optim.Optimizer], options: LoopOptions, step: int, total: int) -> None:
    rise = min(1.0, (step + 1) / (options.warmup + 1))
    done = min(1.0, step / max(total, 1))
    shape = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}[options.schedule]
    for optimizer in optimizers:
        for part in optimizer.param_groups:
            part["lr"] = options.learning_rate * part["factor"] * rise * shape


def _average(ema: nn.Module, module: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, value in zip(ema.parameters(), module.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)


def _line(state: Progress, steps: int, epochs: int, seconds: float) -> str:
    left = seconds * (steps - state.step + steps * (epochs - state.epoch - 1))
    metric = "" if state.best_metric is None else f"  best {state.best_metric:.4f} (epoch {state.best_epoch})"
    loss = state.loss_sum / max(state.step, 1)
    return f"epoch {state.epoch + 1}/{epochs}  {state.step}/{steps}  loss {loss:.4f}{metric}  {left:.0f} s left"


def _device(options: LoopOptions) -> torch.device:
    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(options.device)
