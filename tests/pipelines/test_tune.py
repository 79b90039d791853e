"""Tuning on a tiny world: what is tried, what is tried again, what is stopped, and what is left."""

import csv
import json
import time

import pandas as pd
import pytest

from pipelines.commands.tune import TuneOptions, tune
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.config import seconds_of
from recsys.errors import ArtifactError, ConfigError
from recsys.tracking import SilentTracker
from tests.pipelines.test_cli import _exit_code as exit_code
from tests.pipelines.test_run import Ears
from tests.pipelines.world import N_ITEMS, write_world

EASE = "[engines.ease]\nregularization = 1.0\n\n[tune.space.ease]\nregularization = {low = 1, high = 500, log = true}\n"


@pytest.fixture
def path(tmp_path):
    """The config of the tiny world."""
    found = write_world(tmp_path / "world")
    found.write_text(found.read_text().replace("[engines.ease]\nregularization = 1.0\n", EASE))
    return found


@pytest.fixture
def fits(monkeypatch):
    """Records the options of every fit as ``seen``; those numbered in ``stops`` end by Ctrl-C, in ``broken`` fail."""
    from pipelines.commands import tune_worker

    seen, real = [], tune_worker.fit_and_score

    def counted(engine, *rest):
        seen.append(engine.config.model_dump())
        if len(seen) in counted.stops:
            raise KeyboardInterrupt
        if len(seen) in counted.broken:
            raise RuntimeError("no convergence")
        return real(engine, *rest)

    counted.stops, counted.broken = (), ()
    monkeypatch.setattr(tune_worker, "fit_and_score", counted)
    counted.seen = seen
    return counted


def search(path, directory, engines=("ease",), trials=3, tracker=None, **options):
    """Tunes and returns the records of ``trials.json``."""
    config = read_run_config(path)
    tune(config, Workspace(directory), tracker or SilentTracker(), TuneOptions(engines, trials, **options))
    return json.loads((directory / "trials.json").read_text())["trials"]


def drawn(trials):
    return [
        (trial["engine"], trial["options"], trial.get("ndcg@10")) for trial in trials if trial["state"] == "complete"
    ]


def test_the_tuned_config_has_the_best_options_and_runs_as_it_is(path, tmp_path):
    trials = search(path, tmp_path / "tune", ("popularity", "ease"))
    assert [trial["engine"] for trial in trials] == ["popularity"] * 3 + ["ease"] * 3
    best = max((trial for trial in trials if trial["engine"] == "ease"), key=lambda trial: trial["ndcg@10"])
    text = (tmp_path / "tune" / "tuned.toml").read_text()
    assert f"# validation ndcg@10 {best['ndcg@10']:.4f}" in text
    tuned = read_run_config(tmp_path / "tune" / "tuned.toml")
    assert tuned.engines["ease"] == {"regularization": 1.0, **best["options"]}
    given = read_run_config(path)
    assert tuned.model_copy(update={"engines": given.engines}) == given
    assert run_stages(tuned, Workspace(tmp_path / "run"), SilentTracker(), "train") == 0
    with (tmp_path / "tune" / "trials.csv").open() as file:
        assert [row["engine"] for row in csv.DictReader(file)] == [trial["engine"] for trial in trials]
    page = (tmp_path / "tune" / "tuning.html").read_text()
    assert page.count("<figure>") == 4


def test_a_search_that_is_stopped_goes_on_with_the_trial_that_was_stopped(path, tmp_path, fits):
    whole = drawn(search(path, tmp_path / "whole", trials=4))
    fits.seen.clear()
    fits.stops = (3,)
    with pytest.raises(KeyboardInterrupt):
        search(path, tmp_path / "parts", trials=4)
    assert len(drawn(json.loads((tmp_path / "parts" / "trials.json").read_text())["trials"])) == 2
    assert read_run_config(tmp_path / "parts" / "tuned.toml").engines.keys() == {"popularity", "ease"}
    fits.stops = ()
    assert drawn(search(path, tmp_path / "parts", trials=4)) == whole
    assert fits.seen[2] == fits.seen[3]
    assert len(fits.seen) == 5


