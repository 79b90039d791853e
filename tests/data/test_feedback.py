"""Likes and what is none: thresholds, dislikes, removals, decay, and what the seen filter and engines know of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recsys as rs
from recsys.data.dataset import Dataset
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.data.feedback.likes import known_by_then, learned_negatives
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.validate import to_text, validate
from recsys.data.interactions import Interactions
from recsys.data.merge import merged
from recsys.data.splits.split import Split
from recsys.engine import Request
from recsys.engines.baselines.ease import EASE
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.registry.bundle import Bundle, Lineage
from recsys.retrieval.retriever import seen_items

DAY = 86_400


@pytest.fixture
def read(tmp_path):
    def reading(rows, header="user_id,item_id,timestamp,rating", **options):
        path = tmp_path / "x.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return ingest(DataConfig.model_validate({"interactions": path, **options})).data

    return reading


def pairs(x: Interactions, data: Dataset) -> list[tuple[object, object]]:
    users, items = data.users.vocabulary.ids, data.items.vocabulary.ids
    return [(users[u].item(), items[i].item()) for u, i in zip(x.user, x.item, strict=True)]


RATED = {"columns": {"weight": "rating"}, "positive_from": 4}
RATINGS = ["1,10,100000000,5", "1,11,100000001,2", "1,12,100000002,4", "2,10,100000003,0", "2,11,100000004,4.5"]


def test_ratings_below_the_threshold_are_no_interactions_and_stay_seen(read):
    data = read(RATINGS, **RATED)
    assert sorted(pairs(data.interactions, data)) == [(1, 10), (1, 12), (2, 11)]
    assert sorted(pairs(data.non_likes, data)) == [(1, 11), (2, 10)]
    assert (data.non_likes.weight == 0).all()
    request = Request.from_dataset(data, np.array([0, 1]))
    assert request.histories.lengths.tolist() == [2, 1]
    assert seen_items(request).lengths.tolist() == [3, 2]


def test_ratings_below_the_threshold_are_negatives_by_option(read):
    data = read(RATINGS, **RATED, non_likes="negatives")
    assert (data.non_likes.weight == 1).all()


def test_no_list_holds_an_item_that_its_user_did_not_like(read):
    rng = np.random.default_rng(0)
    rows = [f"{u},{i},{100_000_000 + n},{1 + (u + i) % 5}" for n, (u, i) in enumerate(rng.integers(0, 12, (300, 2)))]
    data = read(rows, **RATED, duplicates="first")
    disliked = set(pairs(data.non_likes, data))
    lists = rs.recommend(EASE().fit(data), data, k=12)
    assert disliked
    assert not disliked & set(zip(lists["user_id"], lists["item_id"], strict=True))
    kept = rs.recommend(EASE().fit(data), data, k=12, filter_seen=False)
    assert disliked & set(zip(kept["user_id"], kept["item_id"], strict=True))


@pytest.mark.parametrize("weight", ["0", "-1"])
def test_weights_of_zero_and_below_are_an_error_that_names_the_option(read, weight):
    with pytest.raises(DataError, match=r"row 2: the weight .* is not positive; set data\.positive_from"):
        read(
            ["1,10,100000000,5", f"1,11,100000001,{weight}"],
            header="user_id,item_id,timestamp,rating",
            columns=RATED["columns"],
        )
    assert len(read([*RATINGS, f"3,10,100000009,{weight}"], **RATED).non_likes) == 3


def test_a_table_without_any_like_is_an_error(read):
    with pytest.raises(DataError, match="no row is a like"):
        read(RATINGS, header="user_id,item_id,timestamp,rating", **{**RATED, "positive_from": 9})


def test_a_threshold_without_weights_is_an_error(read):
    with pytest.raises(ValueError, match=r"data\.columns\.weight"):
        read(RATINGS, positive_from=4)


MEANING = {"columns": {"event": "what", "event_meaning": {"buy": "like", "hate": "dislike", "drop": "removal"}}}


@pytest.mark.parametrize(
    ("events", "likes", "others"),
    [
        (["buy", "drop"], 0, 1),
        (["buy", "hate"], 0, 1),
        (["hate", "buy"], 1, 0),
        (["buy", "drop", "buy"], 1, 0),
        (["drop"], 0, 1),
        (["buy", "buy"], 2, 0),
    ],
)
def test_a_dislike_or_removal_takes_earlier_likes_back_and_a_later_like_stands(read, events, likes, others):
    rows = [f"1,10,{100_000_000 + n},{event}" for n, event in enumerate(events)]
    data = read([*rows, "2,11,100000000,buy"], header="user_id,item_id,timestamp,what", **MEANING)
    assert (len(data.interactions) - 1, len(data.non_likes)) == (likes, others)


def test_removed_items_are_never_negatives_and_disliked_ones_are_by_option(read):
    rows = ["1,10,100000000,drop", "1,11,100000001,hate", "1,12,100000002,buy"]
    data = read(rows, header="user_id,item_id,timestamp,what", **MEANING, non_likes="negatives")
    found = dict(zip(pairs(data.non_likes, data), data.non_likes.weight.tolist(), strict=True))
    assert found == {(1, 10): 0.0, (1, 11): 1.0}


def test_a_later_lower_rating_replaces_a_like_and_a_later_view_takes_no_purchase_back(read):
    assert not len(
        read(["1,10,100000000,5", "1,10,100000001,2", "2,10,100000001,5"], **RATED).interactions.select(slice(1, None))
    )
    columns = {"event": "what", "event_weights": {"view": 0.5, "buy": 3}}
    rows = ["1,10,100000000,buy", "1,10,100000001,view"]
    data = read(rows, header="user_id,item_id,timestamp,what", columns=columns, positive_from=1)
    assert (len(data.interactions), len(data.non_likes)) == (1, 0)


def test_weights_decay_by_age(read):
    rows = [f"1,{item},{100_000_000 + DAY * day},2" for item, day in ((10, 0), (11, 10), (12, 20))]
    data = read(rows, header="user_id,item_id,timestamp,rating", columns={"weight": "rating"}, half_life_days=10)
    assert data.interactions.weight.tolist() == [0.5, 1.0, 2.0]


def test_a_decay_needs_a_time(read):
    with pytest.raises(DataError, match=r"half_life_days needs an age.*data\.columns\.time"):
        read(["1,10", "1,11"], header="user_id,item_id", half_life_days=3)


def test_what_was_disliked_after_the_prediction_is_not_known_to_it():
    history = Interactions.of(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([1, 5, 2]))
    feedback = Interactions.of(np.array([0, 0, 1, 2]), np.array([2, 3, 2, 2]), np.array([4, 6, 3, 0]))
    assert known_by_then(feedback, history, 3).item.tolist() == [2]
    assert known_by_then(feedback, history, 3).user.tolist() == [0]
    assert learned_negatives(feedback, history, 3, 4).item.tolist() == []  # item 2 has no interaction in train


def test_splits_and_datasets_and_bundles_keep_what_is_no_like(read, tmp_path):
    data = read([*RATINGS, "1,13,100000009,5", "1,14,100000010,5"], **RATED)
    data.save(tmp_path / "data")
    assert Dataset.load(tmp_path / "data").fingerprint == data.fingerprint
    split = rs.split(data)
    assert split.test.also_seen.item.tolist() == [1]
    assert 1 in split.test.seen.items
    split.save(tmp_path / "split")
    back = Split.load(tmp_path / "split")
    assert back.test.also_seen.item.tolist() == [1]
    Bundle(EASE().fit(data), data, Lineage(data.fingerprint)).save(tmp_path / "bundle")
    assert Bundle.load(tmp_path / "bundle").data.non_likes.fingerprint == data.non_likes.fingerprint


def test_in_python_the_options_of_reading_are_those_of_the_config():
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [1, 2, 1], "timestamp": [DAY, DAY, DAY], "stars": [5, 1, 4]})
    data = rs.read_dataset(frame, columns={"weight": "stars"}, positive_from=3, name="n")
    assert (data.name, len(data.interactions), len(data.non_likes)) == ("n", 2, 1)
    with pytest.raises(ConfigError, match="positive_from"):
        rs.read_dataset(frame, columns={"weight": "stars"}, positive_form=3)


SHOP = {"columns": {"weight": "qty"}, "positive_from": 0.5}
SOLD = "user_id,item_id,timestamp,qty"
# user, item, time, quantity; what stands of each sale by hand
TABLE = [
    ("1,10,100000000,1", 1.0),  # of two purchases and one return the first stands
    ("1,10,100000001,1", None),
    ("1,10,100000002,-1", None),
    ("1,11,100000000,3", 2.0),  # of three pieces one went back
    ("1,11,100000001,-1", None),
    ("2,10,100000000,1", None),  # a return of two takes two purchases, the one after it stands
    ("2,10,100000001,1", None),
    ("2,10,100000002,-2", None),
    ("2,10,100000003,1", 1.0),
    ("2,11,100000000,-1", None),  # a return without a purchase
    ("2,12,100000000,1", None),  # bought and returned in one moment
    ("2,12,100000000,-1", None),
    ("3,10,100000000,2", None),  # more comes back than was bought
    ("3,10,100000001,-5", None),
]


def test_a_return_takes_back_as_much_of_the_latest_earlier_purchases(read):
    data = read([row for row, _ in TABLE], SOLD, **SHOP)
    x = data.interactions
    found = [(*pair, weight) for pair, weight in zip(pairs(x, data), x.weight.tolist(), strict=True)]
    wanted = [(*(int(cell) for cell in row.split(",")[:2]), left) for row, left in TABLE if left is not None]
    assert sorted(found) == sorted(wanted)
    assert sorted(pairs(data.non_likes, data)) == [(2, 11), (2, 12), (3, 10)]
    counts = data.feedback
    assert (counts.returns, counts.returned, counts.lessened, counts.unmatched) == (6, 5, 1, 1)


def test_what_returns_took_back_is_told_and_kept_with_the_dataset(read, tmp_path):
    data = read([row for row, _ in TABLE], SOLD, **SHOP)
    told = "6 returns took back 5 purchases and a part of 1 more; 1 found no earlier purchase"
    assert list(data.feedback.sentences()) == [told]
    found = validate(DataConfig.model_validate({"interactions": tmp_path / "x.csv", **SHOP}))
    assert told in to_text(found)
    assert "3 likes stand" in to_text(found)
    data.save(tmp_path / "data")
    assert Dataset.load(tmp_path / "data").feedback == data.feedback
    Bundle(EASE().fit(data), data, Lineage(data.fingerprint)).save(tmp_path / "bundle")
    assert Bundle.load(tmp_path / "bundle").data.fingerprint == data.fingerprint


def test_how_many_likes_stand_is_not_told_of_tables_with_errors(tmp_path):
    (tmp_path / "x.csv").write_text("user_id,item_id,timestamp,rating\n1,10,never,5\n1,11,100000001,2\n", "utf-8")
    found = validate(DataConfig.model_validate({"interactions": tmp_path / "x.csv", **RATED}))
    assert found.failed
    assert "likes stand" not in to_text(found)


def test_a_lower_rating_takes_all_earlier_likes_back_and_is_counted(read):
    rows = ["1,10,100000000,5", "1,10,100000001,4", "1,10,100000002,0", "2,10,100000000,5", "2,11,100000000,1"]
    data = read(rows, **RATED)
    assert pairs(data.interactions, data) == [(2, 10)]
    assert list(data.feedback.sentences()) == ["1 dislike, removal or lower rating took back 2 earlier likes"]


def test_without_an_order_returns_take_back_as_much_as_was_returned(read):
    data = read(["1,10,1", "1,10,1", "1,10,-1", "2,10,1"], "user_id,item_id,qty", **SHOP, duplicates="keep")
    assert sorted(pairs(data.interactions, data)) == [(1, 10), (2, 10)]


def test_what_is_no_like_is_dropped_by_option_and_still_takes_likes_back(read):
    rows = ["1,10,100000000,5", "1,10,100000001,2", "1,11,100000001,1", "2,10,100000000,5"]
    data = read(rows, **RATED, non_likes="drop")
    assert pairs(data.interactions, data) == [(2, 10)]
    assert len(data.non_likes) == 0
    assert seen_items(Request.from_dataset(data, np.array([0, 1]))).lengths.tolist() == [0, 1]


LATER = [
    ("append", ["1,10,1,1", "1,10,2,1"], ["1,10,3,-1", "9,10,9,1"], {(1, 10, 1): 1.0}),
    ("append", ["1,10,1,3"], ["1,10,3,-1", "9,10,9,1"], {(1, 10, 1): 2.0}),
    ("append", ["1,10,1,1"], ["1,10,3,-1", "1,10,4,1", "9,10,9,1"], {(1, 10, 4): 1.0}),
    ("append", ["1,10,1,1", "1,10,2,1", "1,10,3,-1"], ["1,10,3,-1", "9,10,9,1"], {(1, 10, 1): 1.0}),  # told twice
    ("append", ["1,10,1,1", "1,10,2,-1", "8,10,1,1"], ["1,10,1,1", "1,10,2,-1", "9,10,9,1"], {(8, 10, 1): 1.0}),
    ("append", ["1,10,1,3"], ["1,10,1,3", "1,10,2,-1", "9,10,9,1"], {(1, 10, 1): 2.0}),  # the files overlap
    ("append", ["1,10,1,1"], ["1,10,2,3", "1,10,3,-1", "9,10,9,1"], {(1, 10, 1): 1.0, (1, 10, 2): 2.0}),
    ("append", ["1,10,1,1"], ["1,10,2,1", "1,10,3,-2", "9,10,9,1"], {}),
    ("replace", ["1,10,1,1", "1,10,2,1"], ["1,10,1,1", "1,10,2,1", "1,10,3,-1", "9,10,9,1"], {(1, 10, 1): 1.0}),
]


@pytest.mark.parametrize(("mode", "before", "after", "left"), LATER)
def test_a_return_in_newer_data_takes_back_purchases_of_the_older(read, mode, before, after, left):
    old, new = read(before, SOLD, **SHOP), read(after, SOLD, **SHOP)
    data, fresh = merged(old, new, mode, positive_from=0.5)
    x = data.interactions
    times = zip(pairs(x, data), x.time.tolist(), x.weight.tolist(), strict=True)
    assert {(*pair, time): weight for pair, time, weight in times} == left | {(9, 10, 9): 1.0}
    assert len(fresh) == len(x)
    assert not set(pairs(data.non_likes, data)) & set(pairs(x, data))
    again, _ = merged(data, new, mode, positive_from=0.5)
    assert again.interactions.fingerprint == x.fingerprint


def test_a_lower_rating_in_newer_data_takes_an_older_like_back(read):
    old, new = read(RATINGS, **RATED), read(["1,10,100000009,1", "2,10,100000009,5"], **RATED)
    data, _ = merged(old, new)
    assert sorted(pairs(data.interactions, data)) == [(1, 12), (2, 10), (2, 11)]
    assert (1, 10) in pairs(data.non_likes, data)
    assert data.feedback.withdrawn == 1


def test_a_return_in_newer_data_takes_back_a_part_of_a_purchase_that_has_decayed(read, tmp_path):
    decay = {**SHOP, "half_life_days": 2}
    read([f"1,10,{n * DAY},4" for n in range(1, 4)], SOLD, **decay).save(tmp_path / "old")
    new = read([f"1,10,{5 * DAY},-3", f"2,10,{7 * DAY},1"], SOLD, **decay)
    data, _ = merged(Dataset.load(tmp_path / "old"), new)
    assert data.interactions.time.tolist() == [DAY, 2 * DAY, 3 * DAY, 7 * DAY]
    assert data.interactions.weight.tolist() == pytest.approx([4 / 8, 4 / 8 * 0.5**-0.5, 1 / 4, 1])
    again, _ = merged(data, new)
    assert again.interactions.weight.tolist() == pytest.approx(data.interactions.weight.tolist())


BOUGHT = st.tuples(st.integers(1, 3), st.integers(10, 12), st.sampled_from([-3, -2, -1, -0.5, 0.5, 1, 2, 3]))


def weights(data: Dataset) -> dict[tuple[object, ...], float]:
    x = data.interactions
    keys = zip(pairs(x, data), x.time.tolist(), strict=True)
    return {(*pair, time): weight for (pair, time), weight in zip(keys, x.weight.tolist(), strict=True)}


@pytest.mark.parametrize("half_life_days", [None, 0.3])
@settings(max_examples=8, deadline=None)
@given(bought=st.lists(BOUGHT, max_size=12), cut=st.integers(0, 12), gap=st.integers(1, 5 * DAY))
def test_merging_old_and_newer_data_equals_preparing_all_of_it_at_once(half_life_days, bought, cut, gap):
    rows = [
        (*row, 100_000_000 + n * gap) for n, row in enumerate([*bought[:cut], (8, 10, 1), *bought[cut:], (9, 10, 1)])
    ]
    at = min(cut, len(bought)) + 1

    def made(part):
        frame = pd.DataFrame(part, columns=["user_id", "item_id", "qty", "timestamp"])
        return rs.read_dataset(frame, half_life_days=half_life_days, name="n", **SHOP)

    whole, (data, _) = made(rows), merged(made(rows[:at]), made(rows[at:]), positive_from=0.5)
    assert weights(data) == pytest.approx(weights(whole), rel=1e-5)
    assert set(pairs(data.non_likes, data)) == set(pairs(whole.non_likes, whole))
    assert data.decay == whole.decay


def test_fine_tuning_goes_by_the_half_life_that_the_newer_data_is_read_with(read):
    old, new = ["1,10,100000000,4", f"1,11,{100_000_000 + DAY},1"], [f"2,10,{100_000_000 + 2 * DAY},1"]
    data, _ = merged(read(old, SOLD, **SHOP, half_life_days=1), read(new, SOLD, **SHOP, half_life_days=2))
    assert data.interactions.weight.tolist() == pytest.approx([2, 0.5**0.5, 1])
    data, _ = merged(read(old, SOLD, **SHOP, half_life_days=1), read(new, SOLD, **SHOP))
    assert data.interactions.weight.tolist() == pytest.approx([4, 1, 1])


def test_a_test_file_and_the_train_file_count_ages_from_one_moment(read, tmp_path):
    (tmp_path / "later.csv").write_text(f"{SOLD}\n1,11,{100_000_000 + DAY},1\n", encoding="utf-8")
    files = {"test_interactions": tmp_path / "later.csv", "half_life_days": 1}
    data = read(["1,10,100000000,1"], SOLD, **SHOP, **files)
    assert data.interactions.weight.tolist() == [0.5, 1]
    assert data.given_files[0].weight.tolist() == [1]


@pytest.mark.parametrize("text", ['{"half_life_days": 0, "newest": 3}', '{"half_life_days": 1e999, "newest": 3}', "{}"])
def test_a_decay_that_is_damaged_on_disk_is_refused(read, tmp_path, text):
    read(RATINGS, **RATED, half_life_days=3).save(tmp_path / "data")
    (tmp_path / "data" / "decay.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"decay\.json"):
        Dataset.load(tmp_path / "data")


def test_event_types_that_are_no_likes_by_their_names_are_told_until_the_config_says_what_they_mean(tmp_path):
    kinds = ["play", "skip", "unfollow", "play", "NOT_INTERESTED"]
    rows = "".join(f"{n},{n},{kind}\n" for n, kind in enumerate(kinds))
    (tmp_path / "x.csv").write_text("user_id,item_id,event\n" + rows, encoding="utf-8")

    def told(**columns):
        given = {"interactions": tmp_path / "x.csv", "columns": columns}
        issues = validate(DataConfig.model_validate(given))
        return [((i.rows + 1).tolist(), i.remedy) for i in issues if i.column == "event" and "as likes" in i.found]

    [(rows, remedy)] = told()
    assert rows == [2, 3, 5]
    meaning = '{"NOT_INTERESTED" = "dislike", "skip" = "dislike", "unfollow" = "removal"}'
    assert f'data.columns.event = "event" and data.columns.event_meaning = {meaning}' in remedy
    followed = {"skip": "dislike", "unfollow": "removal", "NOT_INTERESTED": "dislike"}
    found = validate(DataConfig(interactions=tmp_path / "x.csv", columns={"event": "event", "event_meaning": followed}))
    assert not found.failed
    [(rows, _)] = told(event="event", event_weights=dict.fromkeys(kinds, 1), event_meaning={"skip": "like"})
    assert rows == [3, 5]
    assert told(event="event", event_weights={"play": 1}) == []  # which is an error that names them all
    says = {"play": "like", "skip": "like", "unfollow": "removal", "NOT_INTERESTED": "dislike"}
    assert told(event="event", event_meaning=says) == []


def test_likes_that_stand_are_those_that_are_trained_on_where_unknown_ids_are_dropped(tmp_path):
    rows = [(1, 10, 5), (1, 11, 1), (2, 10, 4), (3, 10, 5), (1, 12, 5)]
    lines = "".join(f"{u},{i},{100_000_000 + n},{r}\n" for n, (u, i, r) in enumerate(rows))
    (tmp_path / "x.csv").write_text(f"user_id,item_id,timestamp,rating\n{lines}", "utf-8")
    (tmp_path / "users.csv").write_text("user_id,city\n1,A\n2,B\n", "utf-8")
    (tmp_path / "items.csv").write_text("item_id,kind\n10,a\n11,b\n", "utf-8")
    paths = {"interactions": tmp_path / "x.csv", "users": tmp_path / "users.csv", "items": tmp_path / "items.csv"}
    config = DataConfig.model_validate({**paths, **RATED, "unknown_ids": "drop"})
    told = to_text(validate(config))
    assert f"{len(ingest(config).data.interactions)} likes stand; 2 rows of unknown ids are left out" in told


def test_a_like_of_too_small_a_weight_is_none_where_no_type_is_named():
    types = EventMeanings(positive_from=4)
    assert (types.meaning("rate", 1.0), types.meaning("rate", 5.0), types.meaning("unlike", 5.0)) == (
        "below",
        "like",
        "removal",
    )
