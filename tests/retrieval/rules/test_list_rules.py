"""Rules of lists: each alone and together, against a list that is made for one user in plain loops."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import recsys as rs
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.engine import Request, Vectors
from recsys.errors import ConfigError, DataError
from recsys.retrieval.approximate import search
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.rules.eligible import ItemRules
from recsys.retrieval.rules.items.column_values import ColumnValues
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ranking.diversity import DiversityRule
from recsys.retrieval.rules.ranking.exploration import draws, explored_places, first_number
from recsys.retrieval.rules.ranking.pool import Pool
from recsys.retrieval.rules.ranking.selection import Greedy
from recsys.retrieval.rules.reasons import reason_texts
from recsys.retrieval.rules.registry import RULES
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.retrieval.top_up import Lists
from tests.retrieval.conftest import FixedVectors, world
from tests.retrieval.rules.reference import Slow

K, USERS, ITEMS = 8, 30, 60
BRAND = ["Acme"] * 30 + ["Bolt"] * 15 + ["Cord"] * 10 + [None] * 5
GENRES = [("Drama|War", "Drama", "Comedy", "War|Comedy|Drama", None)[n % 5] for n in range(ITEMS)]
SERIES = [None if n % 4 == 0 else f"series {n // 3}" for n in range(ITEMS)]


def catalogue():
    """A world whose items have columns; 5 items are disliked by some users."""
    data = world(USERS, ITEMS)
    cells = pd.DataFrame(
        {
            "brand": BRAND,
            "genres": GENRES,
            "series": SERIES,
            "released": np.arange(ITEMS) * 86_400.0,
            "gone": [None if n % 3 else n * 86_400.0 for n in range(ITEMS)],
        }
    )
    kinds = {"brand": "categorical", "genres": "tags", "series": "categorical", "released": "time", "gone": "time"}
    table = EntityTable(data.items.vocabulary, cells, Schema.of(kinds))
    dislikes = Interactions.of(np.arange(20), np.arange(20) % 5, np.zeros(20, np.int64), np.ones(20, np.float32))
    return replace(data, items=table, non_likes=dislikes)


DATA = catalogue()
ENGINE = FixedVectors(USERS, ITEMS)
IDS = DATA.items.vocabulary.ids
RULE_SETS = {
    "available": {"available_from": "released", "available_until": "gone"},
    "freshness": {"freshness": {"days": 30, "column": "released"}},
    "exclusions": {"exclusions": [["u0001", "item 3"], ["u0001", "item 4"], ["u0002", "item 5"]]},
    "candidates": {"candidates": [["u0001", f"item {n}"] for n in range(0, 60, 2)]},
    "blocked": {"blocked": True},
    "boosts": {"boosts": [{"where": "brand == 'Cord'", "factor": 3.0}, {"where": "'War' in genres", "addend": 0.5}]},
    "group": {"group": "series"},
    "caps": {"caps": [{"column": "brand", "most": 2}, {"column": "genres", "most": 3}]},
    "at_least": {"at_least": [{"where": "brand == 'Cord'", "least": 3}, {"where": "'Drama' in genres", "least": 4}]},
    "mmr": {"diversity": {"weight": 0.4}},
    "mmr of a column": {"diversity": {"weight": 0.4, "column": "genres"}},
    "dpp": {"diversity": {"method": "dpp", "weight": 0.5}},
    "calibration": {"calibration": {"column": "genres", "weight": 0.6}},
    "exploration": {"exploration": {"share": 0.3, "seed": 3}},
}
RULE_SETS["quotas beside draws"] = RULE_SETS["at_least"] | {"exploration": {"share": 0.4, "seed": 1}}
RULE_SETS["quotas of own candidates"] = {
    "candidates": [["u0001", f"item {n}"] for n in range(60)],
    "at_least": [{"where": "brand == 'Cord'", "least": 5}],
    "group": "series",
}
RULE_SETS["all"] = {
    **RULE_SETS["exclusions"],
    **RULE_SETS["boosts"],
    **RULE_SETS["group"],
    "caps": [{"column": "brand", "most": 4}],
    "at_least": [{"where": "brand == 'Cord'", "least": 2}],
    **RULE_SETS["mmr"],
    "calibration": {"column": "genres", "weight": 0.3},
    "exploration": {"share": 0.2},
}
RULE_SETS["no relevance"] = {
    "candidates": [["u0001", f"item {n}"] for n in range(0, 60, 8)],
    "diversity": {"weight": 0.5},
    "calibration": {"column": "genres", "weight": 0.5},
}
AT = 40 * 86_400


def request(users=None):
    return Request.from_dataset(DATA, np.arange(USERS) if users is None else np.array(users))


def retriever(rules, fallback=None, deny=("item 7",)):
    options = RuleOptions(**{**rules, "reasons": True})
    plan = RulePlan.of(DATA, ItemRules(deny=deny), options, AT)
    return RuledRetriever.of(ENGINE, plan, fallback=fallback), plan


def values(column, separator="|"):
    return [[] if cell is None else cell.split(separator) for cell in column]


def slow_list(user, plan, filter_seen=True):
    """The list of one user by `Slow`, as item rows."""
    rules, boosts = plan.rules, plan.boosts
    history = request([user]).histories.items.tolist()
    disliked = request([user]).also_seen.items.tolist()
    out = set(history + disliked) if filter_seen else set(disliked if rules.blocked else ())
    name = DATA.users.vocabulary.ids[user]
    out |= {IDS.tolist().index(item) for owner, item in rules.exclusions if owner == name}
    eligible = [i for i in range(ITEMS) if plan.mask[i]]
    own = {IDS.tolist().index(item) for owner, item in rules.candidates or () if owner == name}
    scores = ENGINE.items @ ENGINE.users[user]
    if boosts is not None:
        scores = np.where(scores > 0, scores * boosts.factors, scores / boosts.factors) + boosts.addends
    allowed = [i for i in eligible if i not in out and (not own or i in own)]
    ranking = sorted(((i, float(scores[i])) for i in allowed), key=lambda pair: (-pair[1], pair[0]))
    columns = {"brand": values(BRAND), "genres": values(GENRES), "series": values(SERIES)}
    caps = [(columns["series"], 1)] if rules.group else []
    caps += [(columns[cap.column], cap.most) for cap in rules.caps]
    quotas = [] if plan.quotas is None else list(zip(plan.quotas.matches, plan.quotas.least, strict=True))
    quotas = [(set(np.flatnonzero(met)), n) for met, n in quotas]
    return Slow(
        ranking,
        K,
        caps,
        quotas,
        _diversity(rules, columns),
        _calibration(rules, columns, history),
        _drawn(rules, name, eligible, out),
    ).list(min(plan.depth(K), len(eligible)))


def _diversity(rules, columns):
    if rules.diversity is None:
        return None
    vectors = ENGINE.items / np.linalg.norm(ENGINE.items, axis=1, keepdims=True)
    if rules.diversity.column is not None:
        sets = [set(found) for found in columns[rules.diversity.column]]
        vectors = _Jaccard(sets)
    return rules.diversity.method, vectors, rules.diversity.weight


class _Jaccard:
    """Stands for vectors: the product of two is what their sets share."""

    def __init__(self, sets, own=frozenset()):
        self.sets, self.own = sets, own

    def __getitem__(self, item):
        return _Jaccard(self.sets, self.sets[item])

    def __matmul__(self, other):
        either = self.own | other.own
        return len(self.own & other.own) / len(either) if either else 0.0


def _calibration(rules, columns, history):
    if rules.calibration is None:
        return None
    column, shares = columns[rules.calibration.column], {}
    for item in history:
        for value in column[item]:
            shares[value] = shares.get(value, 0) + 1 / len(column[item])
    total = sum(shares.values())
    return {value: part / total for value, part in shares.items()}, column, rules.calibration.weight


def _drawn(rules, name, eligible, out):
    rule, ids = rules.exploration, np.array([name], object)
    if rule is None:
        return None, 0, 0, ()
    places = np.flatnonzero(explored_places(rule, ids, K)[0]).tolist()

    def draw(number):
        return [i for i in draws(rule, ids, number, np.array(eligible))[0].tolist() if i not in out]

    return draw, len(eligible), first_number(rule, K), places


@pytest.fixture(params=sorted(RULE_SETS))
def rules(request):
    return RULE_SETS[request.param]


@pytest.mark.parametrize("filter_seen", [True, False])
def test_lists_equal_those_made_for_one_user_in_plain_loops(rules, filter_seen):
    made, plan = retriever(rules)
    found = made.top_k(request(), K, filter_seen)
    for user in range(USERS - 3):  # the last three have no history, and so no vector
        got = found.rows[user][found.rows[user] >= 0].tolist()
        assert got == slow_list(user, plan, filter_seen), user


def test_quotas_are_met_without_more_candidates_where_the_last_places_are_given_to_draws():
    made, plan = retriever(RULE_SETS["quotas beside draws"])
    explored = explored_places(plan.rules.exploration, DATA.users.vocabulary.ids, K)
    assert explored[:, -2:].all(1).any()
    found = made.top_k(request(np.arange(USERS - 3)), K)
    for met, least in zip(plan.quotas.matches, plan.quotas.least, strict=True):
        assert (met[found.rows].sum(1) >= least).all()


def _explored(found):
    return np.array([[("exploration" in text) for text in reason_texts(row)] for row in found.reasons])


SMALL = {
    "few beyond the list": ({}, [f"item {n}" for n in range(14, ITEMS)]),
    "no more than the list": ({}, [f"item {n}" for n in range(K, ITEMS)]),
    "caps": ({"caps": [{"column": "brand", "most": 4}]}, [f"item {n}" for n in range(20, ITEMS)]),
    "a large catalogue and few of a value": ({"caps": [{"column": "series", "most": 1}]}, ["item 7"]),
    "own candidates": (
        {"candidates": [[f"u{n:04d}", f"item {3 * n % 40 + m}"] for n in range(USERS) for m in range(12)]},
        (),
    ),
}


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("which", SMALL)
def test_the_share_of_exploration_is_reached_and_lists_are_full_while_items_are_left(which, share):
    more, deny = SMALL[which]
    plain, _ = retriever({**more, "exploration": {"share": 0.0}}, deny=tuple(deny))
    made, plan = retriever({**more, "exploration": {"share": share, "seed": 5}}, deny=tuple(deny))
    users = np.arange(USERS - 3)
    found, without = (each.top_k(request(users), K, filter_seen=False) for each in (made, plain))
    wanted = explored_places(plan.rules.exploration, DATA.users.vocabulary.ids[users], K)
    assert ((found.rows >= 0).sum(1) == (without.rows >= 0).sum(1)).all()
    assert (_explored(found) == (wanted & (found.rows >= 0))).all()
    assert not _explored(without).any()
    for user, row in zip(users, found.rows, strict=True):
        assert len(set(row[row >= 0])) == (row >= 0).sum()
        assert found.rows[user].tolist() == made.top_k(request([user]), K, filter_seen=False).rows[0].tolist()
    beyond = ~(found.rows[:, :, None] == without.rows[:, None]).any(2) & _explored(found)
    if which == "few beyond the list":
        assert (beyond.sum(1) == np.minimum(wanted.sum(1), 6)).all(), "those that have no place without are drawn first"


def test_a_drawn_item_that_nobody_can_rank_leaves_no_gap_in_a_list():
    class Some(FixedVectors):
        def item_vectors(self, items, at=None):
            return replace(super().item_vectors(items, at), valid=np.arange(ITEMS) < 6)

    options = RuleOptions(exploration={"share": 0.5}, reasons=True)
    plan = RulePlan.of(DATA, ItemRules(), options, AT)
    found = RuledRetriever.of(Some(USERS, ITEMS), plan).top_k(request([0, 1, 2, 4]), K, filter_seen=False)
    explored = explored_places(options.exploration, DATA.users.vocabulary.ids[[0, 1, 2, 4]], K)
    for row, places in zip(found.rows, explored, strict=True):
        n = (row >= 0).sum()
        assert n >= places.sum()
        assert (row[:n] >= 0).all()
        assert len(set(row[:n])) == n


def test_no_list_holds_a_denied_or_seen_item_or_one_item_twice(rules):
    made, plan = retriever(rules)
    found = made.top_k(request(), K)
    for user, row in enumerate(found.rows):
        listed = row[row >= 0].tolist()
        assert len(set(listed)) == len(listed)
        assert plan.mask[listed].all()
        assert IDS.tolist().index("item 7") not in listed
        assert not set(listed) & set(request([user]).histories.items.tolist())


def test_a_list_does_not_depend_on_the_other_users(rules):
    made, _ = retriever(rules, lambda: Fallback.fit(DATA))
    whole = made.top_k(request(), K)
    for part in ([4], [9, 2, 29], list(range(20))):
        some = made.top_k(request(part), K)
        np.testing.assert_array_equal(some.rows, whole.rows[part])
        np.testing.assert_array_equal(some.reasons, whole.reasons[part])


def test_the_same_rules_make_the_same_lists(rules):
    first, second = (retriever(rules)[0].top_k(request(), K) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_list_is_full_while_an_item_is_left_that_no_rule_forbids(rules):
    made, plan = retriever(rules, lambda: Fallback.fit(DATA))
    for k in (K, 40):
        found = made.top_k(request(), k)
        for user, row in enumerate(found.rows):
            listed = row[row >= 0].tolist()
            if len(listed) < k:
                assert not [i for i in range(ITEMS) if may_follow(i, listed, user, plan)], user


def may_follow(item, listed, user, plan):
    """Whether ``item`` could be added to a list."""
    asked, name = request([user]), DATA.users.vocabulary.ids[user]
    out = set(asked.histories.items.tolist()) | set(asked.also_seen.items.tolist())
    pairs = {(owner, key) for owner, key in plan.rules.exclusions}
    own = {key for owner, key in plan.rules.candidates or () if owner == name}
    if (
        not plan.mask[item]
        or item in out
        or item in listed
        or (name, IDS[item]) in pairs
        or (own and IDS[item] not in own)
    ):
        return False
    caps = [(values(SERIES), 1)] if plan.rules.group else []
    caps += [(values({"brand": BRAND, "genres": GENRES}[c.column]), c.most) for c in plan.rules.caps]
    return all(sum(v in column[i] for i in listed) < most for column, most in caps for v in column[item])


def reasons_of(rules, **given):
    found = retriever(rules, **given)[0].top_k(request(), K)
    return {name for text in reason_texts(found.reasons[found.rows >= 0]) for name in text.split(",")}


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("availability", RULE_SETS["available"]),
        ("freshness", RULE_SETS["freshness"]),
        ("exclusions", {"exclusions": [[f"u{n:04d}", f"item {i}"] for n in range(USERS) for i in range(0, 60, 4)]}),
        ("candidates", RULE_SETS["candidates"]),
        ("boosts", RULE_SETS["boosts"]),
        ("group", RULE_SETS["group"]),
        ("caps", RULE_SETS["caps"]),
        ("at_least", RULE_SETS["at_least"]),
        ("diversity", RULE_SETS["mmr"]),
        ("calibration", RULE_SETS["calibration"]),
        ("exploration", RULE_SETS["exploration"]),
        ("seen", {}),
        ("deny", {}),
    ],
)
def test_a_rule_is_named_where_an_item_would_not_have_its_place_without_it(name, rules):
    assert name in RULES
    assert name in reasons_of(rules, deny=tuple(IDS[:25]))


def test_without_a_rule_the_score_is_the_reason():
    plan = RulePlan.of(DATA, ItemRules(), RuleOptions(reasons=True))
    found = RuledRetriever.of(ENGINE, plan).top_k(request(), K, filter_seen=False)
    assert set(reason_texts(found.reasons[found.rows >= 0])) == {"score"}


def test_a_cap_of_a_list_from_the_front_door_and_its_reason():
    table = rs.recommend(ENGINE, DATA, k=K, rules={"caps": [{"column": "brand", "most": 2}], "reasons": True})
    brand = table["item_id"].map(dict(zip(IDS, BRAND, strict=True)))
    assert brand.groupby([table["user_id"], brand]).size().max() == 2
    assert table["reason"].str.contains("caps").any()
    assert table["reason"].str.contains("fallback").any()  # of the users without a history


def test_blocked_pairs_stay_out_where_seen_items_may_come_again():
    found = retriever({"blocked": True})[0].top_k(request(), 40, filter_seen=False)
    for user in range(20):
        assert user % 5 not in found.rows[user]


def test_pairs_may_be_a_frame_or_a_file(tmp_path):
    frame = pd.DataFrame({"user_id": ["u0001"], "item_id": ["item 3"]})
    frame.to_csv(tmp_path / "out.csv", index=False)
    lists = [
        rs.recommend(ENGINE, DATA, ["u0001"], k=40, rules={"exclusions": given})["item_id"].tolist()
        for given in (frame, tmp_path / "out.csv")
    ]
    assert lists[0] == lists[1]
    assert "item 3" not in lists[0]
    assert "item 3" in rs.recommend(ENGINE, DATA, ["u0001"], k=60)["item_id"].tolist()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"caps": [{"column": "brnd", "most": 1}]}, "did you mean 'brand'"),
        ({"group": "nothing"}, "recommend.rules.group: items have no column"),
        ({"available_from": "brand"}, "which is no time"),
        ({"boosts": [{"where": "price > 1"}]}, "items have no column 'price'"),
        ({"exclusions": [[1, "item 3"]]}, "ids of the data are text"),
    ],
)
def test_a_wrong_rule_is_told(rules, message):
    with pytest.raises(DataError, match=message):
        RulePlan.of(DATA, ItemRules(), RuleOptions(**rules))


def test_an_unknown_key_of_a_rule_is_told():
    with pytest.raises(ConfigError, match="unknown key 'cap'"):
        rs.recommend(ENGINE, DATA, rules={"cap": []})


@pytest.mark.parametrize("where", ["brand is None", "released > 0"], ids=["some", "most"])
def test_boosts_beside_an_approximate_index_make_the_lists_of_exact_search(where, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(search, "EXACT_UP_TO", 5)
    rules = RuleOptions(boosts=[{"where": where, "factor": 2, "addend": 0.1}], reasons=True)
    plan, request = RulePlan.of(DATA, ItemRules(), rules), Request.from_dataset(DATA, np.arange(DATA.n_users))
    exact, near = (RuledRetriever.of(ENGINE, plan, index=index).top_k(request, 10) for index in ("exact", "faiss"))
    for each, expected in zip(near, exact, strict=True):
        np.testing.assert_allclose(each, expected, rtol=1e-5)


@pytest.mark.parametrize("missing", [False, True])
def test_diversity_by_a_column_of_one_value_is_that_of_a_column_of_tags(missing):
    rng = np.random.default_rng(3)
    codes = rng.integers(-1 if missing else 0, 5, (ITEMS, 1)).astype(np.int32)
    wider = np.pad(codes, ((0, 0), (0, 1)), constant_values=-1)
    rows = np.argsort(rng.random((20, ITEMS)), axis=1)[:, :24]
    scores = -np.sort(-rng.normal(size=rows.shape).astype(np.float32), axis=1)
    pool = Pool.of(Lists(rows, scores, np.zeros(rows.shape, bool)))
    names = tuple("abcde")
    picked = [
        Greedy(12, terms=[DiversityRule(0.4, "mmr", values=ColumnValues(each, names))]).select(pool).picked
        for each in (codes, wider)
    ]
    np.testing.assert_array_equal(*picked)


@pytest.mark.parametrize("method", ["mmr", "dpp"])
@pytest.mark.parametrize("form", [sp.csr_array, np.asarray], ids=["csr", "array"])
def test_diversity_compares_vectors_as_long_as_the_catalogue_as_others(method, form):
    class Sparse(FixedVectors):
        def user_vectors(self, request):
            users = super().user_vectors(request)
            return Vectors(sparse=sp.csr_array(users.dense), valid=users.valid)

        def item_vectors(self, items, at=None):
            return Vectors(sparse=form(super().item_vectors(items, at).dense))

    plan = RulePlan.of(DATA, ItemRules(), RuleOptions(diversity={"method": method, "weight": 0.5}))
    found = [RuledRetriever.of(engine, plan).top_k(request(), K) for engine in (ENGINE, Sparse(USERS, ITEMS))]
    np.testing.assert_array_equal(found[0].rows, found[1].rows)


def test_the_reasons_of_a_user_do_not_depend_on_what_is_left_out_of_the_lists_of_others():
    rules = {"group": "series", "at_least": [{"where": "brand == 'Cord'", "least": 4}]}
    pairs = [["u0001", f"item {n}"] for n in range(0, 60, 3)]
    found = retriever(rules | {"exclusions": pairs})[0].top_k(request([0, 1, 2]), K)
    alone = retriever(rules)[0].top_k(request([0, 2]), K)
    assert found.reasons[[0, 2]].tolist() == alone.reasons.tolist()
    assert "exclusions" in ",".join(reason_texts(found.reasons[1]))


def test_the_reasons_of_long_lists_take_memory_that_grows_with_their_length():
    users, items, peaks = 256, 1600, []
    data, engine = world(users, items), FixedVectors(users, items)
    deny = data.items.vocabulary.ids[::2].tolist()
    retriever = RuledRetriever.of(engine, RulePlan.of(data, ItemRules(deny=deny), RuleOptions(reasons=True)))
    request = Request.from_dataset(data, np.arange(users))
    for k in (200, 800):
        tracemalloc.start()
        lists = retriever.top_k(request, k, filter_seen=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (lists.rows >= 0).any()
    assert peaks[1] < 6 * peaks[0]
