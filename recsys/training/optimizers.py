"""Optimizers of a module: AdamW for dense parameters, RowAdam for embedding tables; learning rates and clipping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from recsys.choices import did_you_mean
from recsys.errors import ConfigError
from recsys.training.row_adam import RowAdam, row_tables
from recsys.training.sharded_tables import sharded_tables
from recsys.training.workers import Workers


def make_optimizers(
    module: nn.Module, learning_rate: float, weight_decay: float, lr_multipliers: Mapping[str, float]
) -> list[torch.optim.Optimizer]:
    """AdamW for the dense parameters and `RowAdam` for embeddings with sparse gradients, whichever there are.

    Args:
        module: parameters with a multiplier of 0 are frozen in place.
        learning_rate: peak learning rate.
        weight_decay: decoupled weight decay.
        lr_multipliers: name prefix of parameters -> factor of their learning rate.

    Raises:
        ConfigError: a prefix names no parameter, or all are frozen.
    """
    _check_multipliers(module, lr_multipliers)
    tables = row_tables(module)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        factor = lr_multiplier(name, lr_multipliers)
        parameter.requires_grad_(factor > 0 and parameter.requires_grad)
        if parameter.requires_grad:
            if parameter not in tables:
                parameter.grad = torch.zeros_like(parameter)  # never None, so that a resumed run steps like the first
            groups.setdefault((parameter in tables, factor), []).append(parameter)
    if not groups:
        raise ConfigError(
            f"nothing is left to train: training.lr_multipliers {dict(lr_multipliers)} freeze every parameter"
        )
    dense, sparse = (
        [{"params": p, "lr": learning_rate * f, "factor": f} for (rows, f), p in groups.items() if rows == kind]
        for kind in (False, True)
    )
    optimizers: list[torch.optim.Optimizer] = []
    if dense:
        optimizers.append(torch.optim.AdamW(dense, lr=learning_rate, weight_decay=weight_decay, fused=True))
    if sparse:
        optimizers.append(RowAdam(sparse, learning_rate, weight_decay))
    return optimizers


def set_learning_rates(optimizers: Sequence[torch.optim.Optimizer], peak: float, warmup: float, decay: float) -> None:
    """Sets the learning rate of each parameter group: ``peak * multiplier * warmup * decay``."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = peak * group["factor"] * warmup * decay


def clip_grad_norm(module: nn.Module, max_norm: float, workers: Workers) -> None:
    """Scales all gradients, dense and sparse, of all processes, so that their common norm is at most ``max_norm``."""
    held = {table.weight for table in sharded_tables(module)}
    grads = [(one.grad, one in held) for one in module.parameters() if one.grad is not None]
    norms = [(grad.coalesce().values() if grad.is_sparse else grad).norm() for grad, is_part in grads if not is_part]
    if held and (squared := workers.squared_norm(module)) is not None:
        norms.append(squared.sqrt())
    factor = (max_norm / (torch.stack(norms).norm() + 1e-6)).clamp(max=1.0)
    for grad, _ in grads:
        grad.mul_(factor)


def lr_multiplier(name: str, lr_multipliers: Mapping[str, float]) -> float:
    """The learning-rate factor of a parameter: that of the longest prefix of its name, else 1.

    Example:
        >>> lr_multiplier("items.encoders.year.project", {"items": 0.0, "items.encoders.year": 0.5})
        0.5
    """
    matching = [prefix for prefix in lr_multipliers if name == prefix or name.startswith(f"{prefix}.")]
    return lr_multipliers[max(matching, key=len)] if matching else 1.0


def _check_multipliers(module: nn.Module, lr_multipliers: Mapping[str, float]) -> None:
    parts = [name.split(".") for name, _ in module.named_parameters()]
    prefixes = dict.fromkeys(".".join(part[:n]) for part in parts for n in range(1, len(part) + 1))
    for name in lr_multipliers:
        if name not in prefixes:
            raise ConfigError(
                f"training.lr_multipliers names {name!r}, and no parameter starts with it"
                f"{did_you_mean(name, prefixes) or '.'} "
                f"The parts are: {', '.join(dict.fromkeys(part[0] for part in parts))}"
            )
