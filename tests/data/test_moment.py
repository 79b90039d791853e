"""Moments of configs and calls: every usual form is the same seconds."""

import tomllib
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.config import apply_overrides, parse
from recsys.data.moment import seconds_since_1970
from recsys.data.splits.split import SplitConfig
from recsys.errors import ConfigError, DataError
from recsys.retrieval.batch import RecommendOptions

DAY = 1580428800  # 2020-01-31
MOMENTS = {
    "seconds": DAY,
    "text of seconds": str(DAY),
    "fraction": DAY + 0.5,
    "date": date(2020, 1, 31),
    "datetime": datetime(2020, 1, 31),
    "aware": datetime(2020, 1, 31, 2, tzinfo=timezone(timedelta(hours=2))),
    "utc": datetime(2020, 1, 31, tzinfo=UTC),
    "pandas": pd.Timestamp("2020-01-31"),
    "pandas with a zone": pd.Timestamp("2020-01-31 09:00", tz="Asia/Tokyo"),
    "numpy": np.datetime64("2020-01-31T00:00:00.000000000"),
    "numpy integer": np.int64(DAY),
    "text of a date": "2020-01-31",
    "text of a datetime": "2020-01-31T00:00:00",
    "text with Z": "2020-01-31T00:00:00Z",
    "text with a blank": "2020-01-31 02:00:00+02:00",
    "digits": 20200131,
    "text of digits": "20200131",
    "fourteen digits": 20200131000000,
}


@pytest.mark.parametrize("name", list(MOMENTS))
def test_a_moment_takes_every_usual_form(name):
    split = parse(SplitConfig, {"protocol": "temporal", "test_from": MOMENTS[name], "validation_from": 0}, "[split]")
    assert split.test_from == DAY
    assert RecommendOptions(at=MOMENTS[name]).at == DAY


TOML = ["2020-01-31", "2020-01-31T00:00:00", "2020-01-31 02:00:00+02:00", '"2020-01-31"', str(DAY), "20200131"]


@pytest.mark.parametrize("text", TOML)
def test_a_toml_date_datetime_or_text_is_a_moment_in_a_file_and_in_set(text):
    raw = tomllib.loads(f"at = {text}\n")
    assert parse(RecommendOptions, raw, "[recommend]").at == DAY
    assert parse(RecommendOptions, apply_overrides({}, [f"at={text}"]), "[recommend]").at == DAY


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("soon", "'soon' is no moment: write a date"),
        ("31/01/2020", "is no moment"),
        (1580428800000, "in milliseconds or finer"),
        (2**70, "in milliseconds or finer"),
        (-(2**70), "is no moment"),
        (float("-inf"), "is no moment"),
        (float("nan"), "is no moment"),
        (True, "is no moment"),
        ("20201399", None),
    ],
)
def test_what_is_no_moment_is_refused_with_what_is_one(value, told):
    if told is None:
        assert seconds_since_1970(value) == 20201399
    else:
        with pytest.raises(ConfigError, match=told):
            parse(RecommendOptions, {"at": value}, "[recommend]")


def test_a_temporal_split_takes_dates_and_names_them():
    times = pd.date_range("2020-01-01", periods=40, freq="D")
    data = rs.read_dataset(pd.DataFrame({"user_id": 1, "item_id": range(40), "timestamp": times}))
    made = rs.split(data, "temporal", validation_from=date(2020, 1, 21), test_from="2020-01-31")
    assert (len(made.train), len(made.validation.targets), len(made.test.targets)) == (20, 10, 10)
    with pytest.raises(
        DataError, match="they span 2020-01-01 to 2020-02-09, the cutoffs are 2020-01-21 and 2021-01-01"
    ):
        rs.split(data, "temporal", validation_from=date(2020, 1, 21), test_from="2021-01-01")
