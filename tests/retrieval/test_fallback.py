"""Nobody gets an empty list: popularity by segment, for users of whom an engine knows nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.synthetic.worlds import BlockTaste
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.engine import Request, Vectors
from recsys.engines.baselines.ease import EASE
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ArtifactError, DataError
from recsys.ranking import top_k
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.frames import recommend
from recsys.retrieval.manifest import Manifest, read_recommendations
from recsys.retrieval.recommend import recommend as recommend_all
from recsys.retrieval.retriever import Retriever
from recsys.retrieval.segments import Segmentation, SegmentColumn
from tests.retrieval.conftest import digests

WORLD = BlockTaste(users=60, new_items=3)
FULL = WORLD.dataset()
COLD = np.arange(50, 60)
DATA = replace(FULL, interactions=FULL.interactions.select(FULL.interactions.user < 50))
"""The users ``COLD`` have columns and no interactions; three items have no interactions."""
COLD_IDS = DATA.users.vocabulary.ids[COLD].tolist()


@pytest.fixture(scope="module")
def ease():
    return EASE().fit(DATA)


@pytest.fixture(scope="module")
def fallback():
    return Fallback.fit(DATA)


def of_columns(columns, kinds, interactions, n_items=4):
    """A dataset with the given columns of users."""
    frame = pd.DataFrame(columns)
    users = EntityTable(Vocabulary(np.arange(len(frame))), frame, Schema.of(kinds))
    return Dataset("columns", users, EntityTable.bare(Vocabulary(np.arange(n_items))), interactions, False)


def in_blocks(n_users=400, blocks=2, per_user=3, seed=0):
    """Users of each block choose among its ten items."""
    rng = np.random.default_rng(seed)
    block = rng.integers(blocks, size=n_users)
    user = np.repeat(np.arange(n_users), per_user)
    item = np.concatenate([rng.choice(10, per_user, replace=False) for _ in range(n_users)]) + 10 * block[user]
    return block, Interactions.of(user, item)


def ranked(fallback, data, users, k=5):
    request = Request(data.users.take(users), data.items, Histories.of([[]] * len(users)))
    return top_k(fallback.user_vectors(request), fallback.item_vectors(data.items), k)


def test_a_score_is_the_interpolation_of_overall_popularity_and_that_of_the_segment():
    events = Interactions.of(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 0, 1, 2, 3]))
    data = of_columns({"city": ["a", "a", "b"]}, {"city": "categorical"}, events)
    counted = Fallback.fit(data)
    city = SegmentColumn("city", "categorical", values=("a", "b"))
    segments = Segmentation((city,), (2.0,), (0.75,))
    counts = city.shares_of(data.users).T @ events.to_csr(3, 4)
    made = replace(counted, segmentation=segments, counts=counts.astype(np.float32).tocsr())
    rows, scores = ranked(made, data, np.array([0]), k=4)
    q, h = np.array([2, 2, 1, 1]) / 6, np.array([2, 1, 0, 0])
    expected = 0.25 * q + 0.75 * (h + 2 * q) / (3 + 2)
    assert counted.columns == ()
    np.testing.assert_allclose(scores[0], np.sort(expected)[::-1], rtol=1e-6)
    assert rows[0].tolist() == [0, 1, 2, 3]


def test_the_column_that_tells_what_users_choose_is_found_and_noise_is_not():
    block, events = in_blocks()
    rng = np.random.default_rng(1)
    columns = {
        "street": [f"street {n}" for n in range(400)],
        "colour": rng.choice(["red", "green", "blue"], 400),
        "height": rng.normal(size=400),
        "team": np.where(block == 0, "north", "south"),
        "constant": ["one"] * 400,
    }
    kinds = {"street": "categorical", "colour": "categorical", "height": "numeric", "team": "categorical"}
    data = of_columns(columns, {**kinds, "constant": "categorical"}, events, n_items=20)
    assert Fallback.fit(data).columns == ("team",)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [("categorical", ["north", "south"]), ("tags", ["north|x", "south|x"]), ("numeric", [1.5, 40.0])],
)
def test_users_of_a_segment_get_what_its_users_choose_whatever_the_kind_of_the_column(kind, cells):
    block, events = in_blocks()
    data = of_columns({"segment": [cells[b] for b in block]}, {"segment": kind}, events, n_items=20)
    rows, _ = ranked(Fallback.fit(data), data, np.array([0, 1, 2, 3]), k=10)
    assert (rows // 10 == block[:4, None]).all()


def test_two_columns_that_tell_something_both_count():
    first, events = in_blocks()
    second, others = in_blocks(seed=5)
    both = events.joined(replace(others, item=others.item + 20))
    columns = {"one": np.where(first == 0, "a", "b"), "two": np.where(second == 0, "c", "d")}
    data = of_columns(columns, dict.fromkeys(columns, "categorical"), both, n_items=40)
    made = Fallback.fit(data)
    rows, _ = ranked(made, data, np.array([0]), k=20)
    assert made.columns == ("one", "two")
    assert set(rows[0] // 10) == {first[0], second[0] + 2}


@pytest.mark.parametrize("cell", [None, "never heard of"])
def test_a_missing_or_unknown_value_gets_overall_popularity(fallback, cell):
    frame = DATA.users.columns.iloc[:1].assign(team=pd.Series([cell], dtype="str"))
    users = EntityTable(Vocabulary.of(["new"]), frame, DATA.users.schema)
    request = Request(users, DATA.items, Histories.of([[]]))
    rows, scores = top_k(fallback.user_vectors(request), fallback.item_vectors(DATA.items), 27)
    popularity = DATA.interactions.item_counts(27)
    assert popularity[rows[0]].tolist() == sorted(popularity.tolist(), reverse=True)
    np.testing.assert_allclose(scores.sum(), 1, rtol=1e-5)


def test_values_of_few_users_are_one_segment_to_which_unknown_values_belong():
    block, events = in_blocks()
    names = np.where(block == 0, "common", [f"rare {n}" for n in range(400)])
    data = of_columns({"team": names}, {"team": "categorical"}, events, n_items=20)
    made = Fallback.fit(data)
    strange = replace(data, users=replace(data.users, columns=pd.DataFrame({"team": ["new"] * 400})))
    rows, _ = ranked(made, strange, np.array([0]), k=10)
    assert (rows >= 10).all()


def test_a_saved_fallback_ranks_as_before_and_a_damaged_one_is_refused(tmp_path, fallback):
    fallback.save(tmp_path / "fallback")
    loaded = Fallback.load(tmp_path / "fallback")
    for before, after in zip(ranked(fallback, DATA, COLD), ranked(loaded, DATA, COLD), strict=True):
        assert np.array_equal(before, after)
    assert loaded.fingerprint == fallback.fingerprint
    (tmp_path / "fallback" / "counts.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="does not hold a fallback"):
        Fallback.load(tmp_path / "fallback")


def test_a_dataset_without_interactions_has_a_fallback_too():
    data = replace(DATA, interactions=Interactions.empty())
    rows, scores = ranked(Fallback.fit(data), data, COLD[:1], k=3)
    assert rows.tolist() == [[0, 1, 2]]
    assert scores.tolist() == [[0, 0, 0]]


def lists_of(engine, fallback, users, k, candidates=None, filter_seen=True):
    retriever = Retriever(engine, DATA.items, candidates=candidates, fallback=lambda: fallback)
    return retriever.top_k(Request.from_dataset(DATA, users), k, filter_seen)


def test_a_user_without_a_vector_gets_the_items_of_the_own_segment(ease, fallback):
    lists = lists_of(ease, fallback, COLD, k=6)
    assert lists.fallback.all()
    assert (lists.rows % 2 == COLD[:, None] % 2).all()


def test_lists_are_filled_with_all_that_is_eligible_below_what_the_engine_ranks(ease, fallback):
    everyone, n_items = np.arange(DATA.n_users), DATA.n_items
    lists = lists_of(ease, fallback, everyone, k=n_items)
    own = top_k(ease.user_vectors(Request.from_dataset(DATA, everyone)), ease.item_vectors(DATA.items), n_items)[0]
    seen = DATA.interactions.user_counts(DATA.n_users)
    assert ((lists.rows != MISSING).sum(1) == n_items - seen).all()
    for user in everyone:
        known = lists.rows[user][lists.rows[user] != MISSING]
        assert len(set(known)) == len(known)
        assert not set(known) & set(DATA.interactions.item[DATA.interactions.user == user])
        kept = known[~lists.fallback[user][: len(known)]]
        assert kept.tolist() == [item for item in own[user] if item in set(known) and item < WORLD.items]
        assert (np.diff(lists.scores[user][: len(known)]) <= 0).all()


def test_candidates_bound_the_fallback_and_seen_items_come_when_they_are_not_filtered(ease, fallback):
    candidates = np.array([0, 3, 25])
    lists = lists_of(ease, fallback, np.array([0, 55]), k=5, candidates=candidates, filter_seen=False)
    assert [sorted(set(row) - {MISSING}) for row in lists.rows.tolist()] == [[0, 3, 25]] * 2
    assert lists.fallback[1, :3].all()


class Learned:
    """Gives everybody a vector: by the history, by the column ``team`` if it is used, or a learned default."""

    kind = "learned"

    def __init__(self, uses_team):
        self.uses_team = uses_team

    def user_vectors(self, request):
        dense = request.histories.to_csr(len(request.items)).toarray() + 0.5
        if self.uses_team:
            dense[:, 0] += request.users.columns["team"].notna().to_numpy()
        return Vectors(dense)

    def item_vectors(self, items, at=None):
        return Vectors(np.eye(len(items), dtype=np.float32))


def test_a_default_vector_is_no_knowledge_and_features_that_the_engine_uses_are(fallback):
    users = np.array([0, 55])
    assert lists_of(Learned(uses_team=False), fallback, users, k=3).fallback.all(axis=1).tolist() == [False, True]
    assert not lists_of(Learned(uses_team=True), fallback, users, k=3).fallback.any()


def test_an_engine_that_ranks_alike_for_all_is_not_replaced(fallback):
    lists = lists_of(Popularity().fit(DATA), fallback, COLD, k=4)
    assert not lists.fallback.any()


def test_a_batch_gives_cold_users_k_items_and_marks_and_counts_them(tmp_path, ease, fallback):
    options = RecommendOptions(k=5, shard_size=16)
    manifest = recommend_all(ease, DATA, tmp_path, options, fallback=fallback)
    table = read_recommendations(tmp_path)
    marked = table.groupby("user_id")["fallback"].all()
    assert marked[marked].index.tolist() == COLD_IDS
    assert (table.groupby("user_id").size() == 5).all()
    assert (manifest.fallback_users, manifest.topped_up_users, manifest.users_without) == (10, 0, 0)
    assert Manifest.load(tmp_path) == manifest


def test_a_fallback_changes_nothing_for_known_users_and_without_one_the_schema_is_as_before(tmp_path, ease, fallback):
    options = RecommendOptions(k=5, shard_size=16)
    recommend_all(ease, DATA, tmp_path / "with", options, fallback=fallback)
    recommend_all(ease, DATA, tmp_path / "without", options)
    schema = pq.read_schema(tmp_path / "without" / "part-00000.parquet")
    columns = ["user_id", "item_id", "rank", "score"]
    assert schema.names == columns
    found = read_recommendations(tmp_path / "with")
    known = found[~found["fallback"]].reset_index(drop=True)
    assert known[columns].equals(read_recommendations(tmp_path / "without"))


def test_a_batch_counts_lists_that_were_filled_up(tmp_path, ease, fallback):
    manifest = recommend_all(ease, DATA, tmp_path, RecommendOptions(k=20), fallback=fallback)
    table = read_recommendations(tmp_path, ["u000"])
    assert (manifest.fallback_users, manifest.topped_up_users) == (10, 50)
    assert table["fallback"].tolist() == [False] * 17 + [True] * 3
    assert set(table["item_id"][17:]) == {124, 125, 126}


def test_another_fallback_starts_a_batch_anew_and_the_same_one_keeps_its_bytes(tmp_path, ease, fallback):
    options = RecommendOptions(k=5)
    recommend_all(ease, DATA, tmp_path, options, fallback=fallback)
    before = digests(tmp_path)
    recommend_all(ease, DATA, tmp_path, options, fallback=Fallback.fit(DATA))
    assert digests(tmp_path) == before
    other = Fallback.fit(FULL)
    recommend_all(ease, DATA, tmp_path, options, fallback=other)
    assert digests(tmp_path) != before


def test_data_frames_have_k_rows_for_everybody_and_name_the_users_of_the_fallback(ease):
    found = recommend(ease, DATA, k=5)
    assert (found.groupby("user_id").size() == 5).all()
    assert found["user_id"].nunique() == DATA.n_users
    assert found.attrs["fallback_from"] == dict.fromkeys(COLD_IDS, 1)
    topped_up = recommend(ease, DATA, ["u000"], k=20)
    assert topped_up.attrs["fallback_from"] == {"u000": 18}


def test_an_empty_history_gets_a_list(ease):
    found = recommend(ease, DATA, histories=[[], [100]], k=4)
    assert found["user_id"].tolist() == [0] * 4 + [1] * 4
    assert found.attrs["fallback_from"] == {0: 1}


def test_attributes_of_an_unknown_user_come_with_the_request(ease):
    users = pd.DataFrame({"user_id": ["ann", "bob", "u000", "cy"], "team": ["north", "east", None, "unheard of"]})
    found = recommend(ease, DATA, users, k=5)
    by_user = {user: lists.to_numpy() % 2 for user, lists in found.groupby("user_id")["item_id"]}
    assert by_user["ann"].tolist() == [0] * 5
    assert by_user["bob"].tolist() == [1] * 5
    assert len(by_user["cy"]) == 5
    assert list(found.attrs["fallback_from"]) == ["ann", "bob", "cy"]
    known = recommend(ease, DATA, ["u000"], k=5)
    assert found[found["user_id"] == "u000"]["item_id"].tolist() == known["item_id"].tolist()


def test_an_engine_sees_the_given_attributes_and_histories():
    class Teams(Learned):
        def user_vectors(self, request):
            self.seen = request
            return super().user_vectors(request)

    engine = Teams(uses_team=True)
    users = pd.DataFrame({"user_id": ["u001", "new"], "age": ["31", None], "team": [None, "east"]})
    recommend(engine, DATA, users, histories=[[100], [101, 102]], k=3)
    assert engine.seen.users.columns["age"].tolist()[0] == 31
    assert engine.seen.users.columns["team"].tolist() == ["east", "east"]
    assert engine.seen.histories.items.tolist() == [0, 1, 2]
    assert set(engine.seen.users.vocabulary.ids) & set(DATA.users.vocabulary.ids) == {"u001"}


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ({"team": ["north"]}, "users lack the column 'user_id'"),
        ({"user_id": ["ann"], "teem": ["north"]}, r"no column 'teem'; did you mean 'team'\?"),
        ({"user_id": ["ann", "ann"]}, "the user 'ann' twice"),
        ({"user_id": ["ann"], "age": ["old"]}, r"users, column 'age', row.* 1.*'old'"),
        ({"user_id": [7]}, "user ids are 7, and those of the data like 'u000'"),
    ],
)
def test_a_frame_of_users_that_cannot_be_read_says_why(ease, users, message):
    with pytest.raises(DataError, match=message):
        recommend(ease, DATA, pd.DataFrame(users))


def test_a_loaded_bundle_falls_back_without_data(tmp_path, ease):
    Bundle(ease, DATA, keep_histories=False).save(tmp_path / "bundle")
    bundle = Bundle.load(tmp_path / "bundle")
    assert not len(bundle.data.interactions)
    found = recommend(bundle, bundle.data, pd.DataFrame({"user_id": ["ann"], "team": ["north"]}), k=5)
    assert (found["item_id"] % 2 == 0).all()
    assert found.attrs["fallback_from"] == {"ann": 1}
