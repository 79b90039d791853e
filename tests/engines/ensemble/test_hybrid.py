"""Hybrids: vectors side by side, weights from validation."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from recsys.config import parse
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.baselines.als import ALS
from recsys.engines.baselines.ease import EASE
from recsys.engines.baselines.itemknn import ItemKNN
from recsys.engines.baselines.popularity import Popularity
from recsys.engines.ensemble.hybrid import Hybrid, HybridConfig, joined, score_std
from recsys.engines.ensemble.weights import CandidatePool, ScoredParts, ScoreMean, search, zero_invalid
from recsys.errors import ArtifactError, ConfigError
from recsys.evaluation.evaluate import evaluate, score_metric
from recsys.registry.bundle import Bundle
from tests.engines.graph.test_spectral import random_data

DATA = random_data(60, 30, seed=2)


def cut() -> tuple[Interactions, Holdout]:
    """Each user's last item validates."""
    events = DATA.interactions
    last = np.append(events.user[1:] != events.user[:-1], True)
    train, targets = events.select(~last), events.select(last)
    return train, Holdout(np.unique(targets.user), train, targets)


@pytest.fixture(scope="module")
def parts() -> dict[str, Engine]:
    train, _ = cut()
    made: dict[str, Engine] = {
        "ease": EASE(),
        "als": ALS(factors=8),
        "knn": ItemKNN(),
        "popularity": Popularity(),
    }
    for engine in made.values():
        engine.fit(DATA, train, seed=1)
    return made


def hybrid(parts: dict[str, Engine], names: list[str], validation: Holdout | None = None, **options) -> Hybrid:
    train, _ = cut()
    context = FitContext(1, validation, parts=parts)
    return Hybrid(parts=names, **options).fit(DATA, train, context=context)


def scores(engine: Engine) -> np.ndarray:
    request = Request.from_dataset(DATA, np.arange(DATA.n_users), cut()[0])
    return engine.user_vectors(request).scores(engine.item_vectors(DATA.items))


@pytest.mark.parametrize(("weights", "name"), [((1, 0), "ease"), ((0, 1), "als")])
def test_a_weight_of_one_is_the_part_alone(parts, weights, name):
    _, holdout = cut()
    engine = hybrid(parts, ["ease", "als"], weights=weights)
    assert np.array_equal(evaluate(engine, DATA, holdout).items, evaluate(parts[name], DATA, holdout).items)


@pytest.mark.parametrize("names", [["ease", "als"], ["knn", "als"], ["als", "knn", "ease", "popularity"]])
def test_the_score_is_the_weighted_sum_of_the_parts_scores_in_units_of_their_spread(parts, names):
    weights = tuple(range(1, len(names) + 1))
    engine = hybrid(parts, names, weights=weights)
    above = {name: scores(parts[name]) - scores(parts[name]).mean(1, keepdims=True) for name in names}
    expected = sum(w * above[n] / s for n, w, s in zip(names, weights, engine.score_stds, strict=True))
    np.testing.assert_allclose(scores(engine), expected, rtol=1e-4, atol=1e-5)


def test_the_spread_is_that_of_placed_users_over_placed_items():
    items = Vectors(np.float32([[0], [2], [9]]), valid=np.array([True, True, False]))
    users = Vectors(np.float32([[1], [2], [100]]), valid=np.array([True, True, False]))
    assert score_std(users, items) == 1.5


@pytest.mark.parametrize("filter_seen", [True, False])
def test_the_weights_are_the_best_of_a_brute_force_search(parts, filter_seen):
    train, holdout = cut()
    if not filter_seen:  # users who touch again what they touched first
        first = np.append(True, train.user[1:] != train.user[:-1])
        holdout = Holdout(np.unique(train.user), train, train.select(first), filter_seen=False)
    engine = hybrid(parts, ["ease", "als"], holdout, steps=10, metric="ndcg@5")
    request = Request.from_dataset(DATA, holdout.users, train)
    values = []
    for step in range(11):
        weighed = hybrid(parts, ["ease", "als"], weights=(1 - step / 10 + 1e-12, step / 10))
        users, items = weighed.user_vectors(request), weighed.item_vectors(DATA.items)
        values.append(score_metric(users, items, holdout, "ndcg@5"))
    assert max(values) > 0
    chosen = round(engine.weights_[1] * 10)
    assert values[chosen] == pytest.approx(max(values))


