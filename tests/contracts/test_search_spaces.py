"""The search space of every engine, through the same tests."""

import numpy as np
import pytest

from pipelines.specs import engine_spec
from pipelines.tune_section import TuneSection, space_of, with_options
from recsys.engines import ENGINES
from recsys.errors import ConfigError
from recsys.experiment.search_spaces import Range, combinations, default_space, draw, n_combinations
from recsys.seeding import stream

GIVEN = {"hybrid": {"parts": ["als", "ease"]}}


@pytest.mark.parametrize("kind", list(ENGINES))
def test_every_engine_has_a_search_space_and_a_random_draw_of_it_is_a_valid_config(kind):
    rng, config = stream(0, "spaces", kind), ENGINES[kind].Config
    for _ in range(20):
        options = draw(default_space(kind), rng)
        spec = engine_spec(kind, with_options(GIVEN.get(kind, {}), options, config), "space")
        for option, value in options.items():
            found = spec.config
            for part in option.split("."):
                found = getattr(found, part)
            assert found == value


@pytest.mark.parametrize("kind", list(ENGINES))
def test_the_ends_of_every_range_are_valid(kind):
    config = ENGINES[kind].Config
    for option, values in default_space(kind).items():
        for value in [values.low, values.high] if isinstance(values, Range) else values:
            engine_spec(kind, with_options(GIVEN.get(kind, {}), {option: value}, config), "space")


@pytest.mark.parametrize(("low", "high", "log"), [(1, 9, True), (0.001, 1.0, True), (0.0, 0.5, False)])
def test_a_draw_is_inside_its_range(low, high, log):
    values, rng = Range(low=low, high=high, log=log), np.random.default_rng(0)
    drawn = [values.draw(rng) for _ in range(50)]
    assert all(low <= value <= high and isinstance(value, type(low)) for value in drawn)
    assert len(set(drawn)) > 5


@pytest.mark.parametrize("range_", [{"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}, {"low": 0, "hi": 1}])
def test_a_range_that_is_none_is_refused(range_):
    with pytest.raises(ValueError, match=r"below|above 0|high"):
        Range(**range_)


def test_lists_have_combinations_and_ranges_do_not():
    space = {"a": [1, 2], "b": [True, False]}
    assert n_combinations(space) == len(list(combinations(space))) == 4
    assert n_combinations({**space, "c": Range(low=0, high=1)}) is None


def test_an_option_of_the_config_gives_way_to_the_drawn_one_however_it_is_written():
    config = ENGINES["two_tower"].Config
    raw = {"dim": 8, "training": {"epochs": 3}}
    drawn = with_options(raw, {"model.dim": 32, "training.epochs": 9}, config)
    assert drawn == {"model": {"dim": 32}, "training": {"epochs": 9}}
    assert raw == {"dim": 8, "training": {"epochs": 3}}


def test_options_of_a_space_may_be_written_flat():
    space = space_of("two_tower", {}, TuneSection(space={"two_tower": {"epochs": [1, 2], "model.dim": [8]}}))
    assert list(space) == ["training.epochs", "model.dim"]
    with pytest.raises(ConfigError, match=r"training\.epochs twice"):
        space_of("two_tower", {}, TuneSection(space={"two_tower": {"epochs": [1], "training.epochs": [2]}}))
