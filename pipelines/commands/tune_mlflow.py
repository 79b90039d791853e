"""The trials of a search as runs of MLflow, beside the runs of engines."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.config import RunConfig
from pipelines.specs import engine_spec
from pipelines.stages.track import engine_tags, tracking_place
from pipelines.tune_section import with_options
from pipelines.workspace import Workspace
from recsys.experiment.study import Study, Trial
from recsys.registry.tracker import MlflowTracker, find_run
from recsys.tracking import Tracker


def log_trials(config: RunConfig, workspace: Workspace, studies: Mapping[str, Study], tracker: Tracker) -> None:
    """Makes an MLflow run of every finished trial that has none yet.

    Its parameters are all options (``training.epochs``), its metrics those of validation, named
    ``validation_ndcg_at_10`` so that they are not mistaken for the test metrics of an engine's run, and the training
    curve by epoch.
    """
    data, split = workspace.load_dataset().fingerprint, workspace.load_split().fingerprint
    uri, experiment = tracking_place(config, workspace)
    for name, study in studies.items():
        for trial in study.trials():
            key = {"study": study.search.name, "trial": str(trial.number)}
            if trial.state not in ("complete", "pruned") or find_run(uri, experiment, key) is not None:
                continue
            tags = engine_tags(config, name, data, split) | key | {"stage": "tune", "state": trial.state}
            with MlflowTracker(uri, experiment, f"{config.name}/{name}/trial {trial.number}", tracker, tags) as run:
                _log(run, config, name, trial)


def _log(run: MlflowTracker, config: RunConfig, name: str, trial: Trial) -> None:
    spec = engine_spec(name, config.engines[name], "engines")
    options = with_options(config.engines[name], trial.result["options"], type(spec.config))
    full = engine_spec(name, options, "trial").config.model_dump(mode="json")
    run.log_params({"seed": config.seed, "engine": name, **full})
    curve = trial.result.get("curve", [])
    run.log_curve((int(p["step"]), {key: value for key, value in p.items() if key != "step"}) for p in curve)
    numbers = {k: v for k, v in trial.result.items() if isinstance(v, float | int)}
    run.log_metrics({k if k == "seconds" else f"validation_{k}": float(v) for k, v in numbers.items()})