def test_a_hybrid_of_three_is_at_least_as_good_on_validation_as_each_part(parts):
    _, holdout = cut()
    names = ["popularity", "ease", "als"]
    engine = hybrid(parts, names, holdout)
    best = max(evaluate(parts[name], DATA, holdout, ks=(100,)).mean("ndcg@100") for name in names)
    assert evaluate(engine, DATA, holdout, ks=(100,)).mean("ndcg@100") >= best - 1e-9
    assert sum(engine.weights_) == pytest.approx(1)


@pytest.mark.parametrize("filter_seen", [True, False])
@pytest.mark.parametrize("candidates", [None, np.arange(0, 30, 2)])
@pytest.mark.parametrize("metric", ["ndcg@3", "recall@10", "precision@20"])
def test_a_pool_is_worth_what_the_whole_catalogue_is(parts, metric, candidates, filter_seen):
    holdout = replace(cut()[1], filter_seen=filter_seen)
    evaluated = holdout if candidates is None else _among(holdout, candidates)
    engines = list(parts.values())
    items = [zero_invalid(part.item_vectors(DATA.items)) for part in engines]
    spreads = tuple(range(1, len(engines) + 1))
    levels = tuple(ScoreMean.of(vectors) for vectors in items)
    pool = CandidatePool(ScoredParts(engines, spreads, levels, items), DATA, evaluated, evaluated.users, metric)
    weightings = np.random.default_rng(0).dirichlet(np.ones(len(engines)), 5)
    k = int(metric.split("@")[1])
    for weights, value in zip(weightings, pool.values(weightings), strict=True):
        engine = hybrid(parts, list(parts), weights=tuple(weights))
        engine.score_stds = spreads
        found = evaluate(engine, DATA, evaluated, ks=(k,))
        assert value == pytest.approx(found.mean(metric), abs=1e-6)


def _among(holdout: Holdout, candidates: np.ndarray) -> Holdout:
    kept = holdout.targets.select(np.isin(holdout.targets.item, candidates))
    return Holdout(np.unique(kept.user), holdout.history, kept, candidates, holdout.filter_seen)


class Few(Popularity):
    """Places every second user, and items below 20; ``sign`` times the popularity."""

    sign = 1.0

    def user_vectors(self, request):
        vectors = super().user_vectors(request)
        return Vectors(vectors.dense * np.float32(self.sign), valid=np.arange(len(request)) % 2 == 0)

    def item_vectors(self, items, at=None):
        return Vectors(super().item_vectors(items, at).dense, valid=np.arange(len(items)) < 20)


def few(sign: float = 1.0) -> Few:
    engine = Few()
    engine.sign = sign
    return _fitted(engine)


