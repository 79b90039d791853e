"""Modality dropout: whole modalities are hidden in random training steps, so that none is needed at serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from recsys.engines.two_tower.tower_inputs import HISTORY, ID, IDS, TowerInputs
from recsys.errors import ConfigError
from recsys.models.two_tower import TwoTowerModel


@dataclass(frozen=True, eq=False)
class ModalityDropout:
    """Modality dropout (Neverova et al., 2016, "ModDrop").

    A modality is hidden from all users and items of a step, as `recsys.engines.two_tower.modalities` masks it: its ids
    and table rows become MISSING, its columns and histories empty, and the encoders give their learned missing vectors.

    Args:
        rate: share of the steps in which each modality is hidden, independently of the others.
        modalities: the parts that each consists of: tables, item or user columns, ``ids``, ``history``.
        items: item input name -> [1, ...], the value of a missing input.
        users: the same of users.
        part: item or user input name -> the part that it belongs to.
        needed: the inputs of the item tower; at least one of them is never hidden.
    """

    rate: float
    modalities: tuple[frozenset[str], ...]
    items: Mapping[str, Tensor]
    users: Mapping[str, Tensor]
    part: Mapping[str, str]
    needed: frozenset[str]

    @classmethod
    def of(
        cls, rate: float, modalities: Mapping[str, Sequence[str]], inputs: TowerInputs, model: TwoTowerModel
    ) -> ModalityDropout:
        """For the inputs of an engine.

        Args:
            rate: see above.
            modalities: name -> parts; by default each table, all columns together, the ids and the history.
            inputs: of the engine.
            model: of the engine.

        Raises:
            ConfigError: a part that the engine does not have.
        """
        items, users = inputs.missing_item(), inputs.missing_user()
        part = {name: inputs.part(name) for name in (*items, *users)}
        unknown = sorted({p for parts in modalities.values() for p in parts} - {*inputs.parts, IDS, HISTORY})
        if unknown:
            raise ConfigError(f"modalities name {unknown}; the engine's inputs are {[*inputs.parts, IDS, HISTORY]}")
        ids = [IDS] if ID in model.items.encoders or ID in model.users or model.bias is not None else []
        groups = modalities.values() or [*([name] for name in inputs.table_names), inputs.columns, ids, [HISTORY]]
        needed = frozenset(part[name] for name in model.items.encoders)
        return cls(rate, tuple(frozenset(parts) for parts in groups if parts), items, users, part, needed)

    def draw(self, rng: np.random.Generator) -> frozenset[str]:
        """The parts hidden in one step; none where the item tower would have no input left."""
        if not self.rate:
            return frozenset()
        hidden = frozenset[str]().union(*(parts for parts in self.modalities if rng.random() < self.rate))
        return hidden if self.needed - hidden else frozenset()

    def hide(self, features: dict[str, Tensor], hidden: frozenset[str], missing: Mapping[str, Tensor]) -> None:
        """Replaces the values [n, ...] of hidden inputs by ``missing`` (`items` or `users`)."""
        for name, values in features.items():
            if self.part[name] in hidden:
                features[name] = missing[name].to(values.device, non_blocking=True).expand_as(values)
