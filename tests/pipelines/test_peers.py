"""The rules under which peers are timed and compared."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.benchmarks.peers import accuracy, harness
from pipelines.benchmarks.peers.accuracy import Accuracy, table, trained, values_of
from pipelines.benchmarks.peers.protocol import ndcg_at_10, run, write_lists
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout

NOTHING = Interactions(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32))


def test_ndcg_counts_the_place_of_the_one_wanted_item_and_nothing_after_the_tenth():
    lists = {1: [7, 8, 9], 2: list(range(20))}
    assert ndcg_at_10(lists, {1: 8, 2: 12, 3: 5}) == 1 / math.log2(3) / 3


def test_a_peer_stops_when_its_metric_no_longer_rises(capsys):
    metrics = iter([0.1, 0.3, 0.2, 0.25, 0.4])
    trained = []
    run(epochs=5, seconds=60, patience=2, train=trained.append, validate=lambda: next(metrics))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert trained == [1, 2, 3, 4]
    assert [line["ndcg@10"] for line in lines] == [0.1, 0.3, 0.2, 0.25]


def test_a_peer_stops_when_its_time_is_spent(capsys):
    run(epochs=5, seconds=0, patience=9, train=lambda _: None, validate=lambda: 0.5)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_peer_keeps_its_lists_whenever_it_is_better_than_before():
    metrics, kept = iter([0.1, 0.3, 0.2]), []
    run(3, 60, 9, train=lambda _: None, validate=lambda: next(metrics), keep=lambda: kept.append(1))
    assert len(kept) == 2


def test_lists_of_a_peer_become_a_number_a_test_user(tmp_path):
    write_lists(tmp_path / "lists.csv", {0: [5, 3], 7: [1], 2: list(range(20))})
    found = pd.read_csv(tmp_path / "lists.csv")
    users, targets = np.array([0, 1, 2], np.int32), np.array([3, 4, 12], np.int32)
    holdout = Holdout(users, NOTHING, Interactions(users, targets, np.zeros(3, np.int64), np.ones(3, np.float32)))
    values = values_of(found["user_id"].tolist(), found["item_id"].tolist(), holdout, 20)
    assert values["recall@10"].tolist() == [1, 0, 0]
    assert values["ndcg@10"].tolist() == [1 / math.log2(3), 0, 0]


def test_the_table_tests_ours_against_every_peer_with_one_correction():
    better, worse = np.full(200, 0.5), np.tile([0.0, 0.5], 100)
    results = {
        "peer": Accuracy(
            {"recall@10": worse, "ndcg@10": worse}, [{"epoch": 1, "ndcg@10": 0.2, "cpu_seconds": 3}], "cut"
        ),
        "ours": Accuracy({"recall@10": better, "ndcg@10": better}),
    }
    lines, tests = table(results, "ours", seed=0)
    assert [(test["baseline"], test["metric"]) for test in tests] == [("peer", "recall@10"), ("peer", "ndcg@10")]
    assert all(test["difference"] == 0.25 and test["low"] > 0 for test in tests)
    assert all(test["p_holm"] == 2 * test["p"] for test in tests)
    assert "epoch 1 of 1" in lines[2]
    assert "cut" in lines[2]


def test_a_run_with_given_files_is_exported_with_its_own_split(tmp_path, monkeypatch):
    rows = [(user, item) for user in range(6) for item in range(user, user + 12)]
    for name, wanted in (("train", range(10)), ("test", range(10, 12))):
        lines = [f"{user},{item}" for user, item in rows if item - user in wanted]
        (tmp_path / f"{name}.csv").write_text("user_id,item_id\n" + "\n".join(lines) + "\n")
    files = f'interactions = "{tmp_path}/train.csv"\ntest_interactions = "{tmp_path}/test.csv"'
    config = tmp_path / "given.toml"
    config.write_text(f'name = "given"\n[data]\n{files}\n[split]\nprotocol = "given"\n[engines.popularity]\n')
    monkeypatch.setattr(harness, "FOLDER", tmp_path / "peers")

    folder = harness.export("given", harness.load(config)[2])

    lengths = {name: len(pd.read_csv(folder / f"{name}.csv")) for name in ("train", "validation", "test_histories")}
    assert lengths == {"train": 54, "validation": 6, "test_histories": 60}


def test_a_peer_is_trained_once_for_the_same_files_and_settings(tmp_path, monkeypatch):
    calls = []

    def peer(*arguments):
        calls.append(arguments)
        Path(arguments[arguments.index("--lists") + 1]).write_text(f"user_id,item_id\n0,{len(calls)}\n")
        return [{"epoch": 1, "cpu_seconds": seconds, "ndcg@10": 0.1}]

    monkeypatch.setattr(accuracy, "peer_lines", peer)
    lists = tmp_path / "rectools.csv"
    for name in ("train", "validation", "test_histories"):
        (tmp_path / f"{name}.csv").write_text("user_id,item_id,position\n")

    seconds = 50.0  # of a limit of 40: cut, and more time would be a longer training
    assert trained("rectools", tmp_path, lists, 40, 5) == trained("rectools", tmp_path, lists, 30, 5)
    assert len(calls) == 1
    assert trained("rectools", tmp_path, lists, 60, 5)["limit"] is None
    trained("rectools", tmp_path, lists, 90, 5)  # it ended by itself: more time changes nothing
    assert len(calls) == 2
    trained("rectools", tmp_path, lists, 90, 6)
    (tmp_path / "train.csv").write_text("user_id,item_id,position\n0,0,0\n")
    trained("rectools", tmp_path, lists, 90, 6)
    assert len(calls) == 4
    lists.write_text("user_id,item_id\n0,7\n")
    assert trained("rectools", tmp_path, lists, 90, 6)
    assert len(calls) == 5


def test_a_peer_that_fails_leaves_what_was_trained_before(tmp_path, monkeypatch):
    lists = tmp_path / "rectools.csv"
    for name in ("train", "validation", "test_histories"):
        (tmp_path / f"{name}.csv").write_text("user_id,item_id,position\n")

    def peer(*arguments):
        Path(arguments[arguments.index("--lists") + 1]).write_text("user_id,item_id\n")
        return [{"epoch": 1, "cpu_seconds": 50.0, "ndcg@10": 0.1}]

    def dies(*arguments):
        Path(arguments[arguments.index("--lists") + 1]).write_text("user_")
        raise RuntimeError

    monkeypatch.setattr(accuracy, "peer_lines", peer)
    before = trained("rectools", tmp_path, lists, 40, 5)
    monkeypatch.setattr(accuracy, "peer_lines", dies)
    with pytest.raises(RuntimeError):
        trained("rectools", tmp_path, lists, 60, 5)
    assert trained("rectools", tmp_path, lists, 40, 5) == before
