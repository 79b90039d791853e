"""Bursts that were planted are found, and where there are none hardly any is."""

import json

import numpy as np
import pytest

from recsys.data.demand.anomalies import HISTORY, anomalies, report_periods
from recsys.data.demand.periods import DAY, Periods
from recsys.data.demand.summary import bars
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.validate import to_json, to_text, validate
from recsys.data.synthetic.seasonal import SeasonalDemand
from recsys.data.synthetic.worlds import SequenceRule, write_tables

ITEMS = ((3, 40, 60), (17, 75, 45))
USERS = ((5, 50, 70),)
WORLD = SeasonalDemand(items=40, users=60, days=98, rate=2.0, item_bursts=ITEMS, user_bursts=USERS)


def flagged(world: SeasonalDemand, side: str, seed: int = 0):
    x = world.dataset(seed).interactions
    rows, n = (x.item, world.items) if side == "item" else (x.user, world.users)
    return anomalies(Periods.calendar(x.time, DAY).counts(rows, x.time, n))[0]


@pytest.mark.parametrize("seed", range(3))
def test_planted_bursts_are_found_and_nothing_else_is(seed):
    assert {(flag.row, flag.period) for flag in flagged(WORLD, "item", seed)} == {(3, 40), (17, 75)}
    assert {(flag.row, flag.period) for flag in flagged(WORLD, "user", seed)} == {(5, 50)}


def test_a_flag_says_what_was_there_and_what_was_expected():
    flag = flagged(WORLD, "item")[0]
    rate = WORLD.means(np.arange(1))[flag.row, 0]
    assert flag.count >= 60
    assert 0.3 * rate < flag.expected < 3 * rate + 2
    assert flag.p < 1e-9
    assert len(flag.history) == 98
    assert flag.history[flag.period] == flag.count


def test_a_world_without_bursts_has_hardly_a_flag():
    clean = SeasonalDemand(items=60, users=60, days=98)
    found = [len(flagged(clean, side, seed)) for side in ("item", "user") for seed in range(5)]
    assert sum(found) <= 2  # of 50,000 counts


def test_a_burst_at_launch_is_no_anomaly_and_one_later_is():
    counts = np.random.default_rng(0).poisson(2.0, (50, 30)) + (np.arange(30) == 0)
    counts[7, :20], counts[7, 20:22] = 0, 90
    counts[8, 25] = 90
    found, looked = anomalies(_csr(counts))
    assert {(flag.row, flag.period) for flag in found} == {(8, 25)}
    assert looked == 49 * (30 - HISTORY) + (10 - HISTORY)


def test_too_few_events_or_periods_are_not_looked_at():
    assert anomalies(_csr(np.eye(5, 9))) == ([], 0)
    assert anomalies(_csr(np.full((3, 2), 9))) == ([], 0)
    assert report_periods(np.array([0, 11 * DAY - 1])) is None
    assert report_periods(np.array([0, 30 * DAY])).seconds == DAY
    assert report_periods(np.array([0, 100 * DAY])).seconds == 7 * DAY
    assert report_periods(np.array([0, 100_000 * DAY])).n == 520


def test_the_report_on_raw_tables_names_the_bursts(tmp_path):
    world = SeasonalDemand(days=70, item_bursts=((3, 40, 60),), user_bursts=USERS)
    paths = write_tables(world.dataset(), tmp_path)
    validation = validate(DataConfig(name="w", interactions=paths["interactions"]))
    text = to_text(validation)
    assert "demand: 70 days from 2001-09-10" in text
    assert "items: 1 of 2," in text
    assert "    3, day of 2001-10-20: " in text
    demand = json.loads(to_json(validation))["demand"]
    assert demand["period_days"] == 1
    assert [flag["id"] for flag in demand["users"]["flagged"]] == [5]
    assert demand["users"]["flagged"][0]["from"] == "2001-10-30"


def test_without_a_clock_or_with_errors_there_is_no_demand(tmp_path):
    paths = write_tables(SequenceRule().dataset(), tmp_path / "order")
    assert validate(DataConfig(name="w", interactions=paths["interactions"])).demand is None
    paths = write_tables(SeasonalDemand(days=30).dataset(), tmp_path / "broken")
    lines = paths["interactions"].read_text(encoding="utf-8").splitlines()
    lines[3] = ",1,999,1"
    paths["interactions"].write_text("\n".join(lines), encoding="utf-8")
    assert validate(DataConfig(name="w", interactions=paths["interactions"])).demand is None


def test_many_periods_share_a_bar_and_a_burst_is_not_lost():
    drawn = bars((*[1] * 100, 8, *[1] * 100))
    assert len(drawn) == 51
    assert drawn.count("█") == 1


def _csr(counts: np.ndarray):
    rows, periods = np.indices(counts.shape).reshape(2, -1)
    each = counts.astype(int).ravel()
    return Periods(0, 1, counts.shape[1]).counts(np.repeat(rows, each), np.repeat(periods, each), len(counts))


def test_a_newcomer_is_found_where_asked_for_beside_others_when_they_were_new(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.6, (200, 30))
    counts[np.arange(200), rng.integers(0, 20, 200)] += 1
    counts[9] = 0
    counts[9, 12:14] = 700, 800
    plain, _ = anomalies(_csr(counts))
    found, _ = anomalies(_csr(counts), newcomers=True)
    assert 9 not in {flag.row for flag in plain}
    assert {(flag.row, flag.period) for flag in found} - {(flag.row, flag.period) for flag in plain} == {(9, 13)}
    assert all(flag.expected < 9 for flag in found)


def test_newcomers_who_all_begin_with_a_burst_of_any_size_are_no_anomalies():
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.2, (400, 30))
    counts[np.arange(400), rng.integers(0, 5, 400)] += 20 + np.exp(rng.normal(4, 0.7, 400)).astype(int)
    assert len(anomalies(_csr(counts), newcomers=True)[0]) == len(anomalies(_csr(counts))[0])


def test_validate_finds_a_bot_that_comes_and_goes_within_days(tmp_path):
    rng = np.random.default_rng(0)
    user, day = rng.integers(0, 300, 3600), rng.integers(0, 200, 3600)
    bot, bot_day = np.full(1500, 999), rng.integers(100, 105, 1500)
    times = 1_700_000_000 + DAY * np.concatenate([day, bot_day]) + rng.integers(0, DAY, 5100)
    lines = zip(np.concatenate([user, bot]), rng.integers(0, 200, 5100), times, strict=True)
    text = "".join(f"{u},{i},{t}\n" for u, i, t in lines)
    (tmp_path / "x.csv").write_text(f"user_id,item_id,timestamp\n{text}")
    found = json.loads(to_json(validate(DataConfig(interactions=tmp_path / "x.csv", duplicates="keep"))))
    assert {flag["id"] for flag in found["demand"]["users"]["flagged"]} == {999}
