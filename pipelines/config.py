"""The configuration of a run: a TOML file with a section for each stage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipelines.config_checks import check_engine, check_gate, check_split, named
from pipelines.config_paths import read_raw
from pipelines.specs import EngineSpec, engine_spec, pretrain_spec
from pipelines.tune_section import TuneSection, check_tune
from recsys.config import Config, parse
from recsys.data.ingest.config import DataConfig
from recsys.data.splits.split import SplitConfig
from recsys.distributed.compute import ComputeOptions
from recsys.errors import ConfigError
from recsys.evaluation.metrics import check_lengths, parse_metric
from recsys.json_values import JsonObject
from recsys.names import check_model_name, check_name
from recsys.registry.gate import GateConfig
from recsys.retrieval import INDEXES
from recsys.retrieval.batch import RecommendOptions

BEST = "best"
"""The value of ``promote.engine`` for the best engine on validation."""


class PretrainSection(Config):
    """An embedding table that engines take as input: learnt by an engine, or computed from content by an embedder.

    Args:
        engine: the kind of engine that learns it, one that produces item embeddings.
        embedder: the kind of embedder that computes it instead, from the items' texts or images.
        columns: the item columns that the embedder reads; none takes all of the kind it reads.
        share: the earliest share of the training interactions that it is learnt from. Below 1 the later ones are
            targets of the towers that the table has not been trained on, so that their training does not leak.
        options: of the engine or embedder.
    """

    engine: str | None = None
    embedder: str | None = None
    columns: tuple[str, ...] = ()
    share: float = Field(default=0.5, gt=0, le=1)
    options: JsonObject = Field(default_factory=dict)


class TrainSection(Config):
    """How engines are trained besides their own options.

    Args:
        final: the engines of ``[promote]`` and ``[recommend]`` are fitted once more, after evaluation, on all
            interactions (train, validation and test), with the epochs and weights chosen on validation; that fit is
            what is registered and recommends. False serves the engines that were evaluated.
        workers: processes over the Ray cluster of ``[compute]`` that share the batches of engines that train by
            gradient descent: a step takes a batch of each, so another number learns other weights.
    """

    final: bool = True
    workers: int = Field(1, ge=1)


class EmbeddingQualitySection(Config):
    """How the report measures the intrinsic quality of each table of ``[pretrain]``.

    Args:
        attribute: a tags or categorical column of the items that neighbours should agree in; None takes the first tags
            column, or else the first categorical one.
        items: largest number of random query items.
        users: largest number of random validation users.
        k: length of their lists.
    """

    attribute: str | None = None
    items: int = Field(2000, ge=1)
    users: int = Field(2000, ge=1)
    k: int = Field(20, ge=1)


class EvaluateSection(Config):
    """Metrics and options of the report.

    Args:
        ks: list lengths; engines are compared at the largest up to 10, or else at the smallest.
        filter_seen: leave the items of a user's history out of the lists, here and, unless ``recommend.filter_seen`` is
            given, in batch and service. Engines may then be trained to rank unseen items; set it to false where people
            buy again.
        baseline: the engine that all others are tested against; None takes the first of ``[engines]``.
        track: whether every engine becomes a run of MLflow, to be compared there; `recsys promote` does it in any case.
        embedding_quality: of the tables of ``[pretrain]``.
        examples: so many test users are shown in the report with their lists, by id; 0 shows none.
    """

    ks: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 5, 10, 20, 50, 100), min_length=1)
    filter_seen: bool = True
    baseline: str | None = None
    track: bool = False
    embedding_quality: EmbeddingQualitySection = EmbeddingQualitySection()
    examples: int = Field(4, ge=0, le=40)


class AttributionSection(Config):
    """The engine and the modalities whose contributions `recsys attribution` and the report compute.

    Args:
        engine: a two-tower engine of ``[engines]``, or a hybrid.
        modalities: name -> what it consists of: tables, item or user columns, ``ids``, ``history``, parts of a hybrid.
        metric: the metric whose mean is attributed.
        users: at most so many random test users are evaluated.
    """

    engine: str
    modalities: dict[str, tuple[str, ...]] = Field(min_length=1, max_length=8)
    metric: str = "recall@20"
    users: int = Field(2000, ge=1)


class PromoteSection(Config):
    """The engine that may be promoted, the name of its registered model, and the gate.

    Args:
        engine: a name of ``[engines]``, or ``best``: the engine with the best ``gate.metric`` on validation.
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
        engine: recommends with this engine of the run; None takes the champion of ``[promote]``, or where there is none
            because the first candidate was refused, an engine of the run that would pass, or the baseline.
        filter_seen: as ``evaluate.filter_seen`` unless given.
        output: another folder for the lists, or an address that fsspec writes to, as ``s3://bucket/lists``; None is
            ``recommendations/`` in the output folder. Lists of `recsys similar --all` go to ``OUTPUT-similar``.
        histories: a file of raw histories, with the columns of the interactions and the id of a session in that of the
            user; its sessions get the lists in place of the users. Unknown items are passed over and counted.
    """

    engine: str | None = None
    output: str | None = Field(None, min_length=1)
    histories: Path | None = None

    @property
    def options(self) -> RecommendOptions:
        """The options of the batch itself."""
        return RecommendOptions(**self.model_dump(exclude={"engine", "output", "histories"}))


class RunConfig(Config):
    """One complete run, as ``pipelines/configs/*.toml`` holds them.

    Args:
        name: of the run; the output goes to ``runs/NAME`` by default.
        seed: of all random streams.
        data: the raw tables.
        split: the protocol; without this section, or with the protocol ``none``, engines are trained on all
            interactions and recommend, and nothing is evaluated.
        pretrain: embedding tables by name.
        engines: options by name; ``kind`` says which engine when the name does not.
        train: whether what recommends is fitted on all interactions.
        finetune: options of the parent's engine that change when it is fine-tuned.
        tune: the search for options by `recsys tune`.
        evaluate: the report.
        attribution: the engine and modalities of `recsys attribution` and the report; None leaves the attribution out.
        promote: the engine and the gate; None skips promotion.
        recommend: the nightly batch; None skips it.
        compute: this process, or a Ray cluster.
    """

    name: str
    seed: int = 0
    data: DataConfig
    split: SplitConfig = SplitConfig(protocol="none")
    pretrain: dict[str, PretrainSection] = Field(default_factory=dict)
    engines: dict[str, JsonObject] = Field(min_length=1)
    train: TrainSection = TrainSection()
    finetune: JsonObject = Field(default_factory=dict)
    tune: TuneSection = TuneSection()
    evaluate: EvaluateSection = EvaluateSection()
    attribution: AttributionSection | None = None
    promote: PromoteSection | None = None
    recommend: RecommendSection | None = None
    compute: ComputeOptions = ComputeOptions()

    @property
    def baseline(self) -> str:
        return self.evaluate.baseline or next(iter(self.engines))

    @property
    def has_split(self) -> bool:
        """Whether interactions are held out to evaluate with."""
        return self.split.protocol != "none"

    @property
    def fits_final(self) -> bool:
        """Whether what recommends is fitted once more on all interactions; without a split it was fitted on all."""
        return self.train.final and self.has_split

    @property
    def promotes_best(self) -> bool:
        """Whether the engine of ``[promote]`` is the best on validation; an engine may have the name ``best``."""
        return self.promote is not None and self.promote.engine == BEST and BEST not in self.engines

    @property
    def candidates(self) -> tuple[str, ...]:
        """The engine that represents the run: the promoted one, else the one that recommends, else the last.

        All engines where the best on validation is promoted; `pipelines.stages.choose.candidate_name` names it.
        """
        if self.promotes_best:
            return tuple(self.engines)
        if self.promote is not None:
            return (self.promote.engine,)
        return ((self.recommend and self.recommend.engine) or list(self.engines)[-1],)


def engine_specs(config: RunConfig) -> list[EngineSpec]:
    """Every engine of the run, in the order of the file."""
    return [engine_spec(name, raw, "engines") for name, raw in config.engines.items()]


def read_run_config(path: Path, overrides: Iterable[str] = ()) -> RunConfig:
    """The run at ``path``; everything that can be checked without data is checked here.

    Relative paths in the file start at its folder, those of ``overrides`` at the current one.

    Raises:
        ConfigError: names every key that is unknown, missing or of a wrong type, and every reference to an undefined
        name.
    """
    config = parse(RunConfig, read_raw(path, overrides), str(path))
    for key, names in (("name", [config.name]), ("[pretrain]", config.pretrain), ("[engines]", config.engines)):
        for name in names:
            check_name(key, name)
    if "ray" in config.engines:
        raise ConfigError(f"{path}: an engine cannot be called 'ray', for --engine ray is a cluster; use another name")
    _check_parts(config)
    for what, given in (("promote", config.promote), ("attribution", config.attribution)):
        if given is not None:
            check_split(config, f"[{what}]")
    for name, section in config.pretrain.items():
        pretrain_spec(name, section)
    with named("evaluate.ks"):
        check_lengths(config.evaluate.ks)
    with named("tune.metric"):
        parse_metric(config.tune.metric)
    check_tune(config.tune, config.engines)
    check_engine(config, "evaluate.baseline", config.baseline)
    if config.attribution is not None:
        check_engine(config, "attribution.engine", config.attribution.engine)
        with named("attribution.metric"):
            parse_metric(config.attribution.metric)
    if config.promote is not None:
        if not config.promotes_best:
            check_engine(config, "promote.engine", config.promote.engine)
        check_gate(config, config.promote.gate)
        check_model_name("promote.model" if config.promote.model else "name", config.promote.model or config.name)
    if config.recommend is not None:
        with named("recommend.index"):
            INDEXES[config.recommend.index]
        if config.recommend.engine is not None:
            check_engine(config, "recommend.engine", config.recommend.engine)
        elif config.promote is None:
            raise ConfigError(f"{path}: [recommend] needs an engine, or a [promote] section whose champion it can use")
    return _with_recommend_filter(config)


def _with_recommend_filter(config: RunConfig) -> RunConfig:
    """``recommend.filter_seen`` as ``evaluate.filter_seen``, unless it is given."""
    if config.recommend is None or "filter_seen" in config.recommend.model_fields_set:
        return config
    section = config.recommend.model_copy(update={"filter_seen": config.evaluate.filter_seen})
    return config.model_copy(update={"recommend": section})


def _check_parts(config: RunConfig) -> None:
    """Checks that the parts of each engine are engines defined before it.

    Raises:
        ConfigError: one is not.
    """
    earlier: set[str] = set()
    for spec in engine_specs(config):
        for part in spec.parts:
            check_engine(config, f"engines.{spec.name}.parts", part)
            if part not in earlier:
                raise ConfigError(
                    f"engines.{spec.name}.parts names {part!r}, which must be defined before it in the file"
                )
        earlier.add(spec.name)
