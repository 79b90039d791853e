"""Whatever happens after the cut, all that is learnt from what came before stays the same, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Split, SplitConfig, make_split
from recsys.data.synthetic.worlds import START, BlockTaste
from recsys.embedding_table import EmbeddingTable
from recsys.engine import FitContext, Request
from recsys.engines import ENGINES
from recsys.engines.baselines.popularity import Popularity
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.experiment.pretrain import pretrain_table
from recsys.negatives import NEGATIVES
from recsys.seeding import stream

WORLD = BlockTaste(users=20, items=16, events=7, noise=0.2, new_items=1).dataset()
CUTS = (START + 4 * 3600, START + 5 * 3600)
SPLITS = {
    "temporal": SplitConfig(protocol="temporal", validation_from=CUTS[0], test_from=CUTS[1]),
    "temporal by share": SplitConfig(protocol="temporal", validation=0.2, test=0.2),
    "leave_one_out": SplitConfig(protocol="leave_one_out"),
    "leave_last_n": SplitConfig(protocol="leave_last_n", n=2),
    "user_holdout": SplitConfig(protocol="user_holdout", share=0.2, given=0.5),
    "cold_items": SplitConfig(protocol="cold_items", share=0.2),
    "given": SplitConfig(protocol="given", validation=0.2),
}


def divided(name: str, data: Dataset) -> Split:
    """The split; of ``given`` the events of the last hours are the test file."""
    x = data.interactions
    late = x.time >= CUTS[1]
    return make_split(data, SPLITS[name], (x.select(~late), x.select(late)) if name == "given" else None)


def key(x: Interactions) -> list[tuple[int, int, int]]:
    return list(zip(x.user.tolist(), x.item.tolist(), x.time.tolist(), strict=True))


def changed(name: str, data: Dataset, before: Interactions, seed: int) -> Dataset:
    """``data`` with everything outside ``before`` changed as far as the protocol lets the cut stay where it is."""
    x, rng = data.interactions, stream(seed, "future")
    known = set(key(before))
    after = np.array([event not in known for event in key(x)])
    user, item, time, weight = (column.copy() for column in (x.user, x.item, x.time, x.weight))
    n = int(after.sum())
    weight[after] = rng.integers(1, 9, n)
    if name == "cold_items":  # these are all that is known of these items: others may have touched them, at any time
        user[after] = rng.permutation(user[after])
        time[after] = rng.integers(START, 2 * START, n)
    else:
        item[after] = rng.integers(data.n_items, size=n)
        if name == "user_holdout":
            time[after] = rng.integers(0, 2 * START, n)
        elif name != "temporal by share":  # its cut is counted over all of time
            later = rng.integers(0, START, n)
            between = time[after] < CUTS[1]  # a validation window of a temporal or given split stays what it is
            time[after] += np.where(between, 0, later) if name in ("temporal", "given") else later
    if name in ("temporal", "given"):  # any number of users may do any number of things later
        more = int(rng.integers(1, 40))
        user = np.append(user, rng.integers(data.n_users, size=more))
        item = np.append(item, rng.integers(data.n_items, size=more))
        time = np.append(time, rng.integers(2 * START, 3 * START, more))
        weight = np.append(weight, np.ones(more, np.float32))
    return replace(data, interactions=Interactions.of(user, item, time, weight))


def assert_same(a: Interactions, b: Interactions) -> None:
    for column in ("user", "item", "time", "weight"):
        assert getattr(a, column).tobytes() == getattr(b, column).tobytes()


def inputs(data: Dataset, train: Interactions) -> list[object]:
    """All that training takes from ``data`` and ``train``, but for weights."""
    counts = train.item_counts(data.n_items)
    found: list[object] = [counts.tobytes()]
    for table, rows in ((data.items, np.unique(train.item)), (data.users, np.unique(train.user))):
        for numeric in ("standard", "quantile"):
            features = FeatureSet.fit(table, rows, FeatureOptions(numeric=numeric))
            found.append(features.to_dict())
            found += [values.tobytes() for values in features.transform(table).values()]
    for name in NEGATIVES:
        drawn = NEGATIVES[name](counts, 50).sample(train.item.astype(np.int64), stream(1, name))
        found += [drawn.rows.tobytes(), drawn.log_q.tobytes()]
    return found


@pytest.mark.parametrize("name", list(SPLITS))
@given(seed=st.integers(0, 2**32))
@settings(max_examples=8, deadline=None)
def test_no_training_input_moves_when_the_future_changes(name, seed):
    split = divided(name, WORLD)
    for part in ("train", "train_and_validation"):
        before = getattr(split, part)
        other = changed(name, WORLD, before, seed)
        assert other.interactions.fingerprint != WORLD.interactions.fingerprint
        again = getattr(divided(name, other), part)
        assert_same(before, again)
        assert inputs(WORLD, before) == inputs(other, again)


def weights(engine: TwoTower) -> list[bytes]:
    return [value.numpy().tobytes() for value in engine.model.state_dict().values()]


def two_tower(data: Dataset, train: Interactions, context: FitContext) -> TwoTower:
    raw = {"model": {"dim": 8}, "n_negatives": 16, "max_tokens": 64, "training": {"epochs": 1}, "tables": ["mine"]}
    return TwoTower(**raw).fit(data, train, context=context)


PRETRAINERS = {
    "als": {"factors": 4, "iterations": 2},
    "bpr": {"factors": 4, "iterations": 2},
    "item2vec": {"dim": 4, "epochs": 1},
    "trend": {"period": 1 / 24, "dim": 4, "epochs": 1},
}


def table_of(kind: str, data: Dataset, train: Interactions, share: float) -> EmbeddingTable:
    return pretrain_table(ENGINES[kind](**PRETRAINERS[kind]), data, train, share, FitContext())


@pytest.mark.parametrize("name", list(SPLITS))
def test_no_table_and_no_weight_moves_when_the_future_changes(name):
    split = divided(name, WORLD)
    other = changed(name, WORLD, split.train, 1)
    trains = split.train, divided(name, other).train
    tables = []
    for pretrainer in PRETRAINERS:
        a, b = (table_of(pretrainer, data, train, 0.6) for data, train in zip((WORLD, other), trains, strict=True))
        assert a.vocabulary.same_as(b.vocabulary)
        assert a.vectors.tobytes() == b.vectors.tobytes()
        tables.append((a, b))
    mine = tables[0]
    engines = [
        two_tower(data, train, FitContext(3, tables={"mine": table}))
        for data, train, table in zip((WORLD, other), trains, mine, strict=True)
    ]
    assert weights(engines[0]) == weights(engines[1])
    assert engines[0].inputs.item_features.to_dict() == engines[1].inputs.item_features.to_dict()


@pytest.mark.parametrize("name", list(SPLITS))
def test_no_epoch_is_chosen_and_no_popularity_counted_with_the_test_part(name):
    split = divided(name, WORLD)
    other = changed(name, WORLD, split.train_and_validation, 2)
    again = divided(name, other)
    assert_same(split.validation.history, again.validation.history)
    assert_same(split.validation.targets, again.validation.targets)
    engines = []
    for data, part in ((WORLD, split), (other, again)):
        table = table_of("als", data, part.train, 1.0)
        engines.append(two_tower(data, part.train, FitContext(3, part.validation, tables={"mine": table})))
    assert weights(engines[0]) == weights(engines[1])
    assert engines[0].curve_ == engines[1].curve_
    scores = []
    for data, part in ((WORLD, split), (other, again)):
        engine = Popularity().fit(data, part.train_and_validation)
        request = Request.from_dataset(data, np.arange(3), part.train_and_validation)
        scores.append(engine.user_vectors(request).scores(engine.item_vectors(data.items)).tobytes())
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("popularity", {}), ("itemknn", {}), ("itemknn", {"weighting": "idf"})],
)
def test_an_item_that_comes_later_moves_no_weight(kind, options):
    train = make_split(WORLD, SPLITS["temporal"]).train
    items = WORLD.items
    later = items.vocabulary.extended([9_000])
    grown = replace(WORLD, items=EntityTable.aligned(later, items.vocabulary.ids, items.columns, items.schema))
    request = Request.from_dataset(WORLD, np.arange(WORLD.n_users), train)
    scores = []
    for data in (WORLD, grown):
        engine = ENGINES[kind](**options).fit(data, train)
        scores.append(engine.user_vectors(request).scores(engine.item_vectors(items)).tobytes())
    assert scores[0] == scores[1]
