"""Options far from any sense: lists of finite scores, or one message that names engine, option and remedy."""

import numpy as np
import pytest

import recsys as rs
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import FitContext
from recsys.engines import ENGINES
from recsys.engines.baselines.ease import EASE
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ConfigError, RecsysError
from recsys.fitted.options import check_scores, explained
from tests.pipelines.test_run import Ears

DATA = BlockTaste(users=30, items=14).dataset()


def told(ears):
    return "\n".join(ears.heard)


def test_a_penalty_that_takes_all_weights_of_ease_is_an_error_that_names_it():
    with pytest.raises(
        ConfigError, match=r"all weights of ease are 0 with a penalty of 1e\+30.*lower `regularization`"
    ):
        EASE(regularization=1e30).fit(DATA)


def test_scores_that_are_all_alike_are_told_with_engine_and_options():
    ears = Ears()
    Popularity(window=1e-30).fit(DATA, context=FitContext(tracker=ears))
    assert "popularity scores all items alike" in told(ears)
    assert "window = 1e-30 (default 0)" in told(ears)


def test_nothing_is_told_of_alike_scores_with_ordinary_options():
    ears = Ears()
    Popularity(window=3).fit(DATA, context=FitContext(tracker=ears))
    assert "alike" not in told(ears)


def test_scores_that_are_not_finite_name_engine_and_options():
    with pytest.raises(ConfigError, match=r"ease gives scores that are NaN.*regularization = 1e\+09 \(default 100\)"):
        check_scores(np.float32([[1, np.nan]]), "ease", EASE(regularization=1e9).config, Ears())


@pytest.mark.parametrize("error", [MemoryError("of 112 GiB"), RuntimeError("you tried: can't allocate memory")])
def test_memory_that_is_not_there_names_engine_and_options(error):
    als = ENGINES["als"](factors=65_000, iterations=1)
    told = r"als takes more memory .*; lower factors = 65000 \(default 64\)"
    with pytest.raises(ConfigError, match=told), explained("als", als.config):
        raise error


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        ("two_tower", "dim", 10**9),
        ("sasrec", "layers", 10**9),
        ("item2vec", "window", 10**9),
        ("als", "factors", 10**9),
    ],
)
def test_sizes_beyond_any_model_are_refused_before_anything_is_made(kind, option, value):
    with pytest.raises(ConfigError, match=rf"{option} = 1,000,000,000 is beyond .*, the largest that is taken"):
        ENGINES[kind](**{option: value})


def test_training_that_diverges_names_the_option_that_is_far_from_its_default():
    with pytest.raises(ConfigError, match=r"sasrec diverged.*closer to their defaults: model\.temperature = 1e-30"):
        ENGINES["sasrec"](epochs=1, dim=8, temperature=1e-30).fit(DATA)


ODD = {"learning_rate": 1e30, "temperature": 1e-30, "weight_decay": 1e30, "dropout": 0.999999}
KINDS = ("two_tower", "sasrec", "gru4rec", "bert4rec", "hstu", "lightgcn", "item2vec", "node2vec", "sage", "bpr")


def options(kind):
    config = ENGINES[kind].Config
    return {*config.flat_keys(), *config.model_fields}


CASES = [(kind, option) for kind in KINDS for option in ODD if option in options(kind)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "option"), CASES)
def test_a_trained_engine_ends_with_finite_lists_or_one_message_with_the_option(kind, option):
    few = {key: 1 for key in ("epochs", "iterations") if key in options(kind)}
    engine, ears = ENGINES[kind](**few, **{option: ODD[option]}), Ears()
    try:
        engine.fit(DATA, context=FitContext(tracker=ears))
    except RecsysError as error:
        message = str(error)
    else:
        message = told(ears)
        scores = rs.recommend(engine, DATA, k=5, filter_seen=False)["score"].to_numpy()
        assert np.isfinite(scores).all()
        if np.ptp(scores) > 0:
            return
    assert option in message
    assert kind in message
