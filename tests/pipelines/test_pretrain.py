"""Tables made from content, inside a run."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.commands.attribution import run as weigh
from pipelines.commands.similar import similar_to_text
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.evaluate import run as evaluate
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout
from recsys.errors import ArtifactError, ConfigError
from recsys.experiment.table_quality import continuations, quality_table
from recsys.tracking import SilentTracker
from tests.pipelines.world import N_ITEMS, write_world

CONTENT = """
[pretrain.text]
embedder = "hashing"
columns = ["title"]
options = {dim = 8}

[pretrain.tuned]
embedder = "projection_head"
columns = ["title"]
share = 1.0
options = {base = {embedder = "hashing"}, dim = 4, pairs = 32, batch_size = 8, training = {epochs = 1}}

[engines.knn]
kind = "content_knn"
table = "tuned"

[engines.towers]
kind = "two_tower"
tables = ["text"]
model = {dim = 4, item_id = false}
n_negatives = 8
training = {epochs = 1}
"""


class Listener(SilentTracker):
    def __init__(self):
        self.lines = []

    def info(self, message):
        self.lines.append(message)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_CACHE_DIR", str(tmp_path / "cache"))
    path = write_world(tmp_path / "world")
    path.write_text(path.read_text(encoding="utf-8") + CONTENT, encoding="utf-8")
    return path


def test_tables_made_from_content_reach_the_engines_and_are_reused(config, tmp_path):
    settings, workspace, listener = read_run_config(config), Workspace(tmp_path / "out"), Listener()
    assert run_stages(settings, workspace, listener, "evaluate") == 0
    tables = workspace.load_tables(["text", "tuned"])
    assert (len(tables["text"].vocabulary), tables["text"].dim, tables["tuned"].dim) == (N_ITEMS, 8, 4)
    assert set(read_json(workspace.report)["engines"]) >= {"knn", "towers"}
    assert list(read_json(workspace.report)["embeddings"]) == ["text", "tuned"]
    assert "The tables by themselves" in workspace.report.with_suffix(".html").read_text(encoding="utf-8")
    assert any("evaluate/tables" in line and "recall@20" in line for line in listener.lines)
    again = Listener()
    run_stages(settings, workspace, again, "evaluate")
    assert {"pretrain/text: reused, nothing changed", "pretrain/tuned: reused, nothing changed"} <= set(again.lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("pretrain.text.embedder=hashin", "did you mean 'hashing'"),
        ("pretrain.text.engine=als", r"\[pretrain.text\] names an engine that learns the table, or an embedder"),
        ("pretrain.text.options.dims=3", "unknown key 'dims'; did you mean 'dim'"),
    ],
)
def test_a_section_that_makes_no_sense_is_named(config, change, message):
    with pytest.raises(ConfigError, match=message):
        read_run_config(config, [change])


def test_an_engine_without_item_embeddings_is_told_which_ones_have_some(config, tmp_path):
    changed = read_run_config(config, ["pretrain.table.engine=ease"])
    with pytest.raises(ConfigError, match=r"'ease' has no item embeddings; these have: .*als, bpr, .*sequence"):
        run_stages(changed, Workspace(tmp_path / "refused"), SilentTracker(), "pretrain")


def test_a_text_finds_the_item_that_says_so(config, tmp_path):
    settings, workspace = read_run_config(config), Workspace(tmp_path / "out")
    run_stages(settings, workspace, SilentTracker(), "pretrain")
    for table in ("text", "tuned"):
        best = similar_to_text(settings, workspace, "film 7", 3, table).splitlines()[1]
        assert best.split()[-1] == "7"
    with pytest.raises(ConfigError, match="did you mean 'text'"):
        similar_to_text(settings, workspace, "film 7", 3, "txt")


def test_each_table_is_measured_by_itself(config, tmp_path):
    words = '[pretrain.words]\nembedder = "word2vec"\ncolumns = ["title"]\noptions = {dim = 4, epochs = 1}\n'
    config.write_text(config.read_text(encoding="utf-8") + words, encoding="utf-8")
    settings, workspace = read_run_config(config), Workspace(tmp_path / "out")
    run_stages(settings, workspace, SilentTracker(), "evaluate")
    found = read_json(workspace.report)["embeddings"]
    assert list(found) == ["text", "tuned", "words"]
    assert (found["text"]["items"], found["text"]["dim"], found["text"]["attribute"]) == (N_ITEMS, 8, None)
    assert found["text"]["agreement"] is None  # no two items have a tag in common
    assert 0 <= found["tuned"]["next_item"]["low"] <= found["tuned"]["next_item"]["high"] <= 1
    assert "words" not in found["text"]
    assert found["words"]["words"]["words"] == 1  # "film"
    assert quality_table(found).splitlines()[1].split()[:6] == ["text", "12", "8", "-", "-", "-"]


def test_other_vectors_in_the_same_file_make_the_table_anew(config, tmp_path):
    path = tmp_path / "vectors.txt"
    section = (
        f'[pretrain.words]\nembedder = "word2vec"\ncolumns = ["title"]\noptions = {{path = "{path.as_posix()}"}}\n'
    )
    config.write_text(config.read_text(encoding="utf-8") + section, encoding="utf-8")
    settings, workspace = read_run_config(config), Workspace(tmp_path / "out")
    said = []
    for vector in ("1 2", "1 2", "1 2.5"):
        path.write_text(f"film {vector}\n1 0 1\n2 1 0\n", encoding="utf-8")
        listener = Listener()
        run_stages(settings, workspace, listener, "pretrain")
        said.append("pretrain/words: reused, nothing changed" in listener.lines)
    assert said == [False, True, False]


def test_other_posters_of_an_inner_embedder_make_the_table_anew(config, tmp_path):
    world, section = (
        config.parent,
        """
