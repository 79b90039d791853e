"""The modalities of an engine that has a two-tower model, and the engine with some of them masked."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from recsys.data.entities import EntityTable
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.engine import Engine, Request, Vectors
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.two_tower.tower_inputs import HISTORY, IDS
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ConfigError
from recsys.json_values import JsonObject


class MaskedTwoTower:
    """A trained two-tower engine with some inputs hidden: the encoders give their learned missing vectors for them.

    Args:
        engine: trained; it is not changed.
        hidden: names of tables, of item or user columns, ``ids`` or ``history``.

    Raises:
        ConfigError: the engine has no such input.
    """

    def __init__(self, engine: TwoTower, hidden: Collection[str]) -> None:
        _check(hidden, _inputs(engine))
        self._hidden = set(hidden)
        self.engine = copy.copy(engine)
        self.engine._encoded = None
        before = engine.inputs
        empty = {name: Vocabulary(vocabulary.ids[:0]) for name, vocabulary in before.tables.items()}
        self.engine.inputs = replace(
            before,
            tables={name: empty[name] if before.part(name) in hidden else v for name, v in before.tables.items()},
            item_counts=before.item_counts * (IDS not in hidden),
            trained_users=before.trained_users & (IDS not in hidden),
        )
        self._items: tuple[EntityTable, EntityTable] | None = None

    @property
    def kind(self) -> str:
        """Of the engine."""
        return self.engine.kind

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        vectors = self.engine.item_vectors(self._seen_items(items), at)
        return replace(vectors, valid=None)  # an item whose inputs are all hidden still has the missing vector

    def user_vectors(self, request: Request) -> Vectors:
        histories = request.histories
        if HISTORY in self._hidden:
            histories = histories.remap_items(np.full(len(request.items), MISSING))
        users = _without(request.users, self._hidden)
        return self.engine.user_vectors(Request(users, self._seen_items(request.items), histories, request.at))

    def _seen_items(self, items: EntityTable) -> EntityTable:
        if self._items is None or self._items[0] is not items:  # the same object, so that the engine encodes it once
            self._items = (items, _without(items, self._hidden))
        return self._items[1]


class MaskedHybrid:
    """A trained hybrid with some parts, or inputs of its two-tower parts, hidden.

    A hidden part adds nothing to the score; the inputs of a two-tower part are hidden as `MaskedTwoTower` hides them,
    so that ``history`` is the sequence input of the towers, and not the history that a linear part sums.

    Args:
        engine: trained; it is not changed.
        hidden: names of parts, and of inputs of those that are two-tower engines.

    Raises:
        ConfigError: the engine has no such part or input, or all its parts are hidden.
    """

    def __init__(self, engine: Hybrid, hidden: Collection[str]) -> None:
        towers = {name: part for name, part in engine.parts.items() if isinstance(part, TwoTower)}
        _check(hidden, set(engine.parts).union(*map(_inputs, towers.values())))
        if set(engine.parts) <= set(hidden):
            raise ConfigError(
                f"hiding {sorted(hidden)} leaves no part of the hybrid; name the inputs of a tower instead"
            )
        parts: JsonObject = {
            name: MaskedTwoTower(part, set(hidden) & _inputs(part)) if isinstance(part, TwoTower) else part
            for name, part in engine.parts.items()
        }
        weights = zip(parts, engine.weights_, strict=True)
        seen = tuple(0.0 if name in hidden else weight for name, weight in weights)
        self._engine = copy.copy(engine)
        self._engine.parts = parts
        self._engine.weights_ = seen

    @property
    def kind(self) -> str:
        """Of the engine."""
        return self._engine.kind

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return self._engine.item_vectors(items, at)

    def user_vectors(self, request: Request) -> Vectors:
        return self._engine.user_vectors(request)


def masked(engine: Engine, hidden: Collection[str]) -> MaskedTwoTower | MaskedHybrid:
    """``engine`` without what is ``hidden``.

    Raises:
        ConfigError: it is of a kind that cannot be masked, or has no such parts.
    """
    if isinstance(engine, TwoTower):
        return MaskedTwoTower(engine, hidden)
    if isinstance(engine, Hybrid):
        return MaskedHybrid(engine, hidden)
    raise ConfigError(f"an engine of kind {engine.kind!r} cannot be masked; two_tower and hybrid can")


def hidden_parts(modalities: Mapping[str, Sequence[str]], seen: Collection[str]) -> set[str]:
    """The parts of all ``modalities`` that are not ``seen``."""
    return {part for name, parts in modalities.items() if name not in seen for part in parts}


def _inputs(engine: TwoTower) -> set[str]:
    return {*engine.inputs.parts, IDS, HISTORY}


def _check(hidden: Collection[str], known: set[str]) -> None:
    unknown = sorted(set(hidden) - known)
    if unknown:
        raise ConfigError(f"the engine has no inputs {unknown}; it has {sorted(known)}")


def _without(table: EntityTable, hidden: Collection[str]) -> EntityTable:
    """``table`` with all cells of ``hidden`` columns missing."""
    names = [name for name in table.schema.columns if name in hidden]
    if not names:
        return table
    blank = {name: pd.Series([None] * len(table)).astype(table.columns[name].dtype) for name in names}
    return EntityTable(table.vocabulary, table.columns.assign(**blank), table.schema)
