"""What one run is: a TOML file with a section for each stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from recsys.choices import Choices, did_you_mean
from recsys.config import Config, apply_overrides, parse, read_toml
from recsys.content import EMBEDDERS
from recsys.data.ingest.config import DataConfig
from recsys.data.splits.split import SplitConfig
from recsys.encoders.sequence import SEQUENCES
from recsys.engine import EngineConfig
from recsys.engines import ENGINES
from recsys.engines.two_tower.two_tower import TwoTowerConfig, check_smoothing
from recsys.errors import ConfigError
from recsys.evaluation.metrics import parse_metric
from recsys.losses import LOSSES
from recsys.models.build import check_heads
from recsys.models.fusion import FUSIONS
from recsys.names import check_name
from recsys.negatives import NEGATIVES
from recsys.registry.gate import GateConfig
from recsys.registry.store import check_model_name
from recsys.retrieval import INDEXES
from recsys.retrieval.recommend import RecommendOptions


class PretrainSection(Config):
    """One embedding table that engines can build on: learnt by an engine, or made from content by an embedder.

    Args:
        engine: the kind of engine that learns it; it must leave item embeddings.
        embedder: the kind of embedder that makes it instead, from the items' texts or images.
        columns: the item columns that the embedder reads; none takes all of its kind.
        share: the earliest share of the training interactions it learns from. Below 1, the interactions that the
            towers have still to predict are not all inside the table already.
        options: of the engine or embedder.
    """

    engine: str | None = None
    embedder: str | None = None
    columns: tuple[str, ...] = ()
    share: float = Field(default=0.5, gt=0, le=1)
    options: dict[str, Any] = Field(default_factory=dict)


class EmbeddingQualitySection(Config):
    """How the report measures each table of ``[pretrain]`` by itself.

    Args:
        attribute: a tags or categorical column of the items that neighbours should agree in; None takes the first tags
            column, or else the first categorical one.
        items: at most so many random items are asked for their neighbours.
        users: at most so many random users of validation are asked what comes next.
        k: length of their lists.
    """

    attribute: str | None = None
    items: int = Field(2000, ge=1)
    users: int = Field(2000, ge=1)
    k: int = Field(20, ge=1)


class EvaluateSection(Config):
    """What the report holds.

    Args:
        ks: list lengths; engines are compared at the largest up to 10, or else at the smallest.
        filter_seen: leave out what a user's history holds, here and, unless ``recommend.filter_seen`` says otherwise,
            in the batch. The towers then learn to rank what is new alone; set it to false where people buy again.
        baseline: the engine that all others are tested against; None takes the first of ``[engines]``.
        embedding_quality: of the tables of ``[pretrain]``.
    """

    ks: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 5, 10, 20, 50, 100), min_length=1)
    filter_seen: bool = True
    baseline: str | None = None
    embedding_quality: EmbeddingQualitySection = EmbeddingQualitySection()


class AttributionSection(Config):
    """What `recsys attribution`, and the report, take apart.

    Args:
        engine: a two-tower engine of ``[engines]``, or a hybrid.
        modalities: name -> what it consists of: tables, item or user columns, ``ids``, ``history``, parts of a hybrid.
        metric: what is shared out.
        users: at most so many random test users are asked.
    """

    engine: str
    modalities: dict[str, tuple[str, ...]] = Field(min_length=1, max_length=8)
    metric: str = "recall@20"
    users: int = Field(2000, ge=1)


class PromoteSection(Config):
    """Which engine stands for promotion, under which model name, through which gate.

    Args:
        engine: a name of ``[engines]``.
        model: the registered name; None takes the name of the run.
        tracking_uri: of MLflow; None keeps a sqlite file in the output folder.
        gate: the rules.
    """

    engine: str
    model: str | None = None
    tracking_uri: str | None = None
    gate: GateConfig = GateConfig()


class RecommendSection(RecommendOptions):
    """The nightly batch.

    Args:
        engine: recommends with this engine of the run; None takes the champion of ``[promote]``.
        filter_seen: as ``evaluate.filter_seen`` unless given.
    """

    engine: str | None = None

    @property
    def options(self) -> RecommendOptions:
        """What the batch itself is told."""
        return RecommendOptions(**self.model_dump(exclude={"engine"}))


class RunConfig(Config):
    """One complete run, as ``pipelines/configs/*.toml`` holds them.

    Args:
        name: of the run; the output goes to ``runs/NAME`` unless told otherwise.
        seed: gives every random stream.
        data: the raw tables.
        split: the protocol.
        pretrain: embedding tables by name.
        engines: options by name; ``kind`` says which engine when the name does not.
        finetune: options of the parent's engine that change when it is fine-tuned.
        evaluate: the report.
        attribution: the engine whose modalities `recsys attribution` and the report weigh; None weighs none.
        promote: the gate; None promotes nothing.
        recommend: the batch; None recommends nothing.
    """

    name: str
    seed: int = 0
    data: DataConfig
    split: SplitConfig
    pretrain: dict[str, PretrainSection] = Field(default_factory=dict)
    engines: dict[str, dict[str, Any]] = Field(min_length=1)
    finetune: dict[str, Any] = Field(default_factory=dict)
    evaluate: EvaluateSection = EvaluateSection()
    attribution: AttributionSection | None = None
    promote: PromoteSection | None = None
    recommend: RecommendSection | None = None

    @property
    def baseline(self) -> str:
        return self.evaluate.baseline or next(iter(self.engines))

    @property
    def candidate(self) -> str:
        """The engine that stands for the run: the promoted one, else the one that recommends, else the last."""
        if self.promote is not None:
            return self.promote.engine
        return (self.recommend and self.recommend.engine) or list(self.engines)[-1]


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


_CHOICES: dict[tuple[str, ...], Choices[Any]] = {
    ("loss",): LOSSES,
    ("negatives",): NEGATIVES,
    ("model", "pooling"): SEQUENCES,
    ("model", "item_fusion"): FUSIONS,
    ("model", "user_fusion"): FUSIONS,
}
"""Options of engines that are names, and the tables that they are looked up in."""


def engine_spec(name: str, raw: Mapping[str, Any], where: str = "config") -> EngineSpec:
    """``[engines.NAME]`` as the engine's own config; ``kind`` defaults to the name.

    Raises:
        ConfigError: an unknown kind, a key that this kind does not know, a name of something that does not exist, or
            options that exclude each other.
    """
    kind = str(raw.get("kind", name))
    options = {key: value for key, value in raw.items() if key != "kind"}
    config = parse(ENGINES[kind].Config, options, f"{where} [{name}]")
    try:
        _check_names(config)
        _check_together(config)
    except ConfigError as error:
        raise ConfigError(f"{where} [{name}]: {error}") from error
    return EngineSpec(name, kind, config)


def _check_names(config: Config) -> None:
    for path, table in _CHOICES.items():
        section: Any = config if len(path) == 1 else getattr(config, path[0], None)
        name = getattr(section, path[-1], None)
        if isinstance(name, str):  # item2vec has a number of negatives
            table[name]
    metric = getattr(config, "metric", None)
    if metric is not None:
        parse_metric(metric)


def _check_together(config: Config) -> None:
    """What no option of a two-tower engine can be told by itself."""
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


def engine_specs(config: RunConfig) -> list[EngineSpec]:
    """Every engine of the run, in the order of the file."""
    return [engine_spec(name, raw, "engines") for name, raw in config.engines.items()]


def read_run_config(path: Path, overrides: Iterable[str] = ()) -> RunConfig:
    """The run at ``path``; everything that can be checked without data is checked here.

    Raises:
        ConfigError: names every key that is unknown, missing or of a wrong type, and names that name nothing.
    """
    config = parse(RunConfig, apply_overrides(read_toml(path), overrides), str(path))
    for key, names in (("name", [config.name]), ("[pretrain]", config.pretrain), ("[engines]", config.engines)):
        for name in names:
            check_name(key, name)
    _check_parts(config)
    for name, section in config.pretrain.items():
        pretrain_spec(name, section)
    check_engine(config, "evaluate.baseline", config.baseline)
    if config.attribution is not None:
        check_engine(config, "attribution.engine", config.attribution.engine)
        parse_metric(config.attribution.metric)
    if config.promote is not None:
        check_engine(config, "promote.engine", config.promote.engine)
        _check_gate(config, config.promote.gate)
        check_model_name("promote.model" if config.promote.model else "name", config.promote.model or config.name)
    if config.recommend is not None:
        INDEXES[config.recommend.index]
        if config.recommend.engine is not None:
            check_engine(config, "recommend.engine", config.recommend.engine)
        elif config.promote is None:
            raise ConfigError(f"{path}: [recommend] needs an engine, or a [promote] section whose champion it can ask")
    return _following(config)


def _following(config: RunConfig) -> RunConfig:
    """With a batch that leaves out what was seen where the report does, unless it says otherwise."""
    if config.recommend is None or "filter_seen" in config.recommend.model_fields_set:
        return config
    section = config.recommend.model_copy(update={"filter_seen": config.evaluate.filter_seen})
    return config.model_copy(update={"recommend": section})


def _check_parts(config: RunConfig) -> None:
    earlier: set[str] = set()
    for spec in engine_specs(config):
        for part in spec.parts:
            check_engine(config, f"engines.{spec.name}.parts", part)
            if part not in earlier:
                raise ConfigError(f"engines.{spec.name}.parts names {part!r}, which must stand before it in the file")
        earlier.add(spec.name)


def check_shown(config: RunConfig) -> None:
    """Whether the engine that recommends, and all that it is made of, learn to rank what the lists will show.

    Raises:
        ConfigError: see `refuse_unranked`.
    """
    if config.recommend is None or config.recommend.filter_seen or not config.evaluate.filter_seen:
        return
    specs = {spec.name: spec for spec in engine_specs(config)}
    asked = [config.recommend.engine or config.candidate]
    while asked:
        name = asked.pop()
        ranked = specs[name].config
        refuse_unranked(ranked.ranks_seen_items(), f"engines.{name}")
        asked += specs[name].parts


def refuse_unranked(ranks_seen: bool, where: str) -> None:
    """Refuses lists with ``recommend.filter_seen = false`` from what did not learn to rank what was seen.

    Raises:
        ConfigError: it did not.
    """
    if not ranks_seen:
        raise ConfigError(
            f"recommend.filter_seen = false asks for lists with what a user's history holds, and {where} is "
            "trained to rank unseen items: train with evaluate.filter_seen = false, or with the engine's "
            "mask_seen_negatives = false, or leave filter_seen out"
        )


def _check_gate(config: RunConfig, gate: GateConfig) -> None:
    for name in (gate.metric, *gate.must_not_lose):
        if parse_metric(name)[1] not in config.evaluate.ks:
            raise ConfigError(f"promote.gate names {name!r}, which evaluate.ks = {list(config.evaluate.ks)} leaves out")


def check_engine(config: RunConfig, key: str, name: str) -> None:
    """Whether ``name``, given as ``key``, is an engine of the run.

    Raises:
        ConfigError: it is not; the message names the nearest.
    """
    if name not in config.engines:
        raise ConfigError(
            f"{key} = {name!r} is no engine of this run{did_you_mean(name, config.engines) or '.'} "
            f"[engines] has: {', '.join(config.engines)}"
        )
