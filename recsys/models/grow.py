"""Weight transfer from a trained model to one with more ids, columns or inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recsys.models.two_tower import IdEncoder, TwoTowerModel


def transfer_weights(new: TwoTowerModel, old: TwoTowerModel) -> None:
    """Copies the weights of ``old`` into ``new``, built for grown vocabularies and columns, wherever both have them.

    Embedding tables keep the rows of ``old`` and start new rows from its missing vector; the projection of a new input
    is initialized to zero, and a fusion of more inputs keeps its weights of the old ones. Until ``new`` is trained, it
    gives the same vectors as ``old`` for all users and items of ``old``.

    Args:
        new: the larger model, changed in place.
        old: the trained model.
    """
    _copy(new.pooling.state_dict(), old.pooling.state_dict())
    _copy(new.project.state_dict(), old.project.state_dict())
    if new.bias is not None and old.bias is not None:
        _copy(new.bias.state_dict(), old.bias.state_dict())
    _init_new_ids(new, old)
    for encoders, before in ((new.items.encoders, old.items.encoders), (new.users, old.users)):
        for name, encoder in encoders.items():
            if name in before:
                _copy(encoder.state_dict(), before[name].state_dict())
            else:
                zero_init(encoder)
    dim = new.project.weight.shape[0]
    _transfer_fusion(new.items.fusion, old.items.fusion, list(new.items.encoders), list(old.items.encoders), dim)
    _transfer_fusion(new.user_fusion, old.user_fusion, ["", *new.users], ["", *old.users], dim)


def _copy(new: dict[str, Tensor], old: dict[str, Tensor]) -> None:
    """Copies the values of ``old`` into the leading rows of those of ``new``."""
    for name, value in old.items():
        if value.ndim == 0:
            new[name].copy_(value)
        elif new[name].shape[1:] == value.shape[1:]:
            new[name][: len(value)] = value


def _init_new_ids(new: TwoTowerModel, old: TwoTowerModel) -> None:
    """Sets the new rows of id tables and biases to the missing vector of ``old``."""
    pairs: list[tuple[nn.Module | None, nn.Module | None]] = [(new.bias, old.bias)]
    pairs += [
        (modules[name], before[name])
        for modules, before in ((new.items.encoders, old.items.encoders), (new.users, old.users))
        for name in modules
        if name in before and isinstance(before[name], IdEncoder)
    ]
    for larger, smaller in pairs:
        if isinstance(larger, IdEncoder) and isinstance(smaller, IdEncoder):
            with torch.no_grad():
                larger.table.weight[len(smaller.table.weight) :] = smaller.absent


def zero_init(encoder: nn.Module) -> None:
    """Zeroes the final projection of an encoder and its vector of missing values, so that its output is zero."""
    for name, parameter in encoder.named_parameters():
        if name == "absent" or name.startswith("project."):
            nn.init.zeros_(parameter)


def _transfer_fusion(new: nn.Module, old: nn.Module, inputs: Sequence[str], before: Sequence[str], dim: int) -> None:
    """Copies the weights of the inputs ``before`` into a fusion of more ``inputs``; those of new inputs are zero."""
    wide = {len(before) * dim: dim, len(before): 1}
    target, source = new.state_dict(), old.state_dict()
    for name, value in source.items():
        fresh = target[name]
        if fresh.shape == value.shape:
            fresh.copy_(value)
            continue
        fresh.zero_()
        rows = _old_positions(inputs, before, wide.get(value.shape[0], 0), value.shape[0], fresh.shape[0])
        if value.ndim == 1:
            fresh[rows] = value
        else:
            columns = _old_positions(inputs, before, dim, value.shape[1], fresh.shape[1])
            fresh[rows[:, None], columns] = value


def _old_positions(inputs: Sequence[str], before: Sequence[str], width: int, old: int, new: int) -> Tensor:
    """int64: the rows or columns of the new weights that belong to the old inputs, ``width`` per input."""
    if old == new:
        return torch.arange(old)
    blocks = [torch.arange(width) + width * list(inputs).index(name) for name in before]
    return torch.cat(blocks)