[pretrain.both]
embedder = "concat"
columns = ["title"]
options.parts = [{embedder = "hashing"}, {embedder = "colours", columns = ["poster"]}]
""",
    )
    items = pd.read_csv(world / "items.csv")
    items.assign(poster="a.png").to_csv(world / "items.csv", index=False)
    config.write_text(config.read_text(encoding="utf-8") + section, encoding="utf-8")
    settings, workspace = read_run_config(config, ["data.item_schema.poster=image"]), Workspace(tmp_path / "out")
    said = []
    for width in (4, None, 40):
        if width is not None:
            Image.new("RGB", (width, 6), (width, 0, 0)).save(world / "a.png")
        listener = Listener()
        run_stages(settings, workspace, listener, "pretrain")
        said.append("pretrain/both: reused, nothing changed" in listener.lines)
    assert said == [False, True, False]


def test_what_came_next_in_validation_follows_the_last_of_the_history():
    history = Interactions.of(np.array([0, 0, 1, 2]), np.array([3, 4, 5, 6]), np.array([1, 2, 1, 1]))
    targets = Interactions.of(np.array([0, 2, 2]), np.array([7, 8, 9]), np.array([0, 0, 1]))
    events = continuations(Holdout(np.array([0, 2], np.int32), history, targets))
    assert (events.user.tolist(), events.item.tolist()) == ([0, 0, 2, 2, 2], [4, 7, 6, 8, 9])


def test_only_an_aligned_table_can_be_asked_by_its_images(config, tmp_path):
    settings, workspace = read_run_config(config), Workspace(tmp_path / "out")
    run_stages(settings, workspace, SilentTracker(), "pretrain")
    with pytest.raises(ConfigError, match="'text' is 'hashing'"):
        similar_to_text(settings, workspace, "film 7", 3, "text", images=True)


LEDGER = """
[attribution]
engine = "towers"
metric = "recall@5"

[attribution.modalities]
text = ["text"]
sequence = ["history"]
"""


def test_the_attribution_shares_out_what_the_towers_have_above_nothing(config, tmp_path):
    config.write_text(config.read_text(encoding="utf-8") + LEDGER, encoding="utf-8")
    settings, workspace = read_run_config(config), Workspace(tmp_path / "out")
    run_stages(settings, workspace, SilentTracker(), "train")
    table = weigh(settings, workspace)
    assert table.startswith("recall@5: all ")
    found = read_json(workspace.directory / "attribution.json")
    above = found["full"]["value"] - found["empty"]["value"]
    assert sum(worth["shapley"]["value"] for worth in found["contributions"].values()) == pytest.approx(above)
    run_stages(settings, workspace, SilentTracker(), "evaluate")
    assert read_json(workspace.report)["attribution"] == {"engine": "towers", **found}
    page = workspace.report.with_suffix(".html").read_text(encoding="utf-8")
    assert "Contribution of each modality" in page
    assert ">sequence<" in page


def test_an_engine_that_was_trained_on_another_split_is_not_asked(config, tmp_path):
    config.write_text(config.read_text(encoding="utf-8") + LEDGER, encoding="utf-8")
    workspace = Workspace(tmp_path / "out")
    users = ["split.protocol=user_holdout", "split.seed=0"]
    run_stages(read_run_config(config, users), workspace, SilentTracker(), "train")
    settings = read_run_config(config, [*users, "split.seed=1"])
    run_stages(settings, workspace, SilentTracker(), "prepare")
    with pytest.raises(ArtifactError, match=r"towers was trained on another split.*train again"):
        weigh(settings, workspace)
    with pytest.raises(ArtifactError, match=r"was trained on another split.*train again"):
        evaluate(settings, workspace, SilentTracker())
    run_stages(settings, workspace, SilentTracker(), "train")
    assert weigh(settings, workspace).startswith("recall@5: all ")
