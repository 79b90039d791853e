"""The sequence engine: the two-tower model of ids and histories alone."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from recsys.config import Config
from recsys.engines.two_tower.two_tower import TwoTower, TwoTowerConfig


class SequenceConfig(TwoTowerConfig):
    """As of the two-tower engine; no column of items or users enters unless named."""

    item_columns: list[str] | None = Field(default_factory=list)
    user_columns: list[str] | None = Field(default_factory=list)


class Sequence(TwoTower):
    """What a history of ids alone can tell: GRU4Rec, SASRec, HSTU or BERT4Rec, by ``model.pooling``.

    The same network, training and serving as the two-tower engine, and its baseline: what features add is the
    difference. An item that training never saw is not placed.
    """

    kind: ClassVar[str] = "sequence"
    Config: ClassVar[type[Config]] = SequenceConfig
    supports_cold_items: ClassVar[bool] = False