@pytest.mark.parametrize("weights", [(1, 1), (1, 0), (0, 1), (0.2, 0.8)])
@pytest.mark.parametrize("other", ["few", "ease"])
def test_a_pool_asks_users_and_ranks_items_that_a_part_with_a_weight_places(parts, other, weights):
    _, holdout = cut()
    engine = hybrid({"few": few(), "ease": parts["ease"]}, ["few", "ease"], weights=weights)
    engine.parts = engine.parts if other == "ease" else {"few": few(), "ease": few(-1.0)}
    engines = list(engine.parts.values())
    items = [zero_invalid(part.item_vectors(DATA.items)) for part in engines]
    engine.score_means = tuple(ScoreMean.of(vectors) for vectors in items)
    scored = ScoredParts(engines, engine.score_stds, engine.score_means, items)
    pool = CandidatePool(scored, DATA, holdout, holdout.users, "ndcg@10")
    value = pool.values(np.array([weights], float))[0]
    assert value == pytest.approx(evaluate(engine, DATA, holdout).mean("ndcg@10"), abs=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_item_that_a_part_does_not_place_is_a_middling_one_to_it(sign):
    engine = hybrid({"few": few(sign), "ease": _fitted(EASE())}, ["few", "ease"], weights=(1, 1))
    request = Request.from_dataset(DATA, np.arange(0, DATA.n_users, 2), cut()[0])
    engine.parts["ease"] = Constant()
    found = engine.user_vectors(request).scores(engine.item_vectors(DATA.items))
    assert (found[:, 20:] == 0).all()
    np.testing.assert_allclose(found[:, :20].mean(1), 0, atol=1e-5)
    assert (found[::2, :20].std(1) > 0).all()


class Constant:
    """Everything scores nought."""

    kind, config = "ease", None

    def user_vectors(self, request):
        return Vectors(np.zeros((len(request), 1), np.float32))

    def item_vectors(self, items, at=None):
        return Vectors(np.zeros((len(items), 1), np.float32))


def test_the_search_can_take_back_what_it_gave():
    def values(weightings: np.ndarray) -> np.ndarray:  # the first part is the best alone, and no part of the best mix
        alone = (weightings == 1).any(1)
        return np.where(alone, [0.5, 0.1, 0.1] @ weightings.T, 1 - np.abs(weightings - [0, 0.4, 0.6]).sum(1) / 2)

    found = list(search(values, 3, steps=20))
    assert (np.diff([value for _, value in found]) >= 0).all()
    assert found[-1][1] > 0.95
    np.testing.assert_allclose(found[-1][0], [0, 0.4, 0.6], atol=0.05)


def test_without_validation_the_parts_weigh_the_same(parts):
    assert hybrid(parts, ["ease", "als"]).weights_ == (0.5, 0.5)


def test_engines_given_to_it_come_before_those_of_the_context(parts):
    train, _ = cut()
    mine = ALS(factors=3).fit(DATA, train, seed=1)
    engine = Hybrid(parts={"ease": parts["ease"], "als": mine}).fit(DATA, train, context=FitContext(1, parts=parts))
    assert engine.parts["als"] is mine


def test_parts_that_nobody_gave_are_fitted_as_they_come():
    engine = hybrid({}, ["ease", "itemknn"])
    np.testing.assert_array_equal(scores(engine.parts["ease"]), scores(_fitted(EASE())))


def test_the_folder_is_self_contained(parts, tmp_path):
    engine = hybrid(parts, ["als", "knn"], weights=(0.3, 0.7))
    engine.save(tmp_path)
    assert np.array_equal(scores(Hybrid.load(tmp_path)), scores(engine))


def test_what_one_part_does_not_place_the_others_still_do():
    dense = Vectors(np.ones((3, 2), np.float32), valid=np.array([True, False, False]))
    sparse = Vectors(sparse=sp.csr_array(np.eye(3, dtype=np.float32)), valid=np.array([True, True, False]))
    both = joined([dense, sparse], [2.0, 1.0])
    assert both.valid.tolist() == [True, True, False]
    assert both.dense.tolist() == [[2, 2], [0, 0], [0, 0]]
    assert both.sparse.toarray().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"parts": ["ease"]}, "parts"),
        ({"parts": ["ease", "als"], "weights": [1.0]}, "as many weights"),
        ({"parts": ["ease", "als"], "weights": [0, 0]}, "positive"),
    ],
)
def test_a_config_that_cannot_work_is_refused(raw, message):
    with pytest.raises(ConfigError, match=message):
        parse(HybridConfig, raw, "engines.hybrid")


def _fitted(engine: Engine) -> Engine:
    return engine.fit(DATA, cut()[0])


def test_a_part_is_not_named_twice():
    with pytest.raises(ConfigError, match="name an engine twice"):
        parse(HybridConfig, {"parts": ["ease", "ease"]}, "engines.hybrid")


def remade(folder):
    """The manifest of a bundle that somebody has changed, made to fit."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("relative", [True, False], ids=["up and out", "absolute"])
def test_a_bundle_whose_part_lies_outside_is_refused_though_the_manifest_fits(tmp_path, parts, relative):
    folder, outside = tmp_path / "bundle", tmp_path / "outside"
    Bundle(hybrid(parts, ["ease", "popularity"]), DATA).save(folder)
    shutil.copytree(folder / "engine" / "parts" / "ease", outside)
    path = folder / "engine" / "config.json"
    options = json.loads(path.read_text())
    options["parts"][0] = "../../../outside" if relative else str(outside)
    path.write_text(json.dumps(options))
    remade(folder)
    with pytest.raises(ArtifactError, match=r"config\.json gives a name outside its folder"):
        Bundle.load(folder)
