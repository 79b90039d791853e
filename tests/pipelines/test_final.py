"""What ships has seen everything: after the evaluation, the engine that recommends is fitted on all interactions."""

import pandas as pd
import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.promote import REFUSED, open_store, rollback, run
from pipelines.stages.recommend import run_from
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.data.splits.earliest import earliest
from recsys.evaluation.report.report import Report
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.mlflow_client import imported
from recsys.registry.store import CHAMPION
from recsys.tracking import SilentTracker
from tests.pipelines.test_promote import unplotted  # noqa: F401  a fixture
from tests.pipelines.test_run import Ears, pytestmark  # noqa: F401  the warnings of MLflow
from tests.pipelines.world import N_USERS, write_world

NEWEST, BUYERS = 50, range(0, 12, 2)
HYBRID = ['engines.hybrid.parts=["popularity", "ease"]', "promote.engine=hybrid", "promote.gate.first=any"]


def write_world_with_newest(directory):
    """The tiny world, in which six users have bought an item in the last hour that nobody had before."""
    path = write_world(directory)
    with (directory / "interactions.csv").open("a", encoding="utf-8") as table:
        table.writelines(f"u{user:04d},{NEWEST},2000000\n" for user in BUYERS)
    with (directory / "items.csv").open("a", encoding="utf-8") as table:
        table.write(f"{NEWEST},Film {NEWEST}\n")
    return path


def recommended(workspace):
    frame = pd.concat([pd.read_parquet(part) for part in sorted(workspace.recommendations.glob("*.parquet"))])
    return set(frame.loc[frame["item_id"] == NEWEST, "user_id"])


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    directory = tmp_path_factory.mktemp("shipped")
    path, workspace = write_world_with_newest(directory), Workspace(directory / "out")
    config = read_run_config(path, HYBRID)
    assert run_stages(config, workspace, SilentTracker()) == 0
    return path, config, workspace


def test_an_item_of_the_last_interactions_is_recommended(shipped):
    _, _, workspace = shipped
    assert not (workspace.load_split().train.item == NEWEST).any()
    assert {f"u{user:04d}" for user in range(12, N_USERS, 2)} <= recommended(workspace)


def test_the_lineage_names_all_the_data_and_the_measured_bundle(shipped):
    _, config, workspace = shipped
    data, decision = workspace.load_dataset(), read_json(workspace.decision)
    champion, measured = Bundle.load(open_store(config, workspace).download(CHAMPION)), workspace.bundle("hybrid")
    lineage = champion.lineage
    assert (lineage.data_fingerprint, lineage.split_fingerprint) == (data.fingerprint, "")
    assert lineage.config["interactions"] == data.interactions.fingerprint
    assert lineage.config["final"]
    assert lineage.config["measured"] == version_of(measured)
    assert "test_fingerprint" not in lineage.config
    assert (decision["bundle"], decision["measured"]) == (champion.version, version_of(measured))
    record = read_json(workspace.final.training("hybrid"))
    assert (record["final"], record["measured"]) == (champion.version, version_of(measured))
    tags = imported().MlflowClient(decision["tracking_uri"]).get_model_version("tiny", "1").tags
    assert (tags["bundle"], tags["measured"]) == (champion.version, version_of(measured))


def test_a_hybrid_keeps_its_weights_and_its_parts_are_fitted_again(shipped):
    _, _, workspace = shipped
    measured, final = (Bundle.load(each.bundle("hybrid")).engine for each in (workspace, workspace.final))
    assert final.weights_ == measured.weights_
    newest = workspace.load_dataset().items.vocabulary.rows([NEWEST])[0]
    items = workspace.load_dataset().items
    before, after = (each.parts["popularity"].item_vectors(items) for each in (measured, final))
    assert not before.valid[newest] or before.dense[newest, 0] < after.dense[newest, 0]