def test_finished_trials_are_kept_for_the_same_data_code_and_space_alone(path, tmp_path, fits, monkeypatch):
    search(path, tmp_path, trials=2)
    search(path, tmp_path, trials=2)
    assert len(fits.seen) == 2
    path.write_text(path.read_text().replace("high = 500", "high = 50"))
    search(path, tmp_path, trials=2)
    assert len(fits.seen) == 4
    monkeypatch.setattr("pipelines.commands.tune.code_version", lambda *_: "other")
    search(path, tmp_path, trials=2)
    assert len(fits.seen) == 6


def test_the_targets_of_the_test_users_have_no_influence(path, tmp_path):
    before = drawn(search(path, tmp_path / "before", ("popularity", "ease")))
    table = path.parent / "interactions.csv"
    events = pd.read_csv(table)
    last = events.groupby("user_id")["timestamp"].idxmax()
    events.loc[last, "item_id"] = (events.loc[last, "item_id"] + 1) % N_ITEMS  # an item of the other group
    events.to_csv(table, index=False)
    assert drawn(search(path, tmp_path / "after", ("popularity", "ease"))) == before
    tested = [Workspace(tmp_path / name).load_split().test.held_out_fingerprint for name in ("before", "after")]
    assert tested[0] != tested[1]


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(path, tmp_path, fits):
    fits.broken = (2,)
    trials = search(path, tmp_path)
    assert [trial["state"] for trial in trials] == ["complete", "failed", "complete"]
    assert trials[1]["error"] == "RuntimeError: no convergence"


def test_an_engine_without_a_result_keeps_its_options(path, tmp_path, fits):
    fits.broken = (1, 2, 3)
    search(path, tmp_path)
    assert "none of 3 finished trials has a result" in (tmp_path / "tuned.toml").read_text()
    assert read_run_config(tmp_path / "tuned.toml").engines["ease"] == {"regularization": 1.0}


def test_a_trial_of_a_two_tower_engine_is_pruned_by_its_validation_curve(path, tmp_path):
    towers = (
        "[engines.two_tower]\ndim = 8\nn_negatives = 8\nmax_tokens = 64\nepochs = 2\nlayers = 1\nwarmup = 0\n\n"
        "[tune]\nprune_after = 0\n\n[tune.space.two_tower]\n"
        "learning_rate = [0.03, 0.04, 0.05, 1e-7, 2e-7]\n\n[tune.space.ease]"
    )
    path.write_text(path.read_text().replace("[tune.space.ease]", towers))
    trials = search(path, tmp_path, ("two_tower",), trials=6)
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert pruned
    assert all(len(trial["curve"]) <= 2 and "ndcg@10" not in trial for trial in pruned)


def test_a_hybrid_is_tuned_with_the_best_options_of_its_parts(path, tmp_path):
    mixed = '[engines.mixed]\nkind = "hybrid"\nparts = ["ease", "popularity"]\n\n[evaluate]'
    path.write_text(path.read_text().replace("[evaluate]", mixed))
    trials = search(path, tmp_path, ("ease", "mixed"), trials=2)
    assert [trial["engine"] for trial in trials] == ["ease", "ease", "mixed", "mixed"]
    best = max(trials[:2], key=lambda trial: trial["ndcg@10"])["options"] or {"regularization": 1.0}
    saved = json.loads((tmp_path / "parts" / "ease" / "config.json").read_text())
    assert saved["regularization"] == best["regularization"]


