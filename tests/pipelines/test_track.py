"""Runs of MLflow: every engine of a run and every trial of a search can be compared there."""

from pipelines.commands.tune import TuneOptions, tune
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.promote import rollback
from pipelines.stages.track import tracking_place
from pipelines.workspace import Workspace
from recsys.registry.mlflow_client import imported
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import pytestmark  # noqa: F401  the warnings of MLflow
from tests.pipelines.world import write_world


def runs(config, workspace):
    """All MLflow runs of the experiment, the oldest first."""
    uri, experiment = tracking_place(config, workspace)
    client = imported().MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])


def config_of(tmp_path, *changes):
    return read_run_config(write_world(tmp_path / "world"), changes)


def test_every_engine_of_a_promotion_is_a_run_and_the_champion_is_tagged(tmp_path):
    config, workspace = config_of(tmp_path), Workspace(tmp_path)
    assert run_stages(config, workspace, SilentTracker(), "promote") == 0
    found = {run.data.tags["engine"]: run for run in runs(config, workspace)}
    assert len(runs(config, workspace)) == 2
    ease = found["ease"].data
    assert ease.params["regularization"] == "1.0"
    assert {ease.tags[name] for name in ("kind", "run", "seed", "stage")} == {"ease", "tiny", "5", "evaluate"}
    assert ease.tags["data"] == found["popularity"].data.tags["data"]
    assert ease.tags["split"] == found["popularity"].data.tags["split"]
    assert ease.metrics["ndcg_at_10"] > 0
    assert [name for name, run in found.items() if run.data.tags.get("champion") == "true"] == ["ease"]


def test_the_tag_of_the_champion_moves_with_it(tmp_path):
    workspace = Workspace(tmp_path)
    weaker = config_of(tmp_path, "promote.engine=popularity")
    better = config_of(tmp_path, "promote.gate.min_gain=-9", "promote.gate.must_not_lose={}")
    assert [run_stages(config, workspace, SilentTracker(), "promote") for config in (weaker, better)] == [0, 0]
    assert champions(better, workspace) == {"popularity": "false", "ease": "true"}
    rollback(better, workspace)
    assert champions(better, workspace) == {"popularity": "true", "ease": "false"}
    assert len(runs(better, workspace)) == 2


def champions(config, workspace):
    """Engine -> the tag of its run, which is or was that of the champion."""
    tagged = [run.data.tags for run in runs(config, workspace) if "champion" in run.data.tags]
    return {tags["engine"]: tags["champion"] for tags in tagged}


def test_an_evaluation_is_tracked_when_it_is_asked_for_and_once(tmp_path):
    config, workspace = config_of(tmp_path, "evaluate.track=true"), Workspace(tmp_path)
    config = config.model_copy(update={"promote": None, "recommend": None})
    run_stages(config, workspace, SilentTracker())
    (workspace.directory / "stages" / "evaluate.json").unlink()
    run_stages(config, workspace, SilentTracker())
    assert sorted(run.data.tags["engine"] for run in runs(config, workspace)) == ["ease", "popularity"]


def test_every_trial_of_a_search_is_a_run_with_flat_parameters_and_curves(tmp_path):
    towers = "engines.two_tower={model={dim=8,layers=1},n_negatives=8,max_tokens=64,training={epochs=2}}"
    config = config_of(tmp_path, towers).model_copy(update={"promote": None, "recommend": None})
    workspace = Workspace(tmp_path)
    for _ in range(2):
        tune(config, workspace, SilentTracker(), TuneOptions(("two_tower",), 2, mlflow=True))
    found = runs(config, workspace)
    assert [run.data.tags["trial"] for run in found] == ["0", "1"]
    assert found[0].data.params["training.epochs"] == "2"
    assert found[0].data.params["model.dim"] == "8"
    assert found[0].data.metrics["validation_ndcg_at_10"] > 0
    client = imported().MlflowClient(tracking_place(config, workspace)[0])
    assert [point.step for point in client.get_metric_history(found[0].info.run_id, "metric")] == [1, 2]
