"""What a config names is checked early; a command that fails on it creates nothing and loses nothing."""

import pytest

import recsys as rs
from pipelines.cli import main
from pipelines.config import read_run_config
from tests.pipelines.world import write_world


def _run(*words) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def _relative(config):
    config.write_text(config.read_text().replace(f"{config.parent.as_posix()}/", ""))
    return config


def test_paths_in_a_config_start_at_its_folder_and_those_of_set_at_the_current_one(tmp_path, monkeypatch):
    config = _relative(write_world(tmp_path / "shop"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = read_run_config(config, ["recommend.allow=stock.csv", "promote.tracking_uri=sqlite:///m.db"])
    assert found.data.interactions == tmp_path / "shop" / "interactions.csv"
    assert found.recommend.allow == tmp_path / "elsewhere" / "stock.csv"
    assert found.promote.tracking_uri == f"sqlite:///{tmp_path}/elsewhere/m.db"
    assert _run("prepare", "../shop/run.toml") == 0
    assert _run("validate", "../shop/run.toml") == 0


def test_a_config_that_init_writes_into_another_folder_runs_from_anywhere(tmp_path, monkeypatch):
    write_world(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    assert _run("init", "interactions.csv", "items.csv", "--output", tmp_path / "configs" / "c.toml") == 0
    monkeypatch.chdir(tmp_path)
    assert _run("validate", "configs/c.toml") == 0


@pytest.mark.parametrize("command", ["run", "prepare", "train"])
def test_a_missing_file_is_named_in_full_and_nothing_is_created(tmp_path, monkeypatch, capsys, command):
    _relative(write_world(tmp_path))
    (tmp_path / "items.csv").unlink()
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert _run(command, "run.toml") == 1
    assert str(tmp_path / "items.csv") in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            'engines.two_tower={item_columns=["titel"]}',
            "engines.two_tower.item_columns: items have no column 'titel'; did",
        ),
        ('engines.two_tower={leave_out=["items.titel"]}', "did you mean 'items.title'"),
        ('engines.two_tower={tables=["als"]}', "the run has no table"),
        ("engines.two_tower={device='cuda'}", "no CUDA device that torch can use"),
        ('engines.knn={kind="content_knn", columns=["x"]}', "engines.knn.columns: items have no column 'x'"),
        ('pretrain.t={embedder="hashing", columns=["x"]}', "pretrain.t.columns: items have no column 'x'"),
        ("evaluate.embedding_quality.attribute=genre", "items have no column 'genre'"),
        ('recommend.where="price < 3"', "items have no column 'price'"),
        ("recommend.deny=gone.csv", "gone.csv cannot be read"),
    ],
)
def test_a_name_that_the_data_does_not_have_stops_the_run_before_anything_is_learnt(
    tmp_path, monkeypatch, capsys, change, told
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = write_world(tmp_path)
    assert _run("run", config, "--output", tmp_path / "out", "--set", change) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out" / "bundles").exists()


def test_a_setting_that_fails_leaves_what_was_trained_as_it_was(tmp_path, capsys):
    config, out = write_world(tmp_path), tmp_path / "out"
    assert _run("evaluate", config, "--output", out) == 0
    for change in ("data.item_schema.titel=text", "data.interactions=gone.csv", "data.columns.time=when"):
        assert _run("evaluate", config, "--output", out, "--set", change) == 1
    capsys.readouterr()
    assert _run("evaluate", config, "--output", out) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert all(line.endswith("reused, nothing changed") for line in told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rollback"], "no model 'tiny' has been registered"),
        (["recommend"], "no model 'tiny' has been registered"),
        (["recommend", "--alias", "2", "--dataset", "gone"], "no model 'tiny' has been registered"),
        (["recommend", "--bundle", "gone"], "gone holds no bundle"),
        (["recommend", "--set", "recommend.engine=ease"], "ease holds no bundle"),
        (["similar", "Film 1"], "ease holds no bundle"),
        (["finetune", "--interactions", "interactions.csv"], "ease/manifest.json does not exist"),
        (["promote", "--bundle", "gone"], "gone/manifest.json does not exist"),
    ],
)
def test_a_command_on_what_no_run_has_made_says_so_and_creates_nothing(tmp_path, monkeypatch, capsys, words, told):
    config = write_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert _run(words[0], config, *words[1:]) == 1
    assert told in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_rollback_in_a_prepared_folder_makes_no_registry(tmp_path, capsys):
    config, out = write_world(tmp_path), tmp_path / "out"
    assert _run("prepare", config, "--output", out) == 0
    before = sorted(out.rglob("*"))
    assert _run("rollback", config, "--output", out) == 1
    assert sorted(out.rglob("*")) == before
    with pytest.raises(rs.PromotionError, match="no model 'tiny' has been registered"):
        rs.load("models:/tiny@champion", tracking_uri=f"sqlite:///{out}/mlflow.db")
    assert sorted(out.rglob("*")) == before