def test_tables_are_made_once_and_only_those_that_are_used(path, tmp_path):
    tables = "".join(f'[pretrain.{name}]\nengine = "als"\noptions = {{factors = 4}}\n\n' for name in ("a", "b", "c"))
    knn = '[engines.content_knn]\ntable = "a"\n\n[tune.space.content_knn]\ntable = ["a", "b"]\n\n[evaluate]'
    path.write_text(path.read_text().replace("[evaluate]", tables + knn))
    trials = search(path, tmp_path, ("content_knn",), trials=3)
    assert sorted(table.name for table in (tmp_path / "tables").iterdir() if table.is_dir()) == ["a", "b"]
    assert [trial["options"] for trial in trials] == [{}, {"table": "b"}]


def test_a_budget_of_time_ends_the_search_and_is_not_given_again(path, tmp_path):
    search(path, tmp_path / "imports", ("popularity",), trials=1)
    trials = search(path, tmp_path / "tune", trials=None, budget="2s")
    assert trials
    assert len(search(path, tmp_path / "tune", trials=None, budget="2s")) == len(trials)


@pytest.mark.parametrize("name", ["trials.json", "tuned.toml", "study.db", "tuning.html"])
def test_a_file_of_the_user_is_never_overwritten(path, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ArtifactError, match=rf"{name} was not written by recsys.*choose another --output"):
        search(path, tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[tune.space.ease]\nregularizaton = [1]\n", "did you mean 'regularization'"),
        ("[tune.space.ease]\nregularization = []\n", "regularization"),
        ("[tune.space.ease]\nregularization = [-1]\n", "regularization"),
        ("[tune.space.eas]\nregularization = [1]\n", "tune.space names 'eas'.*did you mean 'ease'"),
        ("[tune.space.ease]\nregularization = {low = 5, high = 1}\n", "low = 5 must be below high = 1"),
        ('[tune]\nbudget = "soon"\n', "no length of time; write such as 90s, 10m"),
        ('[tune]\nmetric = "ndgc@10"\n', "did you mean 'ndcg'"),
    ],
)
def test_a_search_that_cannot_be_is_refused_when_the_config_is_read(tmp_path, section, message):
    path = write_world(tmp_path)
    path.write_text(path.read_text() + section)
    with pytest.raises(ConfigError, match=message):
        read_run_config(path)


@pytest.mark.parametrize("text", ["", "m", "10 minutes", "-5s", "0s"])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(ConfigError, match="budget"):
        seconds_of(text)


def test_the_command_says_what_it_found_and_refuses_an_engine_that_is_none(path, tmp_path, capsys):
    assert exit_code("tune", path, "--engine", "popularity", "--trials", 2, "--output", tmp_path / "t") == 0
    shown = capsys.readouterr()
    assert "popularity  ndcg@10" in shown.out
    assert str(tmp_path / "t" / "tuned.toml") in shown.out
    assert "s left" in shown.err
    assert exit_code("tune", path, "--engine", "popularty", "--output", tmp_path / "t") == 1
    assert "did you mean 'popularity'" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_share_a_search(path, tmp_path):
    trials = search(path, tmp_path, trials=6, jobs=2)
    assert [trial["state"] for trial in trials] == ["complete"] * 6
    assert len({trial["trial"] for trial in trials}) == 6


def test_a_search_ends_after_as_many_trials_without_a_better_one_as_the_patience(path, tmp_path):
    found = search(path, tmp_path / "tune", trials=12, patience=2)
    values = [trial.get("ndcg@10", 0.0) for trial in found]
    best = max(range(len(values)), key=lambda number: (values[number], -number))
    assert len(found) < 12
    assert len(found) == best + 3


def test_the_budget_is_of_the_whole_command_with_its_preparation(path, tmp_path):
    ears = Ears()
    search(path, tmp_path / "tune", trials=None, tracker=ears, budget="50s", started=time.monotonic() - 60)
    assert "tune/ease: its time is over" in "\n".join(ears.heard)
    assert json.loads((tmp_path / "tune" / "trials.json").read_text())["trials"] == []
