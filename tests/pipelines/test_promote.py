"""Promotion: what is decided anew, and what is kept of each decision."""

import shutil
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from pipelines.config import read_run_config
from pipelines.signals import StoppedError
from pipelines.stages import run_stages
from pipelines.stages.finetune import NewerData
from pipelines.stages.finetune import run as finetune
from pipelines.stages.promote import REFUSED, open_store, rollback, run
from pipelines.stages.recommend import run_from
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ArtifactError, ConfigError, PromotionError
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.report.report import Report
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.candidate import Candidate, exclude_leaked_users
from recsys.registry.gate import Decision
from recsys.registry.mlflow_client import imported, local_uri
from recsys.registry.store import CHAMPION, PREVIOUS, Store
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears, pytestmark  # noqa: F401  the warnings of MLflow
from tests.pipelines.world import N_USERS, write_world

MlflowClient = imported().MlflowClient


@pytest.fixture(scope="module", autouse=True)
def unplotted():
    """The page of the report is not under test here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys.evaluation.report.html.render", lambda *_: "<html></html>")
        yield


def run_candidate(config, workspace):
    split = workspace.load_split()
    bundle = workspace.bundle(config.promote.engine)
    return Candidate(bundle, workspace.load_dataset(), split.test, split.fingerprint, of_run=True)


def promote_two(directory):
    """Popularity is the champion, and EASE came after it; both ship as they were measured."""
    path, workspace = write_world(directory), Workspace(directory / "out")
    measured = ["train.final=false"]
    run_stages(read_run_config(path, measured), workspace, SilentTracker(), "evaluate")
    weaker = read_run_config(path, [*measured, "promote.engine=popularity"])
    better = read_run_config(path, [*measured, "promote.gate.min_gain=-9", "promote.gate.must_not_lose={}"])
    assert [run(config, workspace, SilentTracker()) for config in (weaker, better)] == [0, 0]
    return better, workspace


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """`promote_two`, and a copy of all its files."""
    directory, copy = (tmp_path_factory.mktemp(name) for name in ("promoted", "copy"))
    made = promote_two(directory)
    shutil.copytree(directory, copy, dirs_exist_ok=True)
    return made, copy


@pytest.fixture
def promoted(kept):
    """`promote_two` as it was made, in the same place: a store cannot be moved, and MLflow has its database open."""
    (config, workspace), copy = kept
    directory = workspace.directory.parent
    for path in (*directory.iterdir(), *workspace.directory.iterdir()):
        if path.is_dir() and path != workspace.directory:
            shutil.rmtree(path)
        elif path.name != "mlflow.db" and path.is_file():
            path.unlink()
    shutil.copytree(copy, directory, ignore=shutil.ignore_patterns("mlflow.db"), dirs_exist_ok=True)
    databases = (sqlite3.connect(each / "out" / "mlflow.db") for each in (copy, directory))
    with closing(next(databases)) as source, closing(next(databases)) as target:
        source.backup(target)
    return config, workspace


def test_a_rollback_is_a_decision_and_stays_in_force(promoted):
    config, workspace = promoted
    assert open_store(config, workspace).version_at(CHAMPION) == "2"
    rollback(config, workspace)
    latest = read_json(workspace.decision)
    assert (latest["version"], latest["champion"], latest["rules"][0]["name"]) == ("1", "2", "rollback")
    kept = [read_json(path) for path in sorted(workspace.decisions.iterdir())]
    assert [record["version"] for record in kept] == ["1", "2", "1"]
    ears = Ears()
    assert run(config, workspace, ears) == 0
    assert ears.reused() == {"promote"}
    assert open_store(config, workspace).version_at(CHAMPION) == "1"


@pytest.fixture
def stopped(monkeypatch):
    """Runs a rollback that is stopped at a moment."""

    def run_until(moment, config, workspace):
        move, finish = MlflowClient.set_registered_model_alias, Store.rollback

        def stop(client, name, alias, version):
            if moment == "after the alias moved":
                move(client, name, alias, version)
            raise StoppedError(signal.SIGTERM)

        def stop_late(*arguments):
            finish(*arguments)
            raise StoppedError(signal.SIGTERM)

        with monkeypatch.context() as patch:
            if moment == "before it is kept":
                patch.setattr(Store, "rollback", stop_late)
            else:
                patch.setattr(MlflowClient, "set_registered_model_alias", stop)
            with pytest.raises(StoppedError):
                rollback(config, workspace)

    return run_until


@pytest.mark.parametrize("moment", ["before the alias moved", "after the alias moved", "before it is kept"])
def test_a_rollback_that_was_stopped_rolls_back_no_further_when_it_is_run_again(promoted, stopped, moment):
    config, workspace = promoted
    store = open_store(config, workspace)
    third = store.register(store.download("1"))
    store.promote(third, Decision(True, third, "2", ()))
    stopped(moment, config, workspace)
    assert rollback(config, workspace) == "tiny: version 2 is champion again"
    assert (store.version_at(CHAMPION), store.version_at(PREVIOUS)) == ("2", "1")
    kept = [read_json(path) for path in sorted(workspace.decisions.iterdir())]
    assert [(record["version"], record["champion"]) for record in kept[2:]] == [("2", third)]
    assert rollback(config, workspace) == "tiny: version 1 is champion again"


def test_a_rollback_that_was_stopped_is_among_the_decisions_after_a_promotion(promoted, stopped):
    config, workspace = promoted
    stopped("after the alias moved", config, workspace)
    other = config.model_copy(update={"promote": config.promote.model_copy(update={"engine": "popularity"})})
    run(other, workspace, SilentTracker())
    kept = [read_json(path) for path in sorted(workspace.decisions.iterdir())]
    assert [[rule["name"] for rule in record["rules"]] for record in kept[2:]] == [["rollback"], ["same"]]


def test_a_decision_never_takes_the_number_of_another(promoted):
    config, workspace = promoted
    second = (workspace.decisions / "0002.json").read_bytes()
    (workspace.decisions / "0001.json").unlink()
    rollback(config, workspace)
    assert sorted(path.name for path in workspace.decisions.iterdir()) == ["0002.json", "0003.json"]
    assert (workspace.decisions / "0002.json").read_bytes() == second


def test_a_rollback_to_a_damaged_bundle_is_refused_and_is_no_decision(promoted):
    config, workspace = promoted
    store, latest = open_store(config, workspace), read_json(workspace.decision)
    (store.download("1") / "users.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"missing: users\.parquet"):
        rollback(config, workspace)
    assert (store.version_at(CHAMPION), store.version_at(PREVIOUS)) == ("2", "1")
    assert read_json(workspace.decision) == latest
    assert len(list(workspace.decisions.iterdir())) == 2


def test_a_champion_that_cannot_be_read_says_which_ways_lead_out(promoted):
    config, workspace = promoted
    store = open_store(config, workspace)
    (store.download(CHAMPION) / "users.parquet").unlink()
    with pytest.raises(
        ArtifactError, match=r"missing: users\.parquet.*recsys rollback.*set promote\.model to a new name"
    ):
        run(config, workspace, SilentTracker())
    remap_items = config.model_copy(update={"promote": config.promote.model_copy(update={"model": "anew"})})
    assert run(remap_items, workspace, SilentTracker()) == 0
    rollback(config, workspace)
    assert run(config, workspace, SilentTracker()) == 0
    assert store.version_at(CHAMPION) == "3"


def test_a_name_that_the_registry_refuses_is_refused_when_the_config_is_read(tmp_path):
    path = write_world(tmp_path)
    with pytest.raises(ConfigError, match=r"promote\.model = 'shop/de' contains '/'"):
        read_run_config(path, ["promote.model=shop/de"])
    path.write_text(path.read_text(encoding="utf-8").replace('model = "tiny"\n', ""), encoding="utf-8")
    with pytest.raises(ConfigError, match="name = 'Köln: shop' contains ':'"):
        read_run_config(path, ["name=Köln: shop"])
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[promote]")], encoding="utf-8")
    assert read_run_config(path, ["name=Köln: shop"]).name == "Köln: shop"


def test_an_empty_registry_is_filled_again(promoted, monkeypatch):
    config, workspace = promoted
    emptied = local_uri(workspace.directory / "emptied")  # as if mlflow.db were gone, which this process still has open
    monkeypatch.setattr("pipelines.stages.track.local_uri", lambda _: emptied)
    assert run(config, workspace, SilentTracker()) == 0
    assert open_store(config, workspace).version_at(CHAMPION) == "1"


@pytest.mark.parametrize("relocate", [shutil.copytree, shutil.move])
def test_a_run_that_was_moved_or_copied_goes_on_where_it_is_now(tmp_path, relocate):
    config, workspace = promote_two(tmp_path)
    other = Workspace(workspace.directory.with_name("ö ther"))
    relocate(workspace.directory, other.directory)
    before = _tree(workspace.directory)
    store = open_store(config, other)
    assert store.version_at(CHAMPION) == "2"
    assert store.download().is_relative_to(other.directory)
    assert run(config, other, SilentTracker()) == 0
    assert len(list(other.decisions.iterdir())) == 2
    assert rollback(config, other) == "tiny: version 1 is champion again"
    assert store.download("1").is_relative_to(other.directory)
    run_stages(config, other, SilentTracker())
    assert (other.directory / "recommendations" / "_manifest.json").exists()
    assert _tree(workspace.directory) == before


def test_a_store_that_was_moved_without_its_artifacts_says_what_to_move(tmp_path):
    config, workspace = promote_two(tmp_path)
    other = Workspace(tmp_path / "other")
    other.directory.mkdir()
    shutil.copy(workspace.directory / "mlflow.db", other.directory)
    with pytest.raises(ArtifactError, match=f"made in {workspace.directory}, and its artifacts are not in"):
        open_store(config, other)


def _tree(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_folder_that_is_also_reached_by_a_link_is_no_other_folder(promoted, tmp_path):
    config, workspace = promoted
    (tmp_path / "link").symlink_to(workspace.directory)
    assert open_store(config, Workspace(tmp_path / "link")).version_at(CHAMPION) == "2"


def test_a_refusal_stands_until_something_changes(promoted):
    _, workspace = promoted
    strict = read_run_config(
        workspace.directory.parent / "run.toml", ["train.final=false", "promote.engine=popularity"]
    )
    ears = Ears()
    assert [run(strict, workspace, ears) for _ in range(2)] == [REFUSED, REFUSED]
    assert ears.reused() == {"promote"}


def test_a_child_and_the_champion_are_asked_what_fine_tuning_held_out(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    changes = ["engines.two_tower.training.epochs=1", "finetune.training.epochs=1", "promote.engine=two_tower"]
    config = read_run_config(path, [*changes, "promote.gate.min_users=1", "promote.gate.min_gain=-9"])
    run_stages(config, workspace, SilentTracker(), "promote")
    newer = tmp_path / "newer.csv"
    rows = [f"u{user:04d},{item},{2_000_000 + item}" for user in range(6) for item in (99, 98, 97)]
    newer.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    finetune(config, workspace, SilentTracker(), NewerData(newer))
    child = workspace.bundle("two_tower-finetuned-1")
    assert Bundle.load(child).lineage.parent == version_of(workspace.final.bundle("two_tower"))
    holdout = Bundle.load(child).evaluation
    assert holdout.users.tolist() == [1, 3, 5]
    assert Bundle.load(child).data.items.vocabulary.ids[holdout.targets.item].tolist() == [99, 99, 99]
    run(config, workspace, SilentTracker(), child)
    decision = read_json(workspace.decision)
    assert (decision["version"], decision["champion"], decision["rules"][0]["candidate"]) == ("2", "1", 3.0)
    assert (decision["compared"]["users"], decision["compared"]["left_out"]) == (3, {"nothing_held_out": N_USERS - 3})
    if not decision["promoted"]:
        open_store(config, workspace).promote("2", Decision(True, "2", "1", ()))
    changed = config.model_copy(update={"seed": 6})
    finetune(changed, workspace, SilentTracker(), NewerData(newer))
    with pytest.raises(PromotionError, match="data that hold the targets of the evaluation users"):
        run(changed, workspace, SilentTracker(), child)


def test_a_champion_is_not_asked_what_it_may_have_learnt(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    changes = ["engines.two_tower.training.epochs=1", "finetune.training.epochs=1", "promote.engine=two_tower"]
    config = read_run_config(path, [*changes, "promote.gate.min_users=1", "promote.gate.min_gain=-9"])
    run_stages(config, workspace, SilentTracker(), "promote")
    rows = [f"u{user:04d},{item},{2_000_000 + item}" for user in range(6) for item in (99, 98, 97)]
    newer, all_of_it = tmp_path / "newer.csv", tmp_path / "interactions.csv"
    newer.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    finetune(config, workspace, SilentTracker(), NewerData(newer))
    run(config, workspace, SilentTracker(), workspace.bundle("two_tower-finetuned-1"))
    open_store(config, workspace).promote("2", Decision(True, "2", "1", ()))
    all_of_it.write_text(all_of_it.read_text(encoding="utf-8") + "\n".join(rows) + "\n", encoding="utf-8")
    with pytest.raises(PromotionError, match="data that hold the targets of the evaluation users"):
        run_stages(config, workspace, SilentTracker(), "promote")
    fresh = [f"u{user:04d},{user % 2},3000000" for user in range(20, 24)]
    all_of_it.write_text(all_of_it.read_text(encoding="utf-8") + "\n".join(fresh) + "\n", encoding="utf-8")
    run_stages(config, workspace, SilentTracker(), "promote")
    decision = read_json(workspace.decision)
    assert decision["rules"][0]["candidate"] == 4
    assert decision["compared"] == {
        "users": 4,
        "of": N_USERS,
        "without_history": 0,
        "left_out": {"champion_learnt": N_USERS - 4},
    }


def test_a_champion_of_another_draw_of_the_split_is_not_asked_what_it_was_trained_on(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    lenient = ["promote.gate.min_users=1", "promote.gate.min_gain=-9", 'split.protocol="user_holdout"']
    config, better = read_run_config(path, lenient), read_run_config(path, [*lenient, "engines.ease.regularization=2"])
    redrawn = read_run_config(path, [*lenient, "engines.ease.regularization=2", "split.seed=1"])
    run_stages(config, workspace, SilentTracker(), "promote")
    run_stages(better, workspace, SilentTracker(), "promote")
    assert open_store(config, workspace).version_at(CHAMPION) == "2"
    with pytest.raises(PromotionError, match="keep the split that the champion was trained with"):
        run_stages(redrawn, workspace, SilentTracker(), "promote")


@pytest.mark.parametrize(
    ("cell", "other"), [("4,Film 4\n", "4,Film four\n"), ("0,Film 0\n", "-1,Film of tomorrow\n0,Film 0\n")]
)
def test_a_champion_is_asked_the_same_questions_when_the_items_table_has_changed(promoted, cell, other):
    config, workspace = promoted
    rollback(config, workspace)
    table = workspace.directory.parent / "items.csv"
    text = table.read_text(encoding="utf-8")
    assert cell in text
    table.write_text(text.replace(cell, other), encoding="utf-8")
    run_stages(config, workspace, SilentTracker(), "promote")
    latest = read_json(workspace.decision)
    assert (latest["version"], latest["champion"], latest["rules"][0]["candidate"]) == ("3", "1", N_USERS)


def test_one_id_that_is_a_text_does_not_let_a_candidate_past_a_champion_that_knows_integers(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    config = read_run_config(path)
    run_stages(config, workspace, SilentTracker())
    before = version_of(workspace.bundle("ease"))
    table = tmp_path / "interactions.csv"
    table.write_text(table.read_text(encoding="utf-8") + "u0000,B07X,3000000\n", encoding="utf-8")
    told = "items whose ids are integers, and those of the dataset are texts.* write the ids as before, or "
    with pytest.raises(ArtifactError, match=rf"the champion \(version 1\) was made from {told}.*promote\.model"):
        run_stages(config, workspace, SilentTracker())
    assert before != version_of(workspace.bundle("ease"))
    with pytest.raises(ArtifactError, match=f"tiny/1 was made from {told}recommend with a model"):
        run_from(config, workspace, SilentTracker())
    champion = open_store(config, workspace).download(CHAMPION)
    with pytest.raises(ArtifactError, match=f"{champion.name}@.* was made from {told}recommend with a model"):
        run_from(config, workspace, SilentTracker(), bundle=champion)
    run_from(config, workspace, SilentTracker(), bundle=workspace.bundle("ease"))
    anew = config.model_copy(update={"promote": config.promote.model_copy(update={"model": "anew"})})
    assert run(anew, workspace, SilentTracker()) == 0


def test_users_whose_ids_became_integers_are_nobody_that_the_champion_knows(promoted):
    config, workspace = promoted
    candidate, champion = run_candidate(config, workspace), Bundle.load(workspace.bundle("ease"))
    numbered = replace(candidate.data.users, vocabulary=Vocabulary(np.arange(candidate.data.n_users)))
    remap_items = replace(candidate, data=replace(candidate.data, users=numbered))
    with pytest.raises(ArtifactError, match="users whose ids are texts, and those of the dataset are integers"):
        exclude_leaked_users(remap_items, champion, "2")


def test_without_a_clock_positions_that_were_counted_anew_hide_no_answer(promoted):
    config, workspace = promoted
    candidate, made = run_candidate(config, workspace), Bundle.load(workspace.bundle("ease"))
    elsewhere = replace(made.lineage, config={**made.lineage.config, "test_fingerprint": "of another split"})
    moved = replace(made.histories, time=made.histories.time + 1)
    champion = replace(made, data=replace(made.data, has_timestamps=False, interactions=moved), lineage=elsewhere)
    asked = replace(candidate, data=replace(candidate.data, has_timestamps=False))
    with pytest.raises(PromotionError, match="data that hold the targets of the evaluation users"):
        exclude_leaked_users(asked, champion, "1")
    half = replace(champion, data=replace(champion.data, interactions=moved.select(moved.user < 9)))
    for of_run in (True, False):
        assert exclude_leaked_users(replace(asked, of_run=of_run), half, "1").holdout.users.tolist() == list(
            range(9, N_USERS)
        )


def test_a_champion_that_keeps_no_histories_is_asked_what_was_held_out_of_it_and_nothing_else(promoted):
    config, workspace = promoted
    candidate = run_candidate(config, workspace)
    champion = replace(Bundle.load(workspace.bundle("ease")), keep_histories=False)
    assert exclude_leaked_users(candidate, champion, "1") is candidate
    fewer = replace(candidate, holdout=candidate.holdout.of_users(candidate.holdout.users[:9]))
    with pytest.raises(PromotionError, match=r"keeps no histories.* set promote\.model to a new name"):
        exclude_leaked_users(fewer, champion, "1")


def test_promote_takes_the_values_that_evaluate_wrote(tmp_path, monkeypatch):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    config = read_run_config(path, ["promote.gate.min_gain=-9", "promote.gate.must_not_lose={}"])
    weaker = read_run_config(path, ["promote.engine=popularity"])
    run_stages(config, workspace, SilentTracker(), "evaluate")
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.stages.judge.evaluate", lambda *_, **__: pytest.fail("evaluated again"))
        assert [run(each, workspace, SilentTracker()) for each in (weaker, config)] == [0, 0]
    report = Report.load(workspace.directory)
    rule = next(rule for rule in read_json(workspace.decision)["rules"] if rule["name"].startswith("gain"))
    assert rule["candidate"] == pytest.approx(report.values["ease"]["ndcg@10"].mean())
    assert rule["champion"] == pytest.approx(report.values["popularity"]["ndcg@10"].mean())


def test_promote_evaluates_a_champion_that_the_report_does_not_hold(promoted, monkeypatch):
    _, workspace = promoted
    changed = read_run_config(
        workspace.directory.parent / "run.toml", ["train.final=false", "engines.ease.regularization=2"]
    )
    run_stages(changed, workspace, SilentTracker(), "evaluate")
    evaluated = []
    monkeypatch.setattr(
        "pipelines.stages.judge.evaluate",
        lambda engine, *_, **kw: evaluated.append(engine) or evaluate(engine, *_, **kw),
    )
    run(changed, workspace, SilentTracker())
    assert [engine.config.regularization for engine in evaluated] == [1.0]
