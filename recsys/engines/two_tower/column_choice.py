"""Which columns enter the towers where the user names none: those that tell something on the training interactions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.evidence import (
    Evidence,
    item_column_evidence,
    transition_evidence,
    user_column_evidence,
    value_shares,
)
from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.features.scalers import Embedded
from recsys.data.interactions import Interactions
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.errors import ConfigError

Side = Literal["item", "user"]


def column_evidence(data: Dataset, train: Interactions, side: Side, options: FeatureOptions) -> dict[str, Evidence]:
    """Column name -> how much it tells about who chooses what; embedding columns are not measured.

    For a column of items the greater of two: whether a user's items share its values, and whether its value of an item
    tells that of the next.

    Args:
        data: the tables.
        train: what is looked at; nothing else is.
        side: ``item`` or ``user``.
        options: how columns become values.
    """
    table, rows = (data.items, train.item) if side == "item" else (data.users, train.user)
    fitted = FeatureSet.fit(table, np.unique(rows), options)
    values = fitted.transform(table)
    found: dict[str, Evidence] = {}
    for column in fitted.columns:
        if isinstance(column, Embedded):
            continue
        shares = value_shares(column, values[column.name])
        if side == "user":
            found[column.name] = user_column_evidence(shares, train, data.n_items)
            continue
        measured = [item_column_evidence(shares, train, data.n_users), transition_evidence(shares, train, data.n_users)]
        found[column.name] = max(measured, key=lambda evidence: (evidence.predictive, evidence.gain))
    return found


def columns_that_tell_nothing(data: Dataset, train: Interactions, config: TwoTowerConfig) -> tuple[str, ...]:
    """The columns that ``config`` would take and that are not predictive, such as ``items.price``."""
    out: list[str] = []
    sides: tuple[tuple[Side, list[str] | None], ...] = (("item", config.item_columns), ("user", config.user_columns))
    for side, named in sides:
        if named is None:
            evidence = column_evidence(data, train, side, config.features)
            out += [f"{side}s.{name}" for name, found in evidence.items() if not found.predictive]
    return tuple(out)


def chosen(table: EntityTable, side: Side, config: TwoTowerConfig) -> EntityTable:
    """The columns of ``table`` that enter a tower.

    Raises:
        ConfigError: ``item_columns`` or ``user_columns`` names one that the table lacks.
    """
    columns = config.item_columns if side == "item" else config.user_columns
    known = list(table.schema.columns)
    if columns is None:
        out = {name.removeprefix(f"{side}s.") for name in config.leave_out or () if name.startswith(f"{side}s.")}
        return table.with_columns([name for name in known if name not in out]) if out else table
    if unknown := sorted(set(columns) - set(known)):
        raise ConfigError(f"{side}_columns names {unknown}; the table has {known}")
    return table.with_columns(columns)
