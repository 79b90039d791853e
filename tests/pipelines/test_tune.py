"""Tuning on a tiny world: what is tried again, and among which trials the best is chosen."""

from dataclasses import replace

import pytest

from pipelines.commands.tune import TuneConfig, main, read_tune_config, try_one, tune
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.splits.split import make_split
from recsys.errors import ArtifactError, ConfigError
from tests.pipelines.world import write_world


@pytest.fixture
def config(tmp_path):
    write_world(tmp_path)
    data = DataConfig(name="tiny", interactions=tmp_path / "interactions.csv")
    return TuneConfig(name="tiny", data=data, space={"ease": {"regularization": [1, 500]}})


@pytest.fixture
def tried(monkeypatch):
    """Every trial scores as high as its regularization, without any training."""
    seen = []

    def score(name, options, *_):
        seen.append(options["regularization"])
        return {"engine": name, "options": options, "seconds": 0.0, "ndcg@10": options["regularization"] / 1000}

    monkeypatch.setattr("pipelines.commands.tune.try_one", score)
    return seen


def test_the_best_is_chosen_among_the_values_that_the_search_still_has(config, tried, tmp_path):
    assert tune(config, tmp_path)[0]["options"] == {"regularization": 500}
    narrower = config.model_copy(update={"space": {"ease": {"regularization": [1, 2]}}})
    assert tune(narrower, tmp_path)[0]["options"] == {"regularization": 2}
    assert "regularization = 2\n" in (tmp_path / "tuned.toml").read_text(encoding="utf-8")
    assert sorted(tried) == [1, 2, 500]


@pytest.mark.parametrize("change", ["code", "cell"])
def test_other_code_and_other_cells_are_tried_again(config, tried, tmp_path, monkeypatch, change):
    tune(config, tmp_path)
    if change == "code":
        monkeypatch.setattr("pipelines.commands.tune.code_version", lambda *_: "other")
    else:
        items = tmp_path / "items.csv"
        config = config.model_copy(update={"data": config.data.model_copy(update={"items": items})})
    tune(config, tmp_path)
    assert len(tried) == 4


@pytest.mark.parametrize("name", ["trials.json", "tuned.toml"])
def test_a_file_of_the_user_is_never_overwritten(config, tried, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ArtifactError, match=rf"{name} was not written by recsys.*choose another --output"):
        tune(config, tmp_path)
    assert (tmp_path / name).read_text() == "mine"
    assert not tried
    (tmp_path / name).unlink()
    tune(config, tmp_path)
    tune(config, tmp_path)


def test_data_that_cannot_be_read_end_a_search_with_one_message(tmp_path, monkeypatch):
    path = tmp_path / "tune.toml"
    data = f'[data]\ninteractions = "{tmp_path.as_posix()}/none.csv"\n'
    path.write_text(f'name = "x"\n{data}[space.ease]\nregularization = [1]\n', encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["tune", str(path), "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"error: .*none\.csv"):
        main()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ('[space.two_tower]\ntables = [["text"]]\n', "names tables, and a search pretrains none"),
        ("[space.ease]\nregularization = []\n", "regularization"),
    ],
)
def test_a_space_that_no_trial_can_draw_from_is_refused_before_the_first(tmp_path, space, message):
    path = tmp_path / "tune.toml"
    path.write_text(f'name = "x"\n[data]\ninteractions = "x.csv"\n{space}', encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_tune_config(path)


@pytest.mark.parametrize("filter_seen", [True, False])
def test_trials_are_scored_with_the_seen_filter_of_the_search(config, filter_seen):
    config = config.model_copy(update={"filter_seen": filter_seen})
    data = ingest(config.data).data
    split = make_split(data, config.split, filter_seen=filter_seen)
    again = replace(split, validation=replace(split.validation, targets=split.validation.history))
    found = try_one("ease", {"regularization": 1}, data, again, config)
    assert (found["recall@10"] > 0) == (not filter_seen)