def test_a_second_run_fits_nothing_again(shipped):
    _, config, workspace = shipped
    ears = Ears()
    assert run_stages(config, workspace, ears) == 0
    assert {"final/popularity", "final/ease", "final/hybrid", "promote", "recommend"} <= ears.reused()


def test_on_its_own_data_a_shipped_champion_is_asked_as_it_was_measured(shipped):
    path, config, workspace = shipped
    other = read_run_config(path, [*HYBRID, "promote.engine=ease", "promote.gate.min_gain=9"])
    assert run_stages(other, workspace, SilentTracker(), "promote") == REFUSED
    decision, report = read_json(workspace.decision), Report.load(workspace.directory)
    rules = {rule["name"]: rule for rule in decision["rules"]}
    assert rules["users"]["candidate"] == N_USERS
    assert rules["gain ndcg@10"]["champion"] == pytest.approx(report.values["hybrid"]["ndcg@10"].mean())
    lenient = read_run_config(path, [*HYBRID, "promote.engine=ease", "promote.gate.min_gain=-9"])
    lenient.promote.gate.must_not_lose.clear()
    assert run_stages(lenient, workspace, SilentTracker(), "promote") == 0
    rollback(config, workspace)
    assert Bundle.load(open_store(config, workspace).download(CHAMPION)).lineage.config["engine"] == "hybrid"
    run_from(config, workspace, SilentTracker())
    assert recommended(workspace)


def test_the_same_recipe_replaces_a_champion_that_ships_as_it_was_measured(tmp_path):
    path, workspace = write_world_with_newest(tmp_path), Workspace(tmp_path / "out")
    config = read_run_config(path)
    assert run_stages(read_run_config(path, ["train.final=false"]), workspace, SilentTracker()) == 0
    assert not recommended(workspace)
    assert not workspace.final.directory.exists()
    assert run_stages(config, workspace, SilentTracker()) == 0
    decision = read_json(workspace.decision)
    assert (decision["version"], decision["champion"], decision["rules"][0]["name"]) == ("2", "1", "same")
    assert recommended(workspace)
    assert run(config, workspace, SilentTracker()) == 0
    assert len(list(workspace.decisions.iterdir())) == 2


@pytest.mark.parametrize("refit", ["true", "false"])
def test_an_engine_that_recommends_without_a_promotion_has_seen_everything_too(tmp_path, refit):
    path, workspace = write_world_with_newest(tmp_path), Workspace(tmp_path / "out")
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[promote]")] + '[recommend]\nengine = "ease"\nk = 3\n', encoding="utf-8")
    run_stages(read_run_config(path, [f"split.refit={refit}"]), workspace, SilentTracker())
    assert recommended(workspace)
    measured = read_run_config(path, [f"split.refit={refit}", "train.final=false"])
    run_stages(measured, workspace, SilentTracker())
    assert not recommended(workspace)


def test_tables_that_are_learnt_are_learnt_again_and_epochs_are_those_that_validation_chose(tmp_path):
    path, workspace = write_world_with_newest(tmp_path), Workspace(tmp_path / "out")
    text = path.read_text(encoding="utf-8")
    tables = '[pretrain.als]\nengine = "als"\nshare = 0.75\noptions = {factors = 3}\n'
    engine = '[engines.two_tower]\ntables = ["als"]\ndim = 4\ntraining = {epochs = 3, patience = 1}\n'
    recommend = '[recommend]\nengine = "two_tower"\nk = 3\n'
    path.write_text(text[: text.index("[promote]")] + tables + engine + recommend, encoding="utf-8")
    run_stages(read_run_config(path), workspace, SilentTracker())
    data = workspace.load_dataset()
    table = workspace.final.load_tables(["als"])["als"]
    assert table.provenance["interactions"] == earliest(data.interactions, 0.75, data).fingerprint
    assert table.provenance["share"] == 0.75
    measured, final = (Bundle.load(each.bundle("two_tower")).engine for each in (workspace, workspace.final))
    assert final.epochs_ == measured.epochs_
