"""columns: what each item and user column tells, and what it is worth to a two-tower engine on validation.

``recsys columns CONFIG`` prints a table and writes ``columns.json`` in the run's output folder. The report of a run
with a two-tower engine holds what the columns tell, without their worth.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.column_engine import column_engine
from pipelines.config import RunConfig, engine_specs
from pipelines.specs import EngineSpec
from pipelines.split_check import check_split
from pipelines.stages import check_workspace
from pipelines.stages.prepare import run as prepare
from pipelines.stages.pretrain import run as pretrain
from pipelines.stages.train import train_one
from pipelines.workspace import Workspace
from recsys.atomic import write_json
from recsys.data.features.features import FeatureOptions
from recsys.engine import Engine
from recsys.engines import ENGINES
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ConfigError
from recsys.evaluation.metrics import parse_metric
from recsys.experiment.attribution import sampled
from recsys.experiment.column_report import column_reports, column_worths, to_rows
from recsys.json_values import JsonMapping, JsonObject
from recsys.registry.bundle import trained_on
from recsys.tracking import Tracker

SCHEMA = 1
_LEGEND = """\
tells: mean log-likelihood gain an interaction in train, leave-one-out, with its 95 % interval; * is above zero by
       three standard errors. Of items: what a user's other items tell of the value of one of them, or (of the next)
       what the value of an item tells of that of the next. Of users: what users of the same value tell of the items.
left out: what the metric loses without the column, whose cells are missing at inference. A model trained without
       missing cells (modality_dropout = 0) relies on what it knows, also on a column that tells nothing.
alone: what the metric gains where the column is all that is known of an item, or of a user, over nothing.
95 % paired bootstrap intervals over validation users."""


@dataclass(frozen=True)
class ColumnOptions:
    """What is asked of `recsys columns`.

    Args:
        engine: a two-tower engine of the run; None takes the promoted one if it is one, else the first.
        metric: of the worth; None takes the metric that the engine's validation maximizes.
        users: the number of random validation users, at most.
    """

    engine: str | None = None
    metric: str | None = None
    users: int = 2000


def run(config: RunConfig, workspace: Workspace, tracker: Tracker, options: ColumnOptions | None = None) -> str:
    """Writes ``columns.json``; returns its content as a table.

    The dataset, its split, the pretrained tables and the engine's bundle are made where they are missing or out of
    date.

    Raises:
        ConfigError: ``options.engine`` is no two-tower engine of the run, the tables have no columns, or the metric is
            unknown.
    """
    options = options or ColumnOptions()
    check_split(config.has_split, "recsys columns")
    chosen = column_engine(config, options.engine)
    if options.metric is not None:
        parse_metric(options.metric)
    with workspace.lock():
        prepare(config, workspace, tracker)
        data, split = workspace.load_dataset(), workspace.load_split()
        if not (data.items.schema.columns or data.users.schema.columns):
            raise ConfigError("neither items nor users have a column; name their tables in data.items and data.users")
        reports = column_reports(data, split, FeatureOptions() if chosen is None else chosen[1].features)
        content: JsonObject = {"schema": SCHEMA, "split": split.name, "engine": None, "columns": to_rows(reports, ())}
        if chosen is not None:
            spec, engine_options = chosen
            engine = _engine_before_refit(config, spec, workspace, tracker)
            holdout = sampled(split.validation, options.users, config.seed)
            worths = column_worths(engine, data, holdout, options.metric or engine_options.metric, config.seed)
            content |= {key: value for key, value in worths.to_dict().items() if key != "columns"}
            content |= {"engine": spec.name, "columns": to_rows(reports, engine.inputs.columns, worths)}
        write_json(workspace.directory / "columns.json", content)
    return columns_table(content)


def columns_table(content: JsonMapping) -> str:
    """``columns.json`` as text: the metric with all inputs and with none, a line a column, then the warnings."""
    head = ["column", "table", "kind", "values", "missing", "tells, nats", "of the next", "left out", "alone"]
    lines = [head, *(_cells(row) for row in content["columns"])]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    table = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    warnings = [
        f"  {row['table']}, {row['name']}: {warning['what']}: {warning['found']}; {warning['remedy']}"
        for row in content["columns"]
        for warning in row["warnings"]
    ]
    blocks = [_heading(content), "\n".join(table), _LEGEND]
    return "\n\n".join([*blocks, *(["\n".join(["warnings:", *warnings])] if warnings else [])])


def _heading(content: JsonMapping) -> str:
    if content["engine"] is None:
        return f"{content['split']}; no two-tower engine of the run reads columns: only what train tells of them"
    return (
        f"{content['engine']}, {content['split']}, {content['metric']} of {content['users']:,} validation users: "
        f"{content['full']['value']:.4f} with all inputs, {content['empty']['value']:.4f} with none"
    )


def _cells(row: JsonMapping) -> list[str]:
    tells = [_gain(row[key]) for key in ("evidence", "transitions")]
    worth = [_difference(row[key]) if key in row else "" for key in ("left_out", "alone")]
    return [row["name"], row["table"], row["kind"], f"{row['values']:,}", f"{row['missing']:.1%}", *tells, *worth]


def _gain(found: JsonMapping | None) -> str:
    if found is None:
        return ""
    return f"{found['value']:+.4f} ± {found['high'] - found['value']:.4f}{' *' if found['predictive'] else ''}"


def _difference(found: JsonMapping) -> str:
    return f"{found['difference']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"


def _engine_before_refit(config: RunConfig, spec: EngineSpec, workspace: Workspace, tracker: Tracker) -> TwoTower:
    """The engine of the run that has not been trained on the validation users' targets.

    Of a split with a refit it is the one that a hybrid chooses its weights with, or else it is trained in a folder
    of its own, ``columns/``.
    """
    if config.split.refit and not any(spec.name in other.parts for other in engine_specs(config)):
        config = config.model_copy(update={"split": config.split.model_copy(update={"refit": False})})
        workspace = Workspace(workspace.directory / "columns")
        check_workspace(config, workspace)
        with workspace.lock():
            tracker.info(f"columns: {spec.name} is trained without the refit in {workspace.directory}")
            prepare(config, workspace, tracker)
            return _trained(config, spec, workspace, tracker)
    return _trained(config, spec, workspace, tracker)


def _trained(config: RunConfig, spec: EngineSpec, workspace: Workspace, tracker: Tracker) -> TwoTower:
    pretrain(config, workspace, tracker)
    data, split = workspace.load_dataset(), workspace.load_split()
    train_one(config, spec, data, split, workspace.load_tables(config.pretrain), workspace, tracker)
    if split.refit:
        engine: Engine = ENGINES[spec.kind].load(workspace.pre_refit_engine(spec.name))
    else:
        engine = trained_on(workspace.bundle(spec.name), split.fingerprint).engine
    assert isinstance(engine, TwoTower)
    return engine
