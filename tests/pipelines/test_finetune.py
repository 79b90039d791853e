"""Newer data make a child bundle, and the parent stays as it is."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.finetune import NewerData, newer_tables, run
from pipelines.stages.recommend import run_from
from pipelines.workspace import Workspace, file_digest
from recsys.data.dataset import Dataset
from recsys.data.ingest.readers import ingest
from recsys.data.interactions import Interactions
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.experiment.finetune import leave_last_out
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.candidate import child_candidate
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears
from tests.pipelines.world import write_world


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("world")
    path = write_world(directory)
    config = read_run_config(
        path,
        [
            "engines.two_tower.training.epochs=2",
            "promote.engine=two_tower",
            "finetune.training.epochs=1",
        ],
    )
    workspace = Workspace(directory / "out")
    run_stages(config, workspace, SilentTracker(), "train")
    return config, workspace


@pytest.fixture
def newer(tmp_path):
    rows = [("u0000", 1, 2_000_000), ("u0000", 99, 2_000_001), ("new", 99, 2_000_000), ("new", 3, 2_000_001)]
    path = tmp_path / "newer.csv"
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(path, index=False)
    return path


def test_a_child_knows_new_users_and_items_and_names_its_parent(trained, newer):
    config, workspace = trained
    parent = workspace.bundle("two_tower")
    before = version_of(parent)
    told = run(config, workspace, SilentTracker(), NewerData(newer), command=("my shop.toml", "--output", "out"))
    assert "4 new interactions, 1 new users, 1 new items" in told
    steps = told.splitlines()[-2:]
    assert (
        steps[0] == f"  recsys promote 'my shop.toml' --output out --bundle {workspace.bundle('two_tower-finetuned-1')}"
    )
    assert steps[1] == "  recsys recommend 'my shop.toml' --output out"
    assert "child and parent are not compared" in told or "ndcg@10 on 1 users" in told
    child = Bundle.load(workspace.bundle("two_tower-finetuned-1"))
    assert child.lineage.parent == Bundle.load(parent).version
    assert version_of(parent) == before
    data = Dataset.load(workspace.directory / "dataset-finetuned")
    vectors = child.engine.item_vectors(data.items)
    assert len(vectors) == 13
    assert vectors.valid is None or vectors.valid.all()


def test_lists_of_a_child_are_made_from_the_newest_data_that_it_knows(trained, newer, tmp_path):
    config, workspace = trained
    run(config, workspace, SilentTracker(), NewerData(newer))
    child, latest = workspace.bundle("two_tower-finetuned-1"), workspace.newer_dataset
    told, users = recommended(config, workspace, child)
    assert f"was fine-tuned on newer data than the run's: lists are made from {latest}" in told
    assert "new" in users
    told, users = recommended(config, workspace, workspace.bundle("two_tower"))
    assert f"{latest}, which a fine-tuning made, is newer than what two_tower@" in told
    assert (
        f"by 4 interactions; lists are made without it: promote the fine-tuned bundle, or give --dataset {latest}"
        in told
    )
    assert "new" not in users
    shutil.copytree(latest, tmp_path / "kept")
    Dataset.load(workspace.dataset).save(latest)  # stands for a later fine-tuning
    told, users = recommended(config, workspace, child)
    assert f"lists are made from the data in its bundle; {latest} is of another fine-tuning, and --dataset" in told
    assert "new" in users
    run_from(config, workspace, SilentTracker(), bundle=child, dataset=tmp_path / "kept")
    assert "new" in set(pd.read_parquet(workspace.recommendations)["user_id"])


def test_a_child_whose_newer_data_are_not_used_for_its_lists_is_warned_of(trained, newer):
    config, workspace = trained
    run(config, workspace, SilentTracker(), NewerData(newer), name="monday")
    child = Bundle.load(workspace.bundle("monday"))
    child.lineage.config["run_data"] = "a dataset of the run before the tables were read anew"
    child.save(workspace.bundle("monday"))
    told, users = recommended(config, workspace, workspace.bundle("monday"))
    assert "lacks 4 of the interactions that it has learnt from" in told
    assert f"give --dataset {workspace.newer_dataset}" in told
    assert "new" not in users


def recommended(config, workspace, bundle):
    """What is told, and the users who have a list."""
    ears = Ears()
    run_from(config, workspace, ears, bundle=bundle)
    return "\n".join(ears.heard), set(pd.read_parquet(workspace.recommendations)["user_id"])


def test_a_finetuning_tells_what_it_found_and_takes_returned_purchases_back(trained, tmp_path):
    config, workspace = trained
    old = Bundle.load(workspace.bundle("two_tower")).data
    user, item = (table.vocabulary.ids for table in (old.users, old.items))
    bought = [(user[old.interactions.user[n]], item[old.interactions.item[n]].item()) for n in (0, 8)]
    rows = [(*bought[0], 2_000_000, -1), ("u0003", 99, 2_000_001, -1), ("new", 3, 2_000_002, 2)]
    rows += [("new", 5, 2_000_003, 1), ("u0005", 98, 2_000_004, 1), ("u0005", 98, 2_000_004, 1)]
    newer = tmp_path / "newer.csv"
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "qty"]).to_csv(newer, index=False)
    items = tmp_path / "items.csv"
    pd.DataFrame({"item_id": [n for n in range(12) if n != bought[1][1]], "title": "x"}).to_csv(items, index=False)
    columns = config.data.columns.model_copy(update={"weight": "qty"})
    data = config.data.model_copy(
        update={"columns": columns, "positive_from": 0.5, "duplicates": "first", "unknown_ids": "add"}
    )
    ears = Ears()
    run(config.model_copy(update={"data": data}), workspace, ears, NewerData(newer, items=items), name="returned")
    told = "\n".join(ears.heard)
    assert "2 returns took back 1 purchase; 1 found no earlier purchase" in told
    assert "column 'item_id', 3 rows: 2 ids are not in items.csv" in told
    assert "1 row: user, item and time repeat another row; the first is kept" in told
    assert "1 new users: new" in told
    assert "2 new items: 98, 99" in told
    assert "list of changes" not in told
    assert f"1 no longer in the items table, so not recommended: {bought[1][1]}" in told
    child = Bundle.load(workspace.bundle("returned")).data
    held = set(zip(child.users.vocabulary.ids[child.interactions.user], child.interactions.item, strict=True))
    assert (bought[0][0], old.interactions.item[0]) not in held
    assert len(child.interactions) == len(old.interactions) - 1 + 3
    shutil.rmtree(workspace.bundle("returned"))


def test_a_file_without_news_is_an_error(trained, tmp_path):
    config, workspace = trained
    assert config.data.interactions is not None
    with pytest.raises(DataError, match="no interaction that the dataset does not hold already"):
        run(config, workspace, SilentTracker(), NewerData(config.data.interactions))


def test_news_of_what_users_had_before_is_nothing_to_learn_where_lists_leave_it_out(trained, tmp_path):
    config, workspace = trained
    old = Bundle.load(workspace.bundle("two_tower")).data
    had = pd.DataFrame(
        {
            "user_id": old.users.vocabulary.ids[old.interactions.user],
            "item_id": old.items.vocabulary.ids[old.interactions.item],
        }
    )
    newer = tmp_path / "again.csv"
    had.groupby("user_id").head(2).assign(timestamp=2_000_000).to_csv(newer, index=False)
    child = workspace.bundle("two_tower-finetuned-1")
    shutil.rmtree(child, ignore_errors=True)
    with pytest.raises(DataError, match="an item that its user had before"):
        run(config, workspace, SilentTracker(), NewerData(newer))
    assert not child.exists()
    evaluate = config.evaluate.model_copy(update={"filter_seen": False})
    run(config.model_copy(update={"evaluate": evaluate}), workspace, SilentTracker(), NewerData(newer))
    assert Bundle.load(child).engine.ranks_seen_items()
    shutil.rmtree(child)


def test_what_a_user_had_before_is_held_out_only_where_lists_can_show_it():
    user, item = np.array([0, 0, 0, 1, 1, 1]), np.array([2, 3, 2, 4, 5, 6])
    data, fresh = Interactions.of(user, item, np.arange(6)), np.array([False, True, True] * 2)
    train, new, asked = leave_last_out(data, fresh, 2, filter_seen=True)
    assert (train.item.tolist(), asked.targets.item.tolist()) == ([2, 3, 2, 4, 5], [6])
    assert new.tolist() == [False, True, True, False, True]
    train, new, asked = leave_last_out(data, fresh, 2, filter_seen=False)
    assert (train.item.tolist(), asked.targets.item.tolist()) == ([2, 3, 4, 5], [2, 6])


def test_a_linear_engine_cannot_be_fine_tuned(trained, newer):
    config, workspace = trained
    with pytest.raises(ConfigError, match="kind 'ease'; only two_tower"):
        run(config, workspace, SilentTracker(), NewerData(newer), parent=workspace.bundle("ease"))


def test_a_hybrid_that_is_promoted_names_the_command_that_fine_tunes_the_two_towers(trained, tmp_path):
    config, workspace = trained
    ease = config.model_copy(update={"promote": config.promote.model_copy(update={"engine": "ease"})})
    given = NewerData(tmp_path / "not there.csv", mode="replace")  # told before the newer tables are read
    command = (
        rf"\n  recsys finetune shop.toml --interactions '.*csv' --mode replace --bundle {workspace.bundle('two_tower')}"
    )
    with pytest.raises(ConfigError, match=command):
        run(ease, workspace, SilentTracker(), given, command=["shop.toml"])


class Killed(BaseException):
    """Stands for a kill after the last epoch, before the child is written."""


def test_a_child_never_goes_on_from_the_checkpoint_of_another_parent(trained, newer, monkeypatch):
    config, workspace = trained
    parent = Bundle.load(workspace.bundle("two_tower"))
    with torch.no_grad():
        for parameter in parent.engine.model.parameters():
            parameter.add_(0.1)
    Bundle(parent.engine, parent.data, parent.lineage).save(workspace.bundle("other"))
    with monkeypatch.context() as patch:
        patch.setattr(Bundle, "save", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            run(config, workspace, SilentTracker(), NewerData(newer))
    run(config, workspace, SilentTracker(), NewerData(newer), parent=workspace.bundle("other"))
    run(config, workspace, SilentTracker(), NewerData(newer))
    weights = [workspace.bundle(f"{name}-finetuned-1") / "engine/model.safetensors" for name in ("other", "two_tower")]
    assert file_digest(weights[0]) != file_digest(weights[1])
    assert not list(workspace.directory.glob("checkpoints/*"))


def test_a_child_of_a_child_knows_all_that_came_before(trained, newer, tmp_path):
    config, workspace = trained
    run(config, workspace, SilentTracker(), NewerData(newer))
    newest = tmp_path / "newest.csv"
    rows = [("new", 5, 3_000_000), ("newest", 99, 3_000_000), ("newest", 98, 3_000_001)]
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(newest, index=False)
    told = run(config, workspace, SilentTracker(), NewerData(newest), parent=workspace.bundle("two_tower-finetuned-1"))
    assert "3 new interactions, 1 new users, 1 new items" in told
    data = Bundle.load(workspace.bundle("two_tower-finetuned-2")).data
    mine = data.interactions.select(data.interactions.user == data.users.vocabulary.rows(["new"])[0])
    assert data.items.vocabulary.ids[mine.item].tolist() == [99, 3, 5]


def test_a_newer_csv_whose_ids_look_like_integers_joins_a_parent_whose_ids_are_text(trained, tmp_path):
    config, workspace = trained
    newer = tmp_path / "numbers.csv"
    newer.write_text("user_id,item_id,timestamp\n7,3,2000000\n7,5,2000001\n")
    shutil.copytree(workspace.bundle("two_tower"), workspace.bundle("texts"))
    told = run(config, workspace, SilentTracker(), NewerData(newer), parent=workspace.bundle("texts"))
    assert "2 new interactions, 1 new users, 0 new items" in told
    assert "7" in Bundle.load(workspace.bundle("texts-finetuned-1")).data.users.vocabulary.ids


def test_a_newer_csv_with_text_ids_does_not_join_a_parent_whose_ids_are_integers(trained, tmp_path):
    config, workspace = trained
    newer = tmp_path / "texts.csv"
    newer.write_text("user_id,item_id,timestamp\nu0000,3,2000000\nu0000,B7,2000001\n")
    with pytest.raises(DataError, match=r"texts\.csv, column 'item_id', row 2: ids are text, as 'B7', and integers in"):
        run(config, workspace, SilentTracker(), NewerData(newer))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_of_the_newer_file_keeps_the_kind_it_has(trained, newer, tmp_path, suffix):
    config, workspace = trained
    old = workspace.load_dataset()
    table = pd.DataFrame({"item_id": [3, 99], "title": ["1984", "2001"], "year": [1949, 1968]})
    items = tmp_path / f"items{suffix}"
    table.to_csv(items, index=False) if suffix == ".csv" else table.to_parquet(items, index=False)
    data = ingest(newer_tables(config, newer, None, items), joining=old).data
    assert data.items.schema.to_dict() == {"title": old.items.schema.to_dict()["title"], "year": "numeric"}


def test_a_child_grows_by_the_columns_of_the_newer_files(trained, newer, tmp_path):
    config, workspace = trained
    items, users, ears = tmp_path / "items.csv", tmp_path / "users.csv", Ears()
    pd.DataFrame({"item_id": [3, 99], "title": ["Film 3", "Film 99"], "year": [1949, 1968]}).to_csv(items, index=False)
    pd.DataFrame({"user_id": ["u0000", "new"], "team": ["red", "blue"]}).to_csv(users, index=False)
    run(config, workspace, ears, NewerData(newer, users, items))
    short = (
        f"warning: {items} lists 1 of the 12 items that were listed; taken as a list of changes: nothing is withdrawn"
    )
    assert any(short in line and "--mode replace" in line for line in ears.heard)
    child = Bundle.load(workspace.bundle("two_tower-finetuned-1"))
    assert "year" in child.engine.model.items.encoders
    assert "team" in child.engine.model.users
    assert child.data.users.columns["team"].notna().sum() == 2
    _, users = recommended(config, workspace, workspace.bundle("two_tower-finetuned-1"))
    assert len(users) == 25


def test_a_newer_table_without_a_column_that_the_config_names_is_refused(trained, newer, tmp_path):
    config, workspace = trained
    items, ears = tmp_path / "items.csv", Ears()
    pd.DataFrame({"item_id": [3, 99], "year": [1949, 1968]}).to_csv(items, index=False)
    recommend = config.recommend.model_copy(update={"where": "title == 'Film 3'"})
    quality = config.evaluate.embedding_quality.model_copy(update={"attribute": "title"})
    evaluate = config.evaluate.model_copy(update={"embedding_quality": quality})
    data = config.data.model_copy(update={"item_schema": {"title": "text"}})
    for changes, told in (
        ({"recommend": recommend}, r"items\.csv: where = .*'title'"),
        ({"evaluate": evaluate}, r"items\.csv: evaluate\.embedding_quality\.attribute: items have no column 'title'"),
    ):
        with pytest.raises((ConfigError, DataError), match=told):
            run(config.model_copy(update=changes), workspace, SilentTracker(), NewerData(newer, items=items))
    run(config.model_copy(update={"data": data}), workspace, ears, NewerData(newer, items=items))
    assert any("the schema names title, which the table lacks" in line for line in ears.heard)
    run(config.model_copy(update={"recommend": recommend}), workspace, SilentTracker(), NewerData(newer))


def test_a_child_is_not_replaced_by_one_that_knows_less(trained, newer, tmp_path):
    config, workspace = trained
    other = tmp_path / "tuesday.csv"
    pd.DataFrame([("u0001", 0, 2_100_000)], columns=["user_id", "item_id", "timestamp"]).to_csv(other, index=False)
    run(config, workspace, SilentTracker(), NewerData(newer))
    child = workspace.bundle("two_tower-finetuned-1")
    shutil.rmtree(workspace.bundle("two_tower-finetuned-2"), ignore_errors=True)
    with pytest.raises(DataError, match=r"4 interactions that .*tuesday.csv does not hold.*--bundle"):
        run(config, workspace, SilentTracker(), NewerData(other))
    assert "1 new interactions" in run(config, workspace, SilentTracker(), NewerData(other), parent=child)
    run(config, workspace, SilentTracker(), NewerData(newer))


def test_the_evaluation_users_of_a_child_are_part_of_its_bundle(trained, newer, tmp_path):
    config, workspace = trained
    parent = workspace.bundle("moved")
    shutil.copytree(workspace.bundle("two_tower"), parent)
    run(config, workspace, SilentTracker(), NewerData(newer), parent=parent)
    child = shutil.copytree(workspace.bundle("moved-finetuned-1"), tmp_path / "elsewhere")
    candidate = child_candidate(child)
    assert candidate.holdout.users.tolist() == [24]
    assert candidate.data.items.vocabulary.ids[candidate.holdout.targets.item].tolist() == [3]
    (child / "evaluation" / "users.npy").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"changed: evaluation/users\.npy"):
        child_candidate(child)


def test_a_bundle_without_evaluation_users_cannot_be_promoted_as_a_child(trained):
    _, workspace = trained
    with pytest.raises(ConfigError, match="no evaluation users"):
        child_candidate(workspace.bundle("two_tower"))


def test_the_name_of_a_child_does_not_grow(trained, newer):
    config, workspace = trained
    day_23 = workspace.bundle("two_tower" + 23 * "-finetuned")
    shutil.copytree(workspace.bundle("two_tower"), day_23)
    assert "two_tower-finetuned-24" in run(config, workspace, SilentTracker(), NewerData(newer), parent=day_23)
    day_24 = workspace.bundle("two_tower-finetuned-24")
    shutil.copytree(day_23, workspace.bundle("two_tower-finetuned-99"))
    day_99 = workspace.bundle("two_tower-finetuned-99")
    assert "two_tower-finetuned-100" in run(config, workspace, SilentTracker(), NewerData(newer), parent=day_99)
    shutil.rmtree(day_23)
    shutil.rmtree(day_24)


def test_a_child_may_be_named_but_not_like_an_engine_of_the_run_or_its_parent(trained, newer):
    config, workspace = trained
    assert "bundles/monday:" in run(config, workspace, SilentTracker(), NewerData(newer), name="monday")
    for name, parent in (("ease", "two_tower"), ("monday", "monday")):
        with pytest.raises(ConfigError, match=f"--name {name} is .*choose another"):
            run(config, workspace, SilentTracker(), NewerData(newer), workspace.bundle(parent), name)
    with pytest.raises(ConfigError, match=r"--name = '../up'"):
        run(config, workspace, SilentTracker(), NewerData(newer), name="../up")


def test_a_newer_export_takes_the_place_of_the_old_interactions_and_says_what_is_gone(trained, tmp_path):
    config, workspace = trained
    old = pd.read_csv(config.data.interactions)
    rows = pd.DataFrame([("new", 3, 2_000_000), ("new", 5, 2_000_001)], columns=old.columns)
    export = tmp_path / "export.csv"
    pd.concat([old[old["user_id"] != "u0003"], rows]).to_csv(export, index=False)
    ears = Ears()
    told = run(config, workspace, ears, NewerData(export, mode="replace"), name="replaced")
    assert "2 new interactions, 1 new users, 0 new items" in told
    assert any("lacks 6 of 144 interactions" in line and "--mode append" in line for line in ears.heard)
    data = Bundle.load(workspace.bundle("replaced")).data
    assert len(data.interactions) == 140
    assert not (data.interactions.user == data.users.vocabulary.rows(["u0003"])[0]).any()


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"model": {"dim": 16}}, "model.dim = 16"),
        ({"model": {"pooling": "gru"}}, "model.pooling"),
        ({"tables": ["a"]}, "tables"),
    ],
)
def test_finetune_refuses_another_shape(trained, newer, section, told):
    config, workspace = trained
    changed = config.model_copy(update={"finetune": section})
    with pytest.raises(ConfigError, match=rf"cannot change {told}"):
        run(changed, workspace, SilentTracker(), NewerData(newer))


def test_a_child_is_compared_with_its_parent_on_the_users_that_were_held_out(trained, tmp_path):
    config, workspace = trained
    rows = [(f"u{user:04d}", item, 3_000_000 + item) for user in range(12) for item in (user % 5, 7, 11)]
    path = tmp_path / "newer.csv"
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(path, index=False)
    told = run(config, workspace, SilentTracker(), NewerData(path), name="compared")
    found = re.search(r"ndcg@10 on (\d+) users .*: child (\S+), parent (\S+), difference (\S+) \[", told)
    assert found is not None
    users, child, parent, difference = (float(number) for number in found.groups())
    assert users >= 2
    assert difference == pytest.approx(child - parent, abs=1.1e-4)
