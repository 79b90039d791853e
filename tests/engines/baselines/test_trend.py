"""The forecast of demand, and the embeddings that it leaves."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.data.demand.forecast import volume_ahead
from recsys.data.demand.periods import DAY, Periods
from recsys.data.synthetic.seasonal import SeasonalDemand
from recsys.engines.baselines.trend import Trend
from recsys.errors import ConfigError, DataError

DAILY = {"period": 1, "dim": 16, "training": {"epochs": 25, "learning_rate": 0.01, "warmup": 5}}


def fitted(data, train=None, **options) -> Trend:
    return Trend(**DAILY | options).fit(data, train, seed=1)


def deviance(means: np.ndarray, forecast: np.ndarray) -> float:
    """Poisson's, of known means."""
    return float(2 * (means * np.log(means / forecast) - means + forecast).mean())


@pytest.mark.parametrize("network", ["gru", "transformer"])
def test_a_planted_season_is_forecast_and_stands_in_the_embeddings(network):
    world = SeasonalDemand(season=0.8, rate=4.0)
    data = world.dataset()
    engine = fitted(data, network=network)
    means = world.means(np.array([world.days]))[:, 0]
    counts = Periods.up_to(data.interactions.time, DAY).counts(data.interactions.item, data.interactions.time, 40)
    past = counts.toarray()
    others = {"mean": past.mean(1), "a week": past[:, -7:].mean(1), "same day": past[:, -7] + 0.1}
    assert deviance(means, engine.demand) < 0.4 * min(deviance(means, other) for other in others.values())
    states = engine.states - engine.states.mean(0)
    first = np.linalg.svd(states, full_matrices=False)[0][:, 0]
    assert abs(np.corrcoef(first, np.arange(40) % 2)[0, 1]) > 0.8


def test_without_seasons_the_forecast_is_the_rate():
    world = SeasonalDemand(rate=4.0)
    engine = fitted(world.dataset(), training={"epochs": 3})
    means = world.means(np.array([world.days]))[:, 0]
    assert np.corrcoef(np.log(means), np.log(engine.demand))[0, 1] > 0.95
    assert engine.demand.sum() == pytest.approx(means.sum(), rel=0.2)


def test_an_item_without_events_gets_no_state_and_is_not_placed():
    data = SeasonalDemand(days=20).dataset()
    x = data.interactions
    train = x.select((x.item != 4) & ((x.item != 9) | (np.arange(len(x)) == np.flatnonzero(x.item == 9)[0])))
    engine = fitted(data, train, training={"epochs": 1})
    table = engine.item_table()
    assert 4 not in table.vocabulary.ids.tolist()
    assert 9 in table.vocabulary.ids.tolist()
    assert engine.item_vectors(data.items).valid.tolist() == [row != 4 for row in range(40)]
    assert engine.demand[4] == 0


def test_only_the_newest_periods_count():
    data = SeasonalDemand(days=30).dataset()
    x = data.interactions
    short = fitted(data, length=10, training={"epochs": 1})
    cut = int(x.time.max()) + 1 - 10 * DAY
    again = fitted(data, x.select(x.time >= cut), length=10, training={"epochs": 1})
    assert np.array_equal(short.demand, again.demand)
    assert np.array_equal(short.states, again.states)


def test_data_without_a_clock_or_within_one_period_is_refused():
    data = SeasonalDemand(days=20).dataset()
    with pytest.raises(ConfigError, match="'trend' counts by period and needs a timestamp"):
        fitted(replace(data, has_timestamps=False))
    with pytest.raises(DataError, match="lie within period = 30 days; set a shorter one"):
        fitted(data, period=30)


def test_the_forecasts_of_all_items_add_up_to_the_volume():
    engine = fitted(SeasonalDemand(days=30, rate=4.0).dataset(), training={"epochs": 1})
    x = SeasonalDemand(days=30, rate=4.0).dataset().interactions
    volume = np.bincount(Periods.up_to(x.time, DAY).of(x.time))
    assert engine.demand.sum() == pytest.approx(volume_ahead(volume.astype(np.float64)), rel=1e-5)
