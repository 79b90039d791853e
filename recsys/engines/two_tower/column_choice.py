"""Which columns enter the towers where the user names none: those that tell something on the training interactions."""

from __future__ import annotations

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.column_evidence import Side as Side
from recsys.data.features.column_evidence import column_evidence
from recsys.data.interactions import Interactions
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.errors import ConfigError


def columns_that_tell_nothing(data: Dataset, train: Interactions, config: TwoTowerConfig) -> tuple[str, ...]:
    """The columns that ``config`` would take and that are not predictive, such as ``items.price``."""
    out: list[str] = []
    sides: tuple[tuple[Side, list[str] | None], ...] = (("item", config.item_columns), ("user", config.user_columns))
    for side, named in sides:
        if named is None:
            evidence = column_evidence(data, train, side, config.features)
            out += [f"{side}s.{name}" for name, found in evidence.items() if not found.best.predictive]
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
