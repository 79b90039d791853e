"""Reports of engines and of foreign lists, made from Python."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import Request
from recsys.engines.baselines.ease import EASE
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.evaluation.compare import evaluate_engines, evaluate_lists
from recsys.evaluation.report.report import Report
from recsys.ranking import top_k
from recsys.registry.bundle import Bundle

DATA = BlockTaste(users=40, noise=0.3).dataset()
SPLIT = split(DATA)
TRUTH = pd.DataFrame({"user_id": ["a", "a", "b", "c"], "item_id": [1, 2, 1, 9]})


@pytest.fixture(scope="module")
def engines():
    made = {"popularity": Popularity(), "ease": EASE()}
    for engine in made.values():
        engine.fit(DATA, SPLIT.train)
    return made


def lists_of(engine, k):
    request = Request.from_dataset(DATA, SPLIT.test.users, SPLIT.test.history)
    rows, scores = top_k(engine.user_vectors(request), engine.item_vectors(DATA.items), k, request.histories)
    user, place = np.nonzero(rows >= 0)
    ids = DATA.items.vocabulary.ids[rows[user, place]]
    users = DATA.users.vocabulary.ids[SPLIT.test.users[user]]
    return pd.DataFrame({"user_id": users, "item_id": ids, "rank": place + 1, "score": scores[user, place]})


def values(report, name="lists"):
    frame = report.to_frame()
    return frame[frame.engine == name].set_index("metric")["value"]


def test_a_report_of_engines_needs_no_run(engines, tmp_path):
    report = evaluate_engines(engines, DATA, SPLIT, baseline="popularity", ks=(5, 10))
    assert report.content["split"]["protocol"] == "leave_one_out"
    assert set(report.comparisons_frame()["engine"]) == {"ease"}
    assert list(report.comparisons_frame()["metric"]) == ["recall@10", "ndcg@10"]
    assert "ease - popularity, recall@10" in repr(report)
    assert "<table" in report._repr_html_()
    report.save(tmp_path)
    back = Report.load(tmp_path)
    pd.testing.assert_frame_equal(back.to_frame(), report.to_frame())
    np.testing.assert_array_equal(back.users, report.users)
    (tmp_path / "per_user.parquet").rename(tmp_path / "elsewhere.parquet")  # what was loaded stays what it is
    for name, metrics in report.values.items():
        assert list(back.values[name]) == list(metrics)
        for metric, of_users in metrics.items():
            np.testing.assert_array_equal(back.values[name][metric], of_users)
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert len(report.plot().axes) == 2


@pytest.mark.parametrize("damage", [lambda file: file[:-20], lambda file: b"PAR1" + bytes(200) + file[204:]])
def test_a_damaged_table_of_users_is_told_when_the_report_is_loaded(engines, tmp_path, damage):
    evaluate_engines(engines, DATA, SPLIT, ks=(5,)).save(tmp_path)
    table = tmp_path / "per_user.parquet"
    table.write_bytes(damage(table.read_bytes()))
    with pytest.raises(ArtifactError, match=r"(?s)per_user\.parquet cannot be read .*; evaluate again"):
        Report.load(tmp_path)


def test_what_has_no_name_is_shown_without_one():
    data = replace(DATA, name="")
    parts = split(data)
    engine = Popularity().fit(data, parts.train)
    assert repr(data).startswith("Dataset: 40 users")
    assert repr(evaluate_engines(engine, data, parts.test)).startswith("holdout: 40 users")
    assert repr(Bundle(engine, data)) == "Bundle(Popularity())"


def test_one_engine_and_a_holdout_alone_will_do(engines):
    report = evaluate_engines(engines["ease"], DATA, SPLIT.test, ks=(10,))
    assert report.content["split"]["protocol"] == "holdout"
    whole = evaluate_engines(engines["ease"], DATA, SPLIT, ks=(10,))
    pd.testing.assert_frame_equal(report.to_frame(), whole.to_frame())


def test_foreign_lists_have_the_metrics_of_the_engine_that_made_them(engines):
    target = SPLIT.test.targets
    truth = pd.DataFrame(
        {"user_id": DATA.users.vocabulary.ids[target.user], "item_id": DATA.items.vocabulary.ids[target.item]}
    )
    ours = evaluate_engines(engines, DATA, SPLIT, ks=(5, 10))
    shuffled = {name: lists_of(engine, 10).sample(frac=1, random_state=0) for name, engine in engines.items()}
    theirs = evaluate_lists(shuffled, truth, ks=(5, 10))
    pd.testing.assert_frame_equal(theirs.to_frame(), ours.to_frame())
    pd.testing.assert_frame_equal(theirs.comparisons_frame(), ours.comparisons_frame())


def test_metrics_of_lists_are_those_worked_out_by_hand(tmp_path):
    lists = pd.DataFrame({"user_id": ["b", "a", "a", "z"], "item_id": [1, 7, 2, 1], "score": [1.0, 2.0, 0.5, 9.0]})
    report = evaluate_lists(lists, TRUTH, ks=(2,))
    found = values(report)
    # a finds 1 of 2 in the second place, b 1 of 1 in the first, c has no list
    assert found["recall@2"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["mrr@2"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["hit_rate@2"] == pytest.approx(2 / 3)
    assert found["ndcg@2"] == pytest.approx((1 / np.log2(3) / (1 + 1 / np.log2(3)) + 1) / 3)
    report.save(tmp_path)


def test_a_rank_goes_before_a_score_and_row_order_is_the_last_resort():
    frame = pd.DataFrame({"user_id": ["b", "b"], "item_id": [5, 1], "score": [9.0, 1.0], "rank": [2, 1]})
    assert values(evaluate_lists(frame, TRUTH, ks=(1,)))["recall@1"] == pytest.approx(1 / 3)
    for columns in (["user_id", "item_id", "score"], ["user_id", "item_id"]):
        assert values(evaluate_lists(frame[columns], TRUTH, ks=(1,)))["recall@1"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_id": [1, 1]}, "mine lists the item 1 twice for the user b"),
        ({"item_id": ["1", "2"]}, "mine has str in item_id, and truth has int"),
        ({"user_id": [None, "b"]}, "mine has no user_id in row 0"),
        ({"score": [np.nan, 1.0]}, "mine has no score in row 0"),
    ],
)
def test_lists_that_cannot_be_read_are_refused(changes, message):
    frame = pd.DataFrame({"user_id": ["b", "b"], "item_id": [5, 1]} | changes)
    with pytest.raises(DataError, match=message):
        evaluate_lists({"mine": frame}, TRUTH)


def test_a_missing_column_an_unknown_baseline_and_a_bad_length_are_refused():
    frame = pd.DataFrame({"user_id": ["b"], "item_id": [5]})
    with pytest.raises(DataError, match="has no column 'item_id'"):
        evaluate_lists(frame[["user_id"]], TRUTH)
    with pytest.raises(DataError, match="baseline is the text 'x', none of"):
        evaluate_lists(frame, TRUTH, baseline="x")
    with pytest.raises(DataError, match="at least 1"):
        evaluate_lists(frame, TRUTH, ks=(0,))


def test_an_option_of_the_split_is_told_to_be_one(engines):
    with pytest.raises(ConfigError, match=r"rs.split\(..., filter_seen=False\)"):
        evaluate_engines(engines, DATA, SPLIT, filter_seen=False)
    with pytest.raises(ConfigError, match="no option 'basline'; did you mean 'baseline'"):
        evaluate_engines(engines, DATA, SPLIT, basline="ease")


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"user_id": ["a"], "item_id": [3]}, "none of the 4 rows of truth is in a list; where data has the truth"),
        ({"user_id": ["z"], "item_id": [1]}, "no user of truth has a list"),
        ({"user_id": ["a"], "item_id": [1]}, None),
        ({"user_id": ["a"][:0], "item_id": [1][:0]}, None),
    ],
)
def test_lists_without_anything_of_the_truth_are_a_warning_with_the_likely_cause(lists, told, caplog):
    evaluate_lists(pd.DataFrame(lists), TRUTH)
    assert caplog.messages == [] if told is None else told in caplog.text
