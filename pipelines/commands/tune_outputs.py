"""What a search leaves: the best options as a config, a table of all trials, and a page that shows what mattered."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from pipelines.config import RunConfig
from pipelines.toml_document import toml_document
from pipelines.tune_section import with_options
from recsys.atomic import write_json, write_text
from recsys.engines import ENGINES
from recsys.evaluation.report.tuning import TrialPoint, TunedEngine, tuning_page
from recsys.experiment.study import Study, Trial, best_of
from recsys.json_values import JsonObject

TUNED, TRIALS, TABLE, PAGE = "tuned.toml", "trials.json", "trials.csv", "tuning.html"

_FIRST = ("engine", "trial", "state", "as_given", "seconds")
"""The first columns of the table, of a search without trials too."""


def write_outputs(directory: Path, config: RunConfig, studies: Mapping[str, Study]) -> None:
    """Writes ``tuned.toml``, ``trials.json``, ``trials.csv`` and ``tuning.html`` into ``directory``.

    Args:
        directory: the output folder.
        config: of the run, with the options as given.
        studies: of the engines that have trials.
    """
    trials = {name: study.trials() for name, study in studies.items()}
    records = [record(name, trial) for name, found in trials.items() for trial in found]
    write_json(directory / TRIALS, {"run": config.name, "metric": config.tune.metric, "trials": records})
    write_text(directory / TABLE, _table(records))
    write_text(directory / TUNED, tuned_text(config, trials))
    engines = {
        name: TunedEngine([_point(trial, config.tune.metric) for trial in trials[name]], study.importances())
        for name, study in studies.items()
    }
    write_text(directory / PAGE, tuning_page(config.name, config.tune.metric, engines))


def record(name: str, trial: Trial) -> JsonObject:
    """One trial of engine ``name`` as JSON: engine, number, state, options, seconds, metrics, curve, error."""
    state = trial.state if trial.finished else "interrupted"
    about = {"engine": name, "trial": trial.number, "state": state, "as_given": trial.as_given}
    return {**about, "options": {}, **trial.result, "error": trial.error}


def best_options(config: RunConfig, name: str, best: Trial | None) -> JsonObject:
    """``[engines.NAME]`` with the options of its best trial; as given where there is none."""
    raw = config.engines[name]
    if best is None:
        return raw
    return with_options(raw, best.result["options"], ENGINES[str(raw.get("kind", name))].Config)


def tuned_text(config: RunConfig, trials: Mapping[str, list[Trial]]) -> str:
    """The config of the run with the best options of each engine, and what they came to as comments."""
    metric = config.tune.metric
    raw = config.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    comments = {}
    for name, found in trials.items():
        best = best_of(found, metric)
        raw["engines"][name] = best_options(config, name, best)
        comments[f"engines.{name}"] = _comment(metric, found, best)
    head = (
        f"Written by recsys tune: the options of each engine that had the highest {metric} on validation, which was\n"
        "chosen for that and so is optimistic; what they come to on test users says recsys run. It is yours to change."
    )
    return toml_document(raw, comments, head)


def _comment(metric: str, found: list[Trial], best: Trial | None) -> str:
    count = sum(trial.finished for trial in found)
    if best is None:
        return f"none of {count} finished trials has a result; the options are as given"
    given = next((trial for trial in found if trial.as_given and trial.state == "complete"), None)
    before = "" if given is None else f"; as given {given.result[metric]:.4f}"
    kept = "the options as given are the best" if best.as_given else f"trial {best.number}"
    return f"validation {metric} {best.result[metric]:.4f}, {kept} of {count} trials{before}"


def _table(records: list[JsonObject]) -> str:
    """The trials as CSV, a column for each option."""
    plain = [{key: value for key, value in row.items() if key not in ("options", "curve")} for row in records]
    rows = [
        row | {key: _cell(value) for key, value in r["options"].items()} for row, r in zip(plain, records, strict=True)
    ]
    stream = io.StringIO()
    names = dict.fromkeys(_FIRST) | dict.fromkeys(key for row in (*plain, *rows) for key in row)
    writer = csv.DictWriter(stream, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _point(trial: Trial, metric: str) -> TrialPoint:
    """A trial of the page; a pruned one has the last value of its curve."""
    curve = [point["metric"] for point in trial.result.get("curve", []) if "metric" in point]
    value = trial.result.get(metric, curve[-1] if curve and trial.state == "pruned" else None)
    shown = ", ".join(f"{key} = {json.dumps(item)}" for key, item in trial.result.get("options", {}).items())
    options = "as given" if trial.as_given else shown
    return TrialPoint(trial.number, trial.state, value, float(trial.result.get("seconds", 0.0)), options)
