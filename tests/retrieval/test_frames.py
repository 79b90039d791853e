"""Recommendations, scores and neighbours of a fitted engine as DataFrames."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.data.entities import EntityTable
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.data.vocabulary import MISSING, Vocabulary, as_ids
from recsys.engine import Request, Vectors
from recsys.engines.baselines.als import ALS
from recsys.engines.baselines.ease import EASE
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.evaluation.compare import evaluate_lists
from recsys.ranking import top_k
from recsys.registry.bundle import Bundle
from recsys.retrieval.anonymous import with_anonymous
from recsys.retrieval.frames import embeddings, recommend, score, similar_items

DATA = BlockTaste().dataset()


@pytest.fixture(scope="module")
def ease():
    engine = EASE()
    engine.fit(DATA, DATA.interactions)
    return engine


def test_lists_are_those_of_the_ranking_and_leave_out_what_was_seen(ease):
    found = recommend(ease, DATA, k=5)
    request = Request.from_dataset(DATA, np.arange(DATA.n_users))
    rows, _ = top_k(ease.user_vectors(request), ease.item_vectors(DATA.items), 5, request.histories)
    assert found["item_id"].tolist() == DATA.items.vocabulary.ids[rows[rows >= 0]].tolist()
    assert set(found["user_id"]) == set(DATA.users.vocabulary.ids)


def test_an_anonymous_history_gets_the_list_of_the_user_who_has_it(ease):
    user = DATA.users.vocabulary.ids[3]
    history = DATA.items.vocabulary.ids[DATA.interactions.item[DATA.interactions.user == 3]].tolist()
    known, anonymous = recommend(ease, DATA, [user]), recommend(ease, DATA, histories=[[], history])
    last = anonymous[anonymous.user_id == 1]
    assert last["item_id"].tolist() == known["item_id"].tolist()


def test_items_and_exclude_bound_what_may_be_recommended(ease):
    found = recommend(ease, DATA, items=[100, 101, 102], exclude=[101], filter_seen=False)
    assert set(found["item_id"]) == {100, 102}


def test_scores_of_pairs_are_those_of_the_lists(ease):
    found = recommend(ease, DATA, k=4).sample(frac=1, random_state=0)
    pairs = score(ease, DATA, found[["user_id", "item_id"]])
    np.testing.assert_allclose(pairs["score"], found["score"], rtol=1e-5)


def test_similar_items_are_those_that_may_be_listed(ease):
    first, second, third, *_ = similar_items(ease, DATA, 100, k=4)["item_id"].tolist()
    assert similar_items(ease, DATA, 100, k=2, exclude=[first])["item_id"].tolist() == [second, third]
    assert similar_items(ease, DATA, 100, k=2, deny=(second,))["item_id"].tolist() == [first, third]
    assert similar_items(ease, DATA, 100, items=[third, first])["item_id"].tolist() == [first, third]
    withdrawn = replace(DATA.items, listed=DATA.items.vocabulary.ids != first)
    data = replace(DATA, items=withdrawn)
    assert similar_items(ease, data, 100, k=1)["item_id"].tolist() == [second]
    assert similar_items(ease, data, 100, k=1, unlisted=True)["item_id"].tolist() == [first]
    assert len(similar_items(ease, data, first, k=1)) == 1, "of one that is not listed any more"
    with pytest.raises(DataError, match="similar items have no user"):
        similar_items(ease, DATA, 100, where="city == user.city")
    with pytest.raises(DataError, match="give one of them"):
        similar_items(ease, DATA, 100, items=[first], allow=(first,))


def test_similar_items_leave_out_the_item_itself(ease):
    found = similar_items(ease, DATA, 100, k=3)
    assert len(found) == 3
    assert 100 not in found["item_id"].tolist()


def test_embeddings_are_the_vectors_of_an_engine_that_has_some(ease):
    engine = ALS()
    engine.fit(DATA, DATA.interactions)
    found = embeddings(engine, DATA, "items")
    assert np.array_equal(np.stack(found["vector"]), engine.item_vectors(DATA.items).dense)
    with pytest.raises(ArtifactError, match="sparse"):
        embeddings(ease, DATA, "items")


def test_unknown_ids_are_named(ease):
    for call in (
        lambda: recommend(ease, DATA, ["nobody"]),
        lambda: recommend(ease, DATA, exclude=[7]),
        lambda: score(ease, DATA, pd.DataFrame({"user_id": ["nobody"], "item_id": [100]})),
    ):
        with pytest.raises(DataError, match=r"not in the data, first \["):
            call()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["user", "item"])
def test_vectors_that_are_not_finite_are_refused_and_named(value, part):
    engine = ALS(factors=4).fit(DATA)

    class Diverged:
        def user_vectors(self, request):
            return self.damaged("user", engine.user_vectors(request))

        def item_vectors(self, items, at=None):
            return self.damaged("item", engine.item_vectors(items))

        def similarity_vectors(self, items):
            return self.item_vectors(items)

        def damaged(self, which, vectors):
            dense = vectors.dense.copy()
            dense[1, 0] = value if which == part else dense[1, 0]
            return Vectors(dense, valid=vectors.valid)

    users, items = DATA.users.vocabulary.ids[:2].tolist(), DATA.items.vocabulary.ids[:2].tolist()
    calls = [
        lambda: recommend(Diverged(), DATA, users),
        lambda: score(Diverged(), DATA, pd.DataFrame({"user_id": users, "item_id": items})),
        lambda: embeddings(Diverged(), DATA, f"{part}s"),
    ]
    if part == "item":
        calls.append(lambda: similar_items(Diverged(), DATA, items[0]))
    for call in calls:
        with pytest.raises(ArtifactError, match=f"vectors of the {part}s of Diverged hold a NaN or infinite entry"):
            call()


@pytest.mark.parametrize("ids", [[-1, 5], ["\x00anonymous 0", "u"]], ids=["integers", "text"])
def test_anonymous_users_have_ids_that_no_user_has(ids):
    users = with_anonymous(EntityTable.bare(Vocabulary(as_ids(ids))), np.array([1, MISSING, MISSING]))
    found = users.vocabulary.ids.tolist()
    assert found[0] == ids[1]
    assert not set(found[1:]) & set(ids)


def test_one_id_that_is_not_in_a_list_is_refused_and_not_read_by_letters(ease):
    with pytest.raises(DataError, match=r"a list, not the text 'u001'; write \['u001'\]"):
        recommend(ease, DATA, "u001")


@pytest.mark.parametrize("ask", [recommend, lambda *of: similar_items(*of, 100), lambda *of: embeddings(*of, "items")])
def test_an_engine_that_is_not_fitted_is_an_error_that_says_what_to_do(ask):
    with pytest.raises(DataError, match=r"ALS\(factors=4\) is not fitted; call fit\(data\) first"):
        ask(ALS(factors=4), DATA)


@pytest.mark.parametrize(
    ("k", "message"),
    [(0, "k must be at least 1"), (3.0, "no whole number; give 3"), (2.5, "no whole number"), ("5", "no whole number")],
)
def test_a_length_that_is_no_count_is_an_error(ease, k, message):
    with pytest.raises(DataError, match=message):
        recommend(ease, DATA, k=k)
    with pytest.raises(DataError, match=message):
        similar_items(ease, DATA, 100, k=k)


def test_a_bundle_brings_its_dataset_and_an_engine_needs_one(ease):
    bundle = Bundle(ease, DATA)
    assert recommend(bundle, k=3).equals(recommend(ease, DATA, k=3))
    with pytest.raises(DataError, match="give the dataset that the ids refer to"):
        recommend(ease, k=3)


def test_an_id_that_is_unknown_names_the_remedy(ease):
    with pytest.raises(DataError, match=r"user ids are not in the data.*: leave them out, or give new users as"):
        recommend(ease, DATA, ["nobody"])


def test_items_of_histories_that_the_data_lacks_are_passed_over_and_told(ease, caplog):
    known = recommend(ease, DATA, histories=[[100, 102], []], k=3)
    pd.testing.assert_frame_equal(recommend(ease, DATA, histories=[[100, 7, 102, 7], [8]], k=3), known)
    assert "3 of 5 items of histories are passed over: 2 item ids are not in the data, first [7, 8]" in caplog.text


TIMES = split(DATA, "temporal")


@pytest.mark.parametrize("asked", [{"histories": TIMES.train}, {"at": int(TIMES.train.time.max()) + 1}])
def test_lists_of_earlier_histories_hold_what_came_later_as_those_of_evaluate_do(asked, caplog):
    engine = EASE().fit(DATA, TIMES.train)
    lists = recommend(engine, DATA, k=20, **asked)
    later = DATA.interactions.select(DATA.interactions.time > TIMES.train.time.max())
    truth = pd.DataFrame(
        {"user_id": DATA.users.vocabulary.ids[later.user], "item_id": DATA.items.vocabulary.ids[later.item]}
    )
    assert evaluate_lists(lists, truth).to_frame().set_index("metric")["value"]["recall@10"] > 0.3
    assert not caplog.messages
    evaluate_lists(recommend(engine, DATA, k=20), truth)
    assert "histories=split.train" in caplog.text
    assert len(caplog.messages) == 1


def test_the_fallback_of_earlier_histories_does_not_count_what_came_later():
    data = BlockTaste(users=30).dataset()
    first = int(np.quantile(data.interactions.time, 0.5))
    early = data.interactions.select(data.interactions.time < first)
    engine = EASE().fit(data, early)
    nobody = data.users.vocabulary.ids[[0]].tolist()
    by_moment = recommend(engine, data, nobody, at=first, k=24)
    pd.testing.assert_frame_equal(by_moment, recommend(engine, replace(data, interactions=early), nobody, k=24))


def test_the_rules_of_the_config_are_taken_by_their_names(ease):
    allowed = recommend(ease, DATA, allow=[100, 101, 7], deny=[101], filter_seen=False)
    assert set(allowed["item_id"]) == {100}
    where = recommend(ease, DATA, where="genre == 'north'")["item_id"].unique()
    assert set(DATA.items.columns["genre"][DATA.items.vocabulary.rows(where)]) == {"north"}
    with pytest.raises(ConfigError, match="did you mean 'where'"):
        recommend(ease, DATA, wher="price < 3")
    with pytest.raises(DataError, match="items and allow are both given"):
        recommend(ease, DATA, items=[100], allow=[100])


def test_a_frame_with_the_names_of_other_tables_is_told_which_column_to_rename(ease):
    users = pd.DataFrame({"city": ["x", "y"], "customer": DATA.users.vocabulary.ids[:2]})
    with pytest.raises(DataError, match=r"users.rename\(columns=\{'customer': \"user_id\"\}\)"):
        recommend(ease, DATA, users)
    with pytest.raises(DataError, match=r"pairs.rename\(columns=\{'dish': \"item_id\"\}\)"):
        score(ease, DATA, pd.DataFrame({"user_id": users["customer"], "dish": DATA.items.vocabulary.ids[:2]}))


def test_ids_may_be_cells_of_an_array(ease):
    some = list(DATA.items.vocabulary.ids[:3])  # of numpy
    assert set(recommend(ease, DATA, items=some, filter_seen=False)["item_id"]) == {100, 101, 102}
    named = recommend(ease, DATA, list(DATA.users.vocabulary.ids[:2].astype(np.str_)))
    assert set(named["user_id"]) == set(DATA.users.vocabulary.ids[:2])
