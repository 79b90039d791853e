"""Engines and embedders as a config names them: their kind, and their checked options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config_checks import named
from recsys.choices import Choices
from recsys.config import Config, parse
from recsys.configurable import EngineConfig
from recsys.content import EMBEDDERS
from recsys.encoders.sequence import SEQUENCES
from recsys.engines import ENGINES
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig, check_smoothing
from recsys.errors import ConfigError
from recsys.evaluation.metrics import parse_metric
from recsys.json_values import JsonMapping
from recsys.losses import LOSSES
from recsys.models.build import check_heads
from recsys.models.fusion import FUSIONS
from recsys.negatives import NEGATIVES

if TYPE_CHECKING:
    from pipelines.config import PretrainSection


@dataclass(frozen=True)
class EngineSpec:
    """An engine to build: its name in reports, its kind, and its checked config."""

    name: str
    kind: str
    config: EngineConfig

    @property
    def parts(self) -> tuple[str, ...]:
        """The engines of the run that this one is made of."""
        return self.config.uses_parts()


@dataclass(frozen=True)
class EmbedderSpec:
    """An embedder to build: the name of its table, its kind, and its checked config."""

    name: str
    kind: str
    config: Config


CHOICES: dict[tuple[str, ...], Choices[Any]] = {
    ("loss",): LOSSES,
    ("negatives",): NEGATIVES,
    ("model", "pooling"): SEQUENCES,
    ("model", "item_fusion"): FUSIONS,
    ("model", "user_fusion"): FUSIONS,
}
"""Options of engines that are names, and the tables that they are looked up in."""


def engine_spec(name: str, raw: JsonMapping, where: str = "config") -> EngineSpec:
    """``[engines.NAME]`` as the engine's own config; ``kind`` defaults to the name.

    Raises:
        ConfigError: an unknown kind, a key that this kind does not know, a name of something that does not exist, or
            options that exclude each other.
    """
    kind = str(raw.get("kind", name))
    options = {key: value for key, value in raw.items() if key != "kind"}
    with named(f"{where} [{name}]"):
        made = ENGINES[kind].Config
    config = parse(made, options, f"{where} [{name}]")
    with named(f"{where} [{name}]"):
        _check_names(config)
        _check_together(config)
    return EngineSpec(name, kind, config)


def _check_names(config: Config) -> None:
    for path, table in CHOICES.items():
        section: Any = config if len(path) == 1 else getattr(config, path[0], None)
        name = getattr(section, path[-1], None)
        if isinstance(name, str):  # item2vec has a number of negatives
            table[name]
    metric = getattr(config, "metric", None)
    if metric is not None:
        parse_metric(metric)


def _check_together(config: Config) -> None:
    """Options of a two-tower engine that exclude each other."""
    if not isinstance(config, TwoTowerConfig):
        return
    check_heads(config.model)
    check_smoothing(config)


def pretrain_spec(name: str, section: PretrainSection) -> EngineSpec | EmbedderSpec:
    """The engine that learns the table ``name``, or the embedder that makes it.

    Raises:
        ConfigError: neither or both are named, the kind is unknown, or it does not know an option.
    """
    where = f"[pretrain.{name}]"
    if (section.engine is None) == (section.embedder is None):
        raise ConfigError(f"{where} names an engine that learns the table, or an embedder that makes it; one of both")
    if section.embedder is not None:
        columns = {"columns": section.columns} if section.columns else {}
        options = parse(EMBEDDERS[section.embedder].Config, {**section.options, **columns}, f"{where} options")
        return EmbedderSpec(name, section.embedder, options)
    if section.columns:
        raise ConfigError(f"{where} columns are what an embedder reads; an engine learns from interactions")
    return engine_spec(name, {"kind": section.engine, **section.options}, "pretrain")
