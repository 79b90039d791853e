"""Tuning: every engine gets the same number of trials, and validation alone chooses.

``python -m pipelines.commands.tune pipelines/configs/tune-movielens-100k.toml`` draws options at random from the
lists of the config, fits each on train, evaluates it on the validation users, and leaves ``tuned.toml`` and
``trials.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipelines.output_folder import check_output_folder, claim_output_folder
from pipelines.specs import EngineSpec, engine_spec
from pipelines.workspace import ENGINE_CODE, code_version
from recsys.atomic import write_json, write_text
from recsys.config import Config, apply_overrides, read_config
from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.sources import resolve
from recsys.data.splits.split import Split, SplitConfig, make_split
from recsys.engine import FitContext
from recsys.engines import ENGINES
from recsys.errors import ConfigError, RecsysError
from recsys.experiment.tune import draw, trial
from recsys.json_values import JsonObject
from recsys.names import check_name
from recsys.tracking import ConsoleTracker

_FILES = ("trials.json", "tuned.toml")


class TuneConfig(Config):
    """What is searched.

    Args:
        name: of the run.
        seed: draws the trials and seeds the engines.
        data: the tables.
        split: the protocol; its test part is not looked at.
        trials: options drawn for each engine; an engine with fewer combinations tries them all.
        metric: what the trials are ordered by.
        filter_seen: whether the lists leave out what a user's history holds; as ``[evaluate]`` of the run will.
        space: engine -> option (dots reach into sections) -> values.
    """

    name: str
    seed: int = 0
    data: DataConfig
    split: SplitConfig = SplitConfig()
    trials: int = Field(8, ge=1)
    metric: str = "ndcg@10"
    filter_seen: bool = True
    space: dict[str, dict[str, Annotated[list[Any], Field(min_length=1)]]]


def read_tune_config(path: Path) -> TuneConfig:
    """The search at ``path``; every value of every option is checked here, before the first trial.

    Raises:
        ConfigError: an engine, an option or a value that does not exist, or that needs a pretrained table.
    """
    config = read_config(path, TuneConfig)
    check_name("name", config.name)
    for name, space in config.space.items():
        check_name("space", name)
        for option, values in space.items():
            for value in values:
                options = spec(name, {option: value}).config
                if options.uses_tables():
                    raise ConfigError(f"{path}: space.{name}.{option} names tables, and a search pretrains none")
    return config


def spec(name: str, options: JsonObject) -> EngineSpec:
    """One combination as the engine's config.

    Example:
        >>> spec("ease", {"regularization": 7}).config.regularization
        7.0
    """
    raw = apply_overrides({}, [f"{key}={json.dumps(value)}" for key, value in options.items()])
    return engine_spec(name, raw, "space")


def try_one(name: str, options: dict[str, object], data: Dataset, split: Split, config: TuneConfig) -> JsonObject:
    """One combination fitted on train and evaluated on validation."""
    chosen = spec(name, options)
    context = FitContext(config.seed, split.validation)
    found = trial(ENGINES[chosen.kind](chosen.config), data, split, config.metric, context)
    return {"engine": name, "options": options, **found}


def tune(config: TuneConfig, directory: Path) -> list[JsonObject]:
    """Every engine's trials; the best of each goes to ``tuned.toml``, all of them to ``trials.json``.

    A trial that ``trials.json`` already holds for the same data, split and code is not repeated; the best is chosen
    among the trials that this ``config`` draws.

    Raises:
        ArtifactError: ``directory`` has a file of one of these names that recsys did not write.
    """
    check_output_folder(directory, _FILES)
    tracker = ConsoleTracker()
    source = resolve(config.data)
    read = ingest(source)
    data = read.data
    split = make_split(data, config.split, read.given, config.filter_seen)
    claim_output_folder(directory, _FILES)
    path = directory / "trials.json"
    code = code_version(*ENGINE_CODE, "pipelines/commands/tune.py")
    key = f"{data.fingerprint}/{split.fingerprint}/{config.seed}/{config.metric}/{code}"
    earlier = json.loads(path.read_text()) if path.is_file() else {}
    trials: list[JsonObject] = earlier.get("trials", []) if earlier.get("key") == key else []
    best = {}
    for name, space in config.space.items():
        drawn = []
        for options in draw(space, config.trials, config.seed, name):
            done = next((t for t in trials if t["engine"] == name and t["options"] == options), None)
            if done is None:
                done = try_one(name, options, data, split, config)
                trials.append(done)
                write_json(path, {"key": key, "trials": trials})
                tracker.info(_line(done, config.metric))
            drawn.append(done)
        best[name] = max(drawn, key=lambda trial: float(trial[config.metric]))
    write_text(directory / "tuned.toml", _toml(best, config))
    return list(best.values())


def _line(trial: JsonObject, metric: str) -> str:
    return (
        f"{trial['engine']:<12}{metric} {trial[metric]:.4f}  {trial['seconds']:7.1f} s  {json.dumps(trial['options'])}"
    )


def _toml(best: dict[str, JsonObject], config: TuneConfig) -> str:
    lines = [f"# {config.trials} trials an engine by {config.metric} on validation ({config.name})"]
    for name, chosen in best.items():
        lines += ["", f"# validation {config.metric} {chosen[config.metric]:.4f}", f"[engines.{name}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in chosen["options"].items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.commands.tune", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--output", type=Path, help="default: runs/tune/NAME")
    arguments = parser.parse_args()
    try:
        config = read_tune_config(arguments.config)
        best = tune(config, arguments.output or Path("runs/tune") / config.name)
    except RecsysError as error:
        raise SystemExit(f"error: {error}") from error
    print("\n".join(_line(chosen, config.metric) for chosen in best))


if __name__ == "__main__":
    main()
