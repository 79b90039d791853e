"""The generator of the planted world, and the scorer that knows its rule."""

import numpy as np
import pytest
from PIL import Image

from recsys.data.splits.split import leave_last_n
from recsys.data.synthetic.planted import MODALITIES, following
from recsys.data.synthetic.planted_content import COLOURS, KINDS, THEMES, drawn, written
from recsys.data.synthetic.worlds import PlantedTaste
from recsys.data.vocabulary import MISSING
from recsys.evaluation.planted import PlantedOracle, planted_attribution

SMALL = {"users": 200, "items": 120, "events": 8, "pioneers": 150}
M = {name: m for m, name in enumerate(MODALITIES)}


@pytest.fixture(scope="module")
def world():
    return PlantedTaste(**SMALL).draw(1)


def test_each_kind_is_as_frequent_as_the_others_and_independent_of_them(world):
    for m in range(len(MODALITIES)):
        assert np.bincount(world.item_kinds[:, m]).tolist() == [30] * 4
    same = [(world.item_kinds[:, a] == world.item_kinds[:, b]).mean() for a in range(5) for b in range(a)]
    assert np.mean(same) == pytest.approx(0.25, abs=0.05)


def test_the_pioneers_come_first_and_stay_in_their_circle(world):
    x = world.interactions
    early = x.user < 150
    assert x.time[early].max() < x.time[~early].min()
    assert (world.item_kinds[x.item[early], M["graph"]] == world.wanted[x.user[early], M["graph"]]).all()
    train = leave_last_n(x, 350).train
    assert early.sum() / len(train) == pytest.approx(world.taste.early)
    assert (train.user < 150).sum() == early.sum()  # two events each: nobody of them is asked


def test_users_choose_what_they_want_as_often_as_the_softmax_says(world):
    """The mean agreement of the first choices beside its expectation, modality by modality."""
    first = world.interactions.item[300::8]
    wanted = world.wanted[150:]
    scores = world.taste.scores(wanted, world.item_kinds)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    for name in ("text", "image", "tabular", "graph"):
        agree = wanted[:, M[name], None] == world.item_kinds[:, M[name]]
        found = agree[np.arange(200), first].mean()
        assert found == pytest.approx((p * agree).sum(1).mean(), abs=0.1)
    assert len(np.unique(world.interactions.user * 1000 + world.interactions.item)) == len(world.interactions)


def test_the_stage_that_is_wanted_follows_that_of_the_last_item(world):
    wanted = following(world.wanted[:2], world.item_kinds, np.array([7, MISSING]), 4)
    assert wanted[:, M["sequence"]].tolist() == [(world.item_kinds[7, M["sequence"]] + 1) % 4, MISSING]
    assert (np.delete(wanted, M["sequence"], 1) == np.delete(world.wanted[:2], M["sequence"], 1)).all()


@pytest.mark.parametrize("kind", range(KINDS))
def test_texts_and_pictures_tell_their_kind(kind):
    rng = np.random.default_rng(0)
    words = set(THEMES[kind].split())
    assert np.mean([word in words for _ in range(20) for word in written(kind, rng).split()[2::4]]) > 0.75
    for _ in range(20):
        pixels = np.asarray(drawn(kind, rng)).reshape(-1, 3).astype(float)
        near = [(np.abs(pixels - colour).sum(1) < 100).sum() for colour in COLOURS]
        assert near[kind] == max(near) > 20


def test_it_is_written_as_tables_and_pictures(world, tmp_path):
    paths = world.write(tmp_path)
    assert sorted(paths) == ["interactions", "items", "users"]
    picture = world.data.items.columns["picture"][5]
    with Image.open(tmp_path / picture) as image:
        assert image.size == (32, 32)
    assert world.data.users.columns["topic"].isna().sum() == 150
    assert world.data.users.columns["circle"].notna().all()


def test_a_seed_gives_the_same_world_again():
    assert PlantedTaste(**SMALL).draw(4).data.fingerprint == PlantedTaste(**SMALL).draw(4).data.fingerprint
    assert PlantedTaste(**SMALL).draw(4).data.fingerprint != PlantedTaste(**SMALL).draw(5).data.fingerprint


def test_the_oracle_scores_by_the_logits_it_may_see(world):
    from recsys.engine import Request

    data = world.data
    request = Request.from_dataset(data, np.arange(150, 160))
    oracle = PlantedOracle(world, {"text", "sequence"})
    found = oracle.user_vectors(request).scores(oracle.item_vectors(data.items))
    last = world.interactions.item[300 + 7 : 300 + 80 : 8]
    now = following(world.wanted[150:160], world.item_kinds, last, 4)
    expected = 2.0 * ((now[:, None] == world.item_kinds) * np.isin(MODALITIES, ["text", "sequence"])).sum(2)
    np.testing.assert_allclose(found, expected)


def test_planted_shares_follow_the_weights():
    weights = {"text": 3.0, "image": 0.0, "tabular": 1.0, "graph": 2.0, "sequence": 2.0}
    world = PlantedTaste(**SMALL, weights=weights).draw(0)
    attribution = planted_attribution(world, world.data, leave_last_n(world.interactions, 350).test, "recall@20")
    share = {name: worth.share for name, worth in attribution.contributions.items()}
    assert share["image"] == pytest.approx(0)
    assert share["text"] > max(share["graph"], share["sequence"])
    assert min(share["graph"], share["sequence"]) > share["tabular"] > 0
