"""Options that follow from the data where the user sets none."""

import numpy as np
import pytest
import torch

from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import FitContext
from recsys.engines.two_tower.id_start import spectral_start
from recsys.engines.two_tower.sequence import SASRec, SASRecConfig
from recsys.engines.two_tower.sizing import Facts, sized
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.models.build import ModelOptions
from recsys.tracking import SilentTracker

WORLD = BlockTaste(users=120, items=60, events=8)


class Heard(SilentTracker):
    def __init__(self):
        self.messages = []

    def info(self, message):
        self.messages.append(message)


@pytest.mark.parametrize("events", [50, 1_000, 30_000, 1_000_000, 100_000_000])
def test_a_training_outlives_its_warmup_and_is_validated_a_handful_of_times(events):
    options = sized(TwoTowerConfig(), Facts(events, 2_000))
    training = options.training
    steps = max(events / options.max_tokens, 1) * training.epochs
    assert training.warmup <= max(steps / 20, 0) + 1
    assert 5 <= training.epochs / training.validate_every <= 20
    assert steps >= min(1000, 60)


def test_what_is_set_stays_as_it_is_flat_or_in_its_section():
    config = TwoTowerConfig.model_validate({"epochs": 30, "training": {"patience": 0}, "max_tokens": 4096})
    options = sized(config, Facts(10_000, 500))
    assert (options.training.epochs, options.training.patience, options.max_tokens) == (30, 0, 4096)
    assert options.training.warmup < 50


def test_the_whole_catalogue_is_scored_where_it_is_small_and_nothing_asks_for_samples():
    assert sized(TwoTowerConfig(), Facts(10_000, 500)).loss == "full_softmax"
    assert sized(TwoTowerConfig(), Facts(10_000, 50_000)).loss == "sampled_softmax"
    assert sized(TwoTowerConfig(n_negatives=64), Facts(10_000, 500)).loss == "sampled_softmax"


def test_batches_grow_with_the_interactions_up_to_a_size_and_further_with_millions():
    tokens = [sized(TwoTowerConfig(), Facts(events, 2_000)).max_tokens for events in (500, 30_000, 10**6, 10**7, 10**9)]
    assert tokens == [256, 512, 1024, 4096, 4096]


@pytest.mark.parametrize(
    ("events", "items", "dim"), [(4_000, 500, 32), (30_000, 5_000, 64), (50_000, 12_000, 128), (990_000, 3_500, 128)]
)
def test_vectors_grow_with_the_interactions_and_the_catalogue(events, items, dim):
    assert sized(TwoTowerConfig(), Facts(events, items)).model.dim == dim


def test_ids_stay_out_where_most_validation_targets_are_items_that_training_never_saw():
    facts = Facts(10_000, 500, new_items=0.9)
    assert not sized(TwoTowerConfig(), facts).model.item_id
    assert sized(TwoTowerConfig(item_id=True), facts).model.item_id
    assert sized(TwoTowerConfig(), Facts(10_000, 500, new_items=0.2)).model.item_id


def test_a_model_of_new_items_sums_histories_and_cuts_numbers_where_the_user_does_not_say_otherwise():
    facts = Facts(10_000, 500, new_items=0.9)
    model = sized(TwoTowerConfig(), facts).model
    assert (model.pooling, model.rate, model.similarity, model.temperature) == ("decayed", 0.99, "dot", 1.0)
    assert model.numeric == "piecewise"
    given = sized(TwoTowerConfig(model={"pooling": "gru", "similarity": "cosine", "numeric": "periodic"}), facts).model
    assert (given.pooling, given.similarity, given.numeric) == ("gru", "cosine", "periodic")
    assert given.rate == ModelOptions().rate
    assert sized(SASRecConfig(), facts).model.pooling == "transformer"


def test_no_column_is_left_out_for_items_that_training_never_saw():
    data, heard = WORLD.dataset(), Heard()
    parts = split(data, "cold_items", share=0.2)
    context = FitContext(tracker=heard, validation=parts.validation)
    engine = TwoTower(dim=8, epochs=1).fit(data, parts.train, context=context)
    assert engine.options_.leave_out == ()
    assert not any("left out" in line for line in heard.messages)


def test_the_share_of_new_items_is_that_of_the_validation_targets():
    data = WORLD.dataset()
    parts = split(data, "cold_items", share=0.2)
    assert Facts.of(parts.train, data.n_items, parts.validation).new_items == 1
    parts = split(data, "leave_one_out")
    trained = np.isin(parts.validation.targets.item, parts.train.item)
    assert Facts.of(parts.train, data.n_items, parts.validation).new_items == pytest.approx(1 - trained.mean())


def test_a_named_encoder_stays_what_its_name_says():
    assert sized(SASRecConfig(), Facts(10_000, 500)).model.pooling == "transformer"


def test_columns_that_tell_nothing_are_left_out_and_named():
    heard = Heard()
    engine = TwoTower(dim=8, epochs=1).fit(WORLD.dataset(), context=FitContext(tracker=heard))
    assert engine.options_.leave_out == ("users.age",)
    assert "age" not in engine.inputs.columns
    assert {"team", "genre", "mood", "size"} <= set(engine.inputs.columns)
    assert any("users.age" in message for message in heard.messages)


def test_every_column_enters_where_none_is_to_be_left_out():
    engine = TwoTower(dim=8, epochs=1, leave_out=[]).fit(WORLD.dataset())
    assert {"team", "age", "genre", "mood", "size"} == set(engine.inputs.columns)


def test_a_loaded_engine_keeps_what_followed_from_the_data(tmp_path):
    engine = TwoTower(dim=8, epochs=1).fit(WORLD.dataset())
    engine.save(tmp_path / "e")
    assert TwoTower.load(tmp_path / "e").chosen_config() == engine.chosen_config() == engine.options_


def test_ids_begin_near_those_that_the_same_users_chose():
    data = WORLD.dataset()
    weight = torch.randn(data.n_items, 8) * 0.02
    spectral_start(weight, data.interactions, data.n_users, seed=0)
    unit = torch.nn.functional.normalize(weight, dim=1)
    alike = (unit @ unit.T).numpy()
    same = np.equal.outer(np.arange(60) % 2, np.arange(60) % 2) & ~np.eye(60, dtype=bool)
    assert alike[same].mean() > alike[~same & ~np.eye(60, dtype=bool)].mean() + 0.1
    again = torch.randn(data.n_items, 8, generator=torch.Generator().manual_seed(1)) * 0.02
    copy = again.clone()
    for table in (again, copy):
        spectral_start(table, data.interactions, data.n_users, seed=0)
    torch.testing.assert_close(again, copy, rtol=0, atol=0)


def test_items_without_interactions_begin_at_random():
    data = BlockTaste(users=30, items=20, new_items=3).dataset()
    weight = torch.full((data.n_items, 8), 0.5)
    spectral_start(weight, data.interactions, data.n_users, seed=0)
    assert (weight[20:] == 0.5).all()


def test_a_random_start_is_an_option():
    data = WORLD.dataset()
    tables = [
        SASRec(dim=8, epochs=1, id_start=start).fit(data).item_table().vectors for start in ("spectral", "random")
    ]
    assert not np.array_equal(*tables)
