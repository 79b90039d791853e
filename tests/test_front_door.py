"""The Python interface: `import recsys as rs`."""

import doctest
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.engines import ENGINES

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def data():
    """Forty users who walk around a ring of twelve items, from where they began."""
    rows = [(user, 50 + (user + step) % 12, 1_600_000_000 + 3600 * step) for user in range(40) for step in range(8)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    items = pd.DataFrame({"item_id": range(50, 62), "title": [f"Stop {n}" for n in range(12)], "side": list("ab") * 6})
    return rs.read_dataset(frame, items=items, name="ring")


@pytest.fixture(scope="module")
def split(data):
    return rs.split(data, "leave_one_out")


@pytest.fixture(scope="module")
def sasrec(data, split):
    return rs.SASRec(dim=16, epochs=2, warmup=2).fit(data, split.train, validation=split.validation, seed=1)


@pytest.fixture(scope="module")
def ease(data, split):
    return rs.EASE(decay=0.9, regularization=1).fit(data, split.train)


def test_the_lines_of_the_readme_run_as_they_stand(data, split, ease, sasrec, tmp_path):
    report = rs.evaluate({"ease": ease, "sasrec": sasrec}, data, split.test, baseline="ease")
    assert {"ease", "sasrec"} <= set(report.to_frame()["engine"])
    assert "recall@10" in repr(report)
    assert "<table" in report._repr_html_()
    report.save(tmp_path / "report")
    assert (tmp_path / "report" / "report.json").is_file()
    assert report.plot() is not None
    lists = rs.recommend(sasrec, data, users=[1, 2], k=3)
    assert lists.columns.tolist() == ["user_id", "item_id", "rank", "score"]
    assert lists["user_id"].tolist() == [1, 1, 1, 2, 2, 2]
    anonymous = rs.recommend(sasrec, data, histories=[[50, 51]], k=3, items=None, exclude=[56])
    assert not set(anonymous["item_id"]) & {50, 51, 56}
    assert len(rs.similar_items(sasrec, data, 50, k=5)) == 5
    pairs = pd.DataFrame({"user_id": [1, 2], "item_id": [50, 55]})
    assert rs.score(sasrec, data, pairs)["score"].notna().all()
    assert rs.embeddings(sasrec, data, "items")["item_id"].tolist() == data.items.vocabulary.ids.tolist()
    assert len(rs.embeddings(sasrec, data, "users")) == data.n_users
    rs.Bundle(sasrec, data).save(tmp_path / "bundles" / "sasrec")
    loaded = rs.load(tmp_path / "bundles" / "sasrec")
    pd.testing.assert_frame_equal(rs.recommend(loaded, data, users=[1, 2], k=3), lists)


def test_the_lines_about_other_programs_run_as_they_stand(data, tmp_path, monkeypatch):
    text = (ROOT / "recsys" / "README.md").read_text(encoding="utf-8")
    block = text.split("## Lists and models for other programs", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    monkeypatch.chdir(tmp_path)
    names = {"data": data}
    exec(block.replace('rs.load_dataset("movielens-100k")', "data"), names)
    table = rs.read_recommendations("lists")
    assert table.groupby("user_id").size().tolist() == [4] * data.n_users
    pd.testing.assert_frame_equal(
        rs.recommend(names["bundle"], k=20)[["user_id", "item_id", "rank"]],
        table[["user_id", "item_id", "rank"]],
        check_dtype=False,
    )
    assert rs.read_recommendations("similar")["item_id"].nunique() == data.n_items
    assert (tmp_path / "lists.resp").is_file()
    assert (tmp_path / "exported" / "vectors" / "items_sparse.npz").is_file()


def test_users_none_is_everybody_and_seen_items_are_left_out(data, ease):
    lists = rs.recommend(ease, data, k=2)
    assert lists["user_id"].nunique() == data.n_users
    history = {(user, 50 + (user + step) % 12) for user in range(40) for step in range(8)}
    assert not history & set(zip(lists["user_id"], lists["item_id"], strict=True))


def test_lists_of_any_library_get_the_metrics_of_their_engine(data, split, ease):
    report = rs.evaluate({"ease": ease}, data, split.test, ks=(5,))
    targets = split.test.targets
    truth = pd.DataFrame(
        {"user_id": data.users.vocabulary.ids[targets.user], "item_id": data.items.vocabulary.ids[targets.item]}
    )
    before = rs.Dataset(data.name, data.users, data.items, split.test.history, data.has_timestamps, data.has_order)
    lists = rs.recommend(ease, before, users=truth["user_id"].tolist(), k=5)
    theirs = rs.evaluate_lists({"theirs": lists}, truth, ks=(5,))
    ours = report.to_frame().set_index("metric")["value"]
    found = theirs.to_frame().set_index("metric")["value"]
    for metric in ("recall@5", "ndcg@5"):
        assert np.isclose(found[metric], ours[metric])


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_kind_of_engine_has_a_class_by_its_name(name):
    kind = ENGINES[name]
    assert kind.__name__ in rs.__all__
    assert getattr(rs, kind.__name__) is kind


@pytest.mark.parametrize("name", rs.__all__)
def test_every_name_is_documented_with_an_example_that_runs(name):
    thing = getattr(rs, name)
    assert inspect.getdoc(thing), name
    if isinstance(thing, type) and issubclass(thing, Exception):
        return
    finder = doctest.DocTestFinder(recurse=True)
    module = importlib.import_module(thing.__module__)
    examples = [test for test in finder.find(thing, name, module=module) if test.examples]
    assert examples, f"{name} has no example"


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, recsys; print(sorted(set(sys.modules) & {'torch', 'pandas', 'mlflow', 'numpy', 'scipy'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_costs_under_a_fifth_of_a_second():
    code = "import time, os; t = time.process_time(); import recsys; print(time.process_time() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.2


def test_a_wrong_option_is_the_same_clear_error_as_in_toml():
    with pytest.raises(rs.ConfigError, match="did you mean 'decay'"):
        rs.EASE(decya=0.9)


def test_options_show_in_the_signature_and_in_the_documentation():
    options = inspect.signature(rs.SASRec).parameters
    assert {"dim", "epochs", "learning_rate", "max_history", "device"} <= set(options)
    assert "learning_rate" in (inspect.getdoc(rs.SASRec) or "")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'EASY'"):
        rs.EASY  # noqa: B018


@pytest.mark.slow
def test_the_readme_runs_on_movielens(tmp_path):
    """The code block of the README as it stands."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("```python\n", 1)[1].split("```", 1)[0]
    block = block.replace('rs.load("models:/movielens-100k@champion")', "None")
    script = (
        "import pandas as pd\npairs = pd.DataFrame({'user_id': [1, 2], 'item_id': [50, 181]})\n"
        "lists = pd.DataFrame({'user_id': [1, 1], 'item_id': [50, 181]})\ntruth = lists.head(1)\n" + block
    )
    (tmp_path / "twelve.py").write_text(script, encoding="utf-8")
    data = os.environ.get("RECSYS_DATA_DIR", str(ROOT.parent / "shared" / "data"))
    environment = {**os.environ, "RECSYS_DATA_DIR": data, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "twelve.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bundles" / "sasrec" / "manifest.json").is_file()
