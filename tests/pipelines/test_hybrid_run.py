"""A hybrid in a run: its parts are trained once for it and for themselves."""

import json

import pytest

from pipelines.cli import main
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.data.dataset import Dataset
from recsys.engines import ENGINES
from recsys.engines.baselines.als import ALS
from recsys.errors import ConfigError
from recsys.registry.bundle import Bundle
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears, pytestmark  # noqa: F401  the warnings of MLflow
from tests.pipelines.world import write_world

PARTS = ["engines.als.factors=4", 'engines.hybrid.parts=["ease", "als"]']


def run(path, workspace, overrides):
    ears = Ears()
    run_stages(read_run_config(path, overrides), workspace, ears, "train")
    return ears


@pytest.fixture
def fits(monkeypatch):
    """How many interactions each fit of an iALS engine learns from."""
    sizes = []
    fit = ALS.fit

    def counted(self, data, train, **context):
        sizes.append(len(train))
        return fit(self, data, train, **context)

    monkeypatch.setattr(ALS, "fit", counted)
    return sizes


def test_without_a_refit_the_hybrid_takes_the_parts_of_the_run(tmp_path, fits):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run(path, workspace, PARTS)
    assert fits == [len(workspace.load_split().train)]
    engine = Bundle.load(workspace.bundle("hybrid")).engine
    assert list(engine.parts) == ["ease", "als"]
    assert sum(engine.weights_) == pytest.approx(1)
    assert not workspace.pre_refit_engine("als").exists()


def test_with_a_refit_the_weights_come_from_before_it_and_the_parts_from_after(tmp_path, fits):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run(path, workspace, [*PARTS, "split.refit=true"])
    split = workspace.load_split()
    assert fits == [len(split.train), len(split.train_and_validation)]
    before = ENGINES["als"].load(workspace.pre_refit_engine("als"))
    after = Bundle.load(workspace.bundle("als")).engine
    kept = Bundle.load(workspace.bundle("hybrid")).engine.parts["als"]
    assert (kept.factors == after.factors).all()
    assert (kept.factors != before.factors).any()


def test_a_second_run_trains_nothing_and_a_changed_part_trains_the_hybrid_again(tmp_path, fits):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    refit = [*PARTS, "split.refit=true"]
    run(path, workspace, refit)
    assert {"train/ease", "train/als", "train/hybrid"} <= run(path, workspace, refit).reused()
    changed = run(path, workspace, [*refit, "engines.als.factors=5"])
    assert "train/ease" in changed.reused()
    assert not {"train/als", "train/hybrid"} & changed.reused()


def test_the_bundle_of_a_hybrid_stands_alone(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path, PARTS), workspace, SilentTracker(), "evaluate")
    assert "hybrid" in json.loads(workspace.report.read_text())["engines"]
    moved = tmp_path / "elsewhere"
    workspace.bundle("hybrid").rename(moved)
    assert len(Bundle.load(moved).engine.item_vectors(Dataset.load(workspace.dataset).items)) == 12


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('engines.hybrid.parts=["ease", "eas"]', "did you mean 'ease'"),
        ('engines.a={kind="hybrid", parts=["a", "ease"]}', "before it"),
    ],
)
def test_parts_must_be_engines_that_stand_before(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        read_run_config(write_world(tmp_path), [override])


@pytest.mark.filterwarnings("ignore:.*[Ss]wig.*:DeprecationWarning")
def test_the_promoted_hybrid_of_the_front_page_is_exported(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    path, out = write_world(tmp_path), tmp_path / "out"
    parts = 'engines.hybrid.parts=["itemknn", "ease", "als", "two_tower"]'
    changes = ["engines.itemknn.neighbours=5", "engines.als.factors=4", "engines.two_tower.training.epochs=1", parts]
    changes += ["promote.engine=hybrid", "promote.gate.first=any"]
    run_stages(read_run_config(path, changes), Workspace(out), SilentTracker())
    words = [word for change in changes for word in ("--set", change)]
    with pytest.raises(SystemExit) as done:
        main(["export", str(path), "--run", str(out), "--output", str(tmp_path / "exported"), *words])
    assert not done.value.code
    told = capsys.readouterr().out
    assert "the model is tiny/1" in told
    assert "both towers of 'two_tower', in parts/two_tower/" in told
    assert "no faiss: the vectors of 'hybrid' are sparse" in told
    assert (tmp_path / "exported/vectors/items_sparse.npz").is_file()
