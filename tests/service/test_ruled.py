"""Lists of a service under `[recommend.rules]`: questions together, at a time, of new users, and their reasons."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.errors import DataError
from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.predictor import Predictor
from recsys.registry.pyfunc.served_as import ServedAs
from recsys.retrieval.approximate import search
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.service.live_histories import FeedbackEvent, LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Question
from recsys.service.rules.ruled_model import RuledModel
from recsys.service.state import Experiment, ServiceState
from recsys.service.versions.source import FolderSource, Serving
from tests.service.conftest import KINDS, named

FIRST, DAY = 1_600_000_000, 86_400
LIVE = LiveHistories()


def store(kind="integers"):
    """30 users with 6 of 40 items each; items have a genre, a series, and a day on which they come or go."""
    rng = np.random.default_rng(1)
    rows = [(user, item, FIRST + n) for user in range(30) for n, item in enumerate(rng.permutation(40)[:6])]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    items = pd.DataFrame({"item_id": range(40), "genre": ["a", "b", "c", "d"] * 10, "series": np.arange(40) // 2})
    day = FIRST + 10 * DAY * (1 + items["item_id"] % 4)
    items["start"] = day.where(items["item_id"] < 20)
    items["end"] = day.where(items["item_id"] >= 30)
    for table in (frame, items):
        for column in {"user_id", "item_id"} & set(table):
            table[column] = [named(kind, int(number)) for number in table[column]]
    return rs.read_dataset(frame, items=items, schema={"start": "time", "end": "time"}, name="store")


def ruled(data, rules, engine=None, **given):
    options = RecommendOptions.model_validate({"rules": {"reasons": True} | rules} | given)
    return RuledModel(Bundle(engine or rs.ALS(factors=4).fit(data), data), options=options)


def shown(lists):
    """Items, marks and reasons; the last bits of scores depend on how many questions are answered together."""
    return [(each.item_ids, each.fallback, each.reasons) for each in lists]


USUAL = {
    "at_least": [{"where": "genre == 'a'", "least": 2}],
    "group": "series",
    "freshness": {"days": 36_500, "column": "start"},
    "diversity": {"weight": 0.3},
    "exploration": {"share": 0.3, "seed": 5},
}
WINDOWS = {"available_from": "start", "available_until": "end"}


class Counted(rs.ALS):
    """Counts the users whose vectors are asked for."""

    users = 0

    def user_vectors(self, request):
        type(self).users += len(request)
        return super().user_vectors(request)


@pytest.mark.parametrize("kind", KINDS)
def test_questions_together_have_the_lists_that_they_have_alone(kind):
    data = store(kind)
    model = ruled(data, WINDOWS | USUAL | {"freshness": None})
    ids = [named(kind, number) for number in range(40)]
    questions = [Question(ids[n], k=5 + n % 2) for n in range(8)]
    questions += [Question(ids[2], k=7, exclude=ids[:5]), Question(ids[3], k=4, candidates=ids[7:25])]
    questions += [Question(history=ids[n : n + 3], k=6) for n in range(4)] + [Question(), Question(ids[3], k=4)]
    questions += [Question(ids[n], at=FIRST + 10 * n * DAY + DAY) for n in range(6)]
    together = model.recommend(questions, LIVE)
    alone = [model.recommend([question], LIVE)[0] for question in questions]
    assert shown(together) == shown(alone) == shown(model.recommend(questions[::-1], LIVE))[::-1]
    assert [len(found.item_ids) for found in together[:8]] == [5, 6] * 4


def test_similar_items_are_those_of_now_and_own_lists_of_users_do_not_count():
    data = store()
    pairs = [[user, item] for user in range(30) for item in range(20, 25)]
    model = ruled(data, WINDOWS | {"candidates": pairs, "exclusions": [[1, 26]], "blocked": False})
    found, _ = model.similar(3, 40)
    assert sorted(found) == [item for item in range(30) if item != 3]


def test_the_vector_of_a_user_is_kept_and_those_of_questions_together_are_made_together():
    data = store()
    model = ruled(data, {"group": "series"}, Counted(factors=4).fit(data))
    Counted.users = 0
    questions = [Question(user) for user in range(6)]
    first = model.recommend(questions, LIVE)
    assert Counted.users == 6
    assert model.recommend(questions, LIVE) == first
    assert Counted.users == 6
    assert first[0].item_ids == tuple(
        rs.recommend(model.bundle.engine, data, [0], rules={"group": "series"})["item_id"].tolist()
    )


@pytest.mark.parametrize("rules", [WINDOWS, {"freshness": {"days": 15, "column": "start"}}])
def test_a_time_in_a_question_is_the_time_of_its_rules(monkeypatch, rules):
    data = store()
    monkeypatch.setattr(time, "time", lambda: FIRST + 15.0 * DAY)
    model = ruled(data, rules, rs.EASE().fit(data))
    found = set()
    for days in (11, 21, 31, 51):
        at = FIRST + days * DAY
        if "freshness" in rules and days == 51:
            continue
        expected = rs.recommend(model.bundle.engine, data, [3], k=8, at=at, rules=rules | {"reasons": True})
        listed = model.recommend([Question(3, k=8, at=at)], LIVE)[0]
        assert list(listed.item_ids) == expected["item_id"].tolist()
        assert list(listed.reasons) == expected["reason"].tolist()
        found.add(listed.item_ids)
    assert len(found) > 1


def test_a_time_at_which_nothing_may_be_listed_is_the_error_of_its_question_alone():
    data = store()
    model = ruled(data, {"freshness": {"days": 36_500, "column": "start"}})
    late, now, early = model.recommend([Question(1, at=FIRST + 25 * DAY), Question(1), Question(1, at=5)], LIVE)
    assert len(late.item_ids) > 0 < len(now.item_ids)
    assert isinstance(early, DataError)
    assert "the rules leave no item" in str(early)


def test_what_comes_while_the_service_runs_is_made_ready_beside_the_requests(monkeypatch, tmp_path):
    data, clock, made = store(), [FIRST + 15.0 * DAY], []
    monkeypatch.setattr(time, "time", lambda: clock[0])
    Bundle(rs.ALS(factors=4).fit(data), data).save(tmp_path / "bundle")
    serving = Serving(RecommendOptions.model_validate({"rules": WINDOWS}))
    state = ServiceState(FolderSource(tmp_path / "bundle", serving), tmp_path / "state", Experiment(poll=0.05))
    at = RuledRetriever.at
    monkeypatch.setattr(RuledRetriever, "at", lambda self, moment: made.append(moment) or at(self, moment))
    try:
        model = state.models.champion
        before = set(model.recommend([Question(1, k=40)], LIVE)[0].item_ids)
        clock[0] += 10 * DAY
        deadline = time.monotonic() + 20
        while not made and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        after = set(model.recommend([Question(1, k=40)], LIVE)[0].item_ids)
    finally:
        state.close()
    seen = set(data.interactions.item[data.interactions.user == 1].tolist())
    assert (after - before, before - after) == ({1, 5, 9, 13, 17} - seen, {33, 37} - seen)
    assert made == [clock[0]]


def event(user, item, kind):
    return FeedbackEvent(f"{user}-{item}-{kind}", user, item, kind, FIRST + 10**6)


def test_what_a_question_leaves_out_and_limits_has_reasons_of_its_own():
    data = store()
    model = ruled(data, {})
    plain = model.recommend([Question(4, k=5)], LIVE)[0]
    best = plain.item_ids[:2]
    left = model.recommend([Question(4, k=5, exclude=best)], LIVE)[0]
    assert left.item_ids[:3] == plain.item_ids[2:]
    assert all("exclusions" in reason for reason in left.reasons[3:] if "fallback" not in reason)
    assert "exclusions" not in str(plain.reasons)
    own = model.recommend([Question(4, k=2, candidates=[*plain.item_ids[1:4], best[1], 999])], LIVE)[0]
    assert own.item_ids == plain.item_ids[1:3]
    assert own.unknown_items == (999,)
    assert all(reason.startswith("candidates") for reason in own.reasons)
    assert "seen" not in str(own.reasons)


def test_what_feedback_disliked_is_blocked_where_seen_items_are_kept_and_seen_elsewhere():
    data, live = store(), LiveHistories()
    model = ruled(data, {})
    kept = model.recommend([Question(4, k=5, filter_seen=False)], live)[0]
    live.add([event(4, kept.item_ids[0], "dislike")])
    found = {filtered: model.recommend([Question(4, k=5, filter_seen=filtered)], live)[0] for filtered in (False, True)}
    assert kept.item_ids[0] not in found[False].item_ids + found[True].item_ids
    assert "blocked" in str(found[False].reasons)
    assert "seen" not in str(found[False].reasons)
    assert "seen" in str(found[True].reasons)
    assert "blocked" not in str(found[True].reasons)


@pytest.mark.parametrize("kind", KINDS)
def test_rules_of_single_users_hold_for_users_whom_the_data_does_not_have(kind):
    data, new, ids = store(kind), named(kind, 777), [named(kind, number) for number in range(40)]
    free = ruled(data, {}).recommend([Question(new, history=ids[:3], k=3)], LIVE)[0]
    pairs = [[new, item] for item in free.item_ids[:2]]
    left = ruled(data, {"exclusions": pairs}).recommend([Question(new, history=ids[:3], k=3), Question()], LIVE)[0]
    assert left.item_ids[0] == free.item_ids[2]
    assert "exclusions" in left.reasons[-1]
    model = ruled(data, {"candidates": pairs})
    asked = [Question(history=ids[:3], k=3), Question(new, history=ids[:3], k=3)]
    anonymous, own = model.recommend(asked, LIVE)
    assert set(own.item_ids) == set(free.item_ids[:2])
    assert shown([anonymous]) == shown(model.recommend(asked[:1], LIVE))
    both = Question(new, history=ids[:3], k=3, candidates=[free.item_ids[0], free.item_ids[2]])
    assert model.recommend([both], LIVE)[0].item_ids == free.item_ids[:1]
    frame = pd.DataFrame({"user_id": [new]})
    lists = rs.recommend(model.bundle.engine, data, frame, histories=[ids[:3]], k=3, rules={"candidates": pairs})
    assert lists["item_id"].tolist() == list(own.item_ids)


def test_draws_of_an_anonymous_user_follow_from_the_history():
    data = store()
    model = ruled(data, {"exploration": {"share": 0.5, "seed": 3}})
    histories = [[1, 2], [3, 4], [1, 2], [2, 1]]
    one, other, same, turned = model.recommend([Question(history=each, k=8) for each in histories], LIVE)
    drawn = [
        {item for item, why in zip(each.item_ids, each.reasons, strict=True) if "exploration" in why}
        for each in (one, other, turned)
    ]
    assert one == same
    assert drawn[0] != drawn[1]
    assert drawn[0] != drawn[2]
    assert one == model.recommend([Question(history=[1, 2], k=8)], LIVE)[0]
    lists = rs.recommend(
        model.bundle.engine, data, histories=histories[::-1], k=8, rules={"exploration": {"share": 0.5, "seed": 3}}
    )
    by_user = lists.groupby("user_id")["item_id"].agg(tuple)
    assert by_user.tolist() == [turned.item_ids, same.item_ids, other.item_ids, one.item_ids]
    blank = [model.recommend([Question(k=8, history=history)], LIVE)[0] for history in ([], None)]
    assert blank[0] == blank[1]


def test_the_registered_model_draws_for_an_anonymous_user_as_the_service_does():
    bare = store()
    ages = pd.DataFrame({"age": np.arange(20.0, 50.0)})
    data = replace(bare, users=EntityTable(bare.users.vocabulary, ages, Schema.of({"age": "numeric"})))
    rules = {"exploration": {"share": 0.6, "seed": 3}, "reasons": True}
    model = ruled(data, rules)
    predictor = Predictor(model.bundle, ServedAs(rules=RuleOptions.model_validate(rules)))
    asked = [Question(5, k=8), Question(history=[1, 2], k=8), Question(history=[1, 2], k=8, columns={"age": 31})]
    asked += [Question(history=[3, 4], k=8), Question(777, history=[1, 2], k=8), Question(k=8, columns={"age": 44})]
    rows = [{"user_id": each.user_id, "history": each.history, "k": 8} | dict(each.columns) for each in asked]
    found = predictor.predict(pd.DataFrame(rows))
    for row, listed in enumerate(model.recommend(asked, LIVE)):
        assert tuple(found["item_ids"][row]) == listed.item_ids
        assert tuple(found["reasons"][row]) == listed.reasons
    assert len({tuple(items) for items in found["item_ids"]}) == len(asked)


@pytest.mark.parametrize("at", [FIRST - DAY, FIRST + 3, FIRST + 20 * DAY, FIRST + 90 * DAY])
def test_a_given_history_counts_whole_at_any_time_and_at_every_door(at):
    data = store()
    rules = RuleOptions.model_validate(WINDOWS | {"exploration": {"share": 0.3}, "reasons": True})
    model = RuledModel(Bundle(rs.HSTU(dim=8, epochs=1).fit(data), data), options=RecommendOptions(rules=rules))
    question = Question(history=[3, 14, 9], k=5, at=at)
    listed = model.recommend([question, Question(5, k=5, at=at)], LIVE)[0]
    assert not any(listed.fallback)
    predictor = Predictor(model.bundle, ServedAs(rules=rules))
    row = predictor.predict(pd.DataFrame({"history": [[3, 14, 9]], "k": 5, "at": at})).iloc[0]
    lists = rs.recommend(model.bundle, histories=[[3, 14, 9]], k=5, at=at, rules=rules)
    assert tuple(row["item_ids"]) == tuple(lists["item_id"]) == listed.item_ids
    np.testing.assert_allclose(row["scores"], listed.scores, rtol=1e-4)
    np.testing.assert_allclose(lists["score"], listed.scores, rtol=1e-4)


@pytest.mark.parametrize("event", ["dislike", "click"])
def test_feedback_from_the_time_of_a_question_on_does_not_count(event):
    model, at = ruled(store(), WINDOWS), FIRST + 90 * DAY
    asked = [Question(5, k=5, filter_seen=filters, at=at) for filters in (True, False)]
    before = model.recommend(asked, LIVE)
    live = LiveHistories()
    live.add([FeedbackEvent("1", 5, listed.item_ids[0], event, at) for listed in before[:1]])
    assert shown(model.recommend(asked, live)) == shown(before)
    later = model.recommend([replace(each, at=at + 1) for each in asked], live)
    assert before[0].item_ids[0] not in later[0].item_ids
    assert shown(later) != shown(before)


def test_a_given_history_counts_whole_in_data_without_times():
    frame = store().interactions
    table = pd.DataFrame({"user_id": frame.user, "item_id": frame.item, "position": frame.time - FIRST})
    data = rs.read_dataset(table, name="store")
    model = ruled(data, {"exploration": {"share": 0.3}})
    early, now = (model.recommend([Question(history=[3, 14, 9], k=5, at=at)], LIVE)[0] for at in (1, None))
    assert early == now
    row = Predictor(model.bundle).predict(pd.DataFrame({"history": [[3, 14, 9]], "k": 5, "at": 1})).iloc[0]
    plain = ServedModel(model.bundle).recommend([Question(history=[3, 14, 9], k=5, at=1)], LIVE)[0]
    assert tuple(row["item_ids"]) == plain.item_ids


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_draws_for_a_question_with_few_candidates_are_of_these(share):
    model, candidates = ruled(store(), {"exploration": {"share": share}}), (3, 9, 14, 22, 27, 31)
    asked = [Question(history=[n], k=k, candidates=candidates) for n in range(8) for k in (4, 6)]
    for question, listed in zip(asked, model.recommend(asked, LIVE), strict=True):
        left = set(candidates) - set(question.history)
        assert set(listed.item_ids) <= left
        assert len(listed.item_ids) == min(question.k, len(left))
        drawn = sum("exploration" in why for why in listed.reasons)
        assert drawn >= min(share * question.k, len(left)) - (len(left) < question.k)
    assert len({each.item_ids for each in model.recommend(asked[1::2], LIVE)}) > 1


def test_a_quota_is_met_from_the_candidates_of_a_question():
    data = store()
    model = ruled(data, {"at_least": [{"where": "genre == 'a'", "least": 2}]})
    ranking = model.recommend([Question(5, k=40)], LIVE)[0].item_ids
    of_quota = [item for item in ranking if item % 4 == 0]
    candidates = [item for item in ranking if item % 4][:20] + of_quota[-2:]
    listed = model.recommend([Question(5, k=4, candidates=candidates)], LIVE)[0]
    assert set(of_quota[-2:]) < set(listed.item_ids)
    assert listed.item_ids[:2] == tuple(candidates[:2])


def test_an_approximate_index_searches_under_rules_as_that_of_the_batch(monkeypatch, tmp_path):
    pytest.importorskip("faiss")
    monkeypatch.setattr(search, "EXACT_UP_TO", 5)
    data = store()
    Bundle(rs.ALS(factors=4).fit(data), data).save(tmp_path / "bundle")
    options = RecommendOptions.model_validate({"index": "faiss", "rules": {"group": "series", "reasons": True}})
    model = Serving(options).model(tmp_path / "bundle", "1")
    searched = []
    monkeypatch.setattr(search.Searched, "best", _spied(search.Searched.best, searched))
    exact = ruled(data, {"group": "series"}, model.bundle.engine)
    questions = [Question(user, k=5) for user in range(30)]
    assert shown(model.recommend(questions, LIVE)) == shown(exact.recommend(questions, LIVE))
    assert searched
    boosts = {"boosts": [{"where": "genre == 'a'", "factor": 2}]}
    near, exact = (ruled(data, boosts, model.bundle.engine, index=index) for index in ("faiss", "exact"))
    assert shown(near.recommend(questions, LIVE)) == shown(exact.recommend(questions, LIVE))


def _spied(method, calls):
    return lambda self, *args: calls.append(1) or method(self, *args)
