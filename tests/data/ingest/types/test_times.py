"""Times in every usual form are read or refused with a remedy for the value at hand; odd ones are named by row."""

import numpy as np
import pandas as pd
import pytest

from recsys.config import parse
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.validate import validate
from recsys.data.interactions import Interactions
from recsys.data.merge import merged
from recsys.data.read import read_dataset
from recsys.errors import ConfigError, DataError

START = 1600000000  # 2020-09-13T12:26:40
ISO = "2020-09-13T12:26:40"


def events(times, **more):
    n = len(times)
    return pd.DataFrame({"user_id": 1, "item_id": range(n), "timestamp": pd.Series(times, dtype=object)} | more)


def config(folder, times, **more):
    events(times).to_csv(folder / "x.csv", index=False)
    return DataConfig.model_validate({"interactions": folder / "x.csv", **more})


def found(folder, times, **more):
    """Severity, rows from 1, and text of each issue of the times."""
    issues = validate(config(folder, times, **more))
    return [(i.severity, (i.rows + 1).tolist(), f"{i.found} -> {i.remedy}") for i in issues if i.column == "timestamp"]


def read(folder, times, **more):
    """The times, from a file and from a frame."""
    data = ingest(config(folder, times, **more)).data
    again = read_dataset(events(times))
    assert again.interactions.fingerprint == data.interactions.fingerprint
    return data.interactions.time.tolist()


def usual(n=20):
    return [START + 1000 * k for k in range(n)]


DIGITS = {
    20200913: 1599955200,
    2020091312: 1599998400,
    202009131226: 1599999960,
    20200913122640: START,
    20200913122640123: START,
    1600000000123: START,
    1600000000123456: START,
    1600000000123456789: START,
}


@pytest.mark.parametrize("number", list(DIGITS))
def test_dates_of_digits_and_finer_units_are_read_and_told(number, tmp_path):
    assert read(tmp_path, [number] * 3) == [DIGITS[number]] * 3
    [(severity, rows, text)] = found(tmp_path, [number] * 3)
    assert (severity, rows) == ("warning", [1, 2, 3])
    assert f"as '{number}', and read so: 2020-09-13" in text


def test_digits_of_which_some_are_no_dates_name_those(tmp_path):
    [_, (severity, rows, text)] = sorted(found(tmp_path, [20200913] * 20 + [20201332]), reverse=True)
    assert (severity, rows) == ("error", [21])
    assert "'20201332' is no time" in text


def test_seconds_are_not_dates_of_digits(tmp_path):
    assert read(tmp_path, [2020091312, 2020139999]) == [2020091312, 2020139999]
    assert read(tmp_path, usual(3)) == usual(3)


WRITTEN = [
    ("2020-09-13 12:26:40", "year-month-day"),
    ("2020/09/13 12:26:40", "year-month-day"),
    ("13/09/2020 12:26:40", "day/month/year"),
    ("09/13/2020 12:26:40 PM", "month/day/year"),
    ("13.09.2020 12:26:40", "day.month.year"),
    ("Sep 13, 2020 12:26:40", "name of the month"),
    ("Sun, 13 Sep 2020 14:26:40 +0200", "name of the month"),
    ("2020-09-13T14:26:40+02:00", "year-month-day"),
]


@pytest.mark.parametrize(("cell", "form"), WRITTEN)
def test_dates_of_other_formats_are_read_and_told(cell, form, tmp_path):
    assert read(tmp_path, [cell]) == [START]
    told = found(tmp_path, [cell])
    assert len(told) == (form != "year-month-day")
    assert all(form in text for _, _, text in told)


def test_dates_in_several_formats_are_named_and_day_and_month_are_told_apart(tmp_path):
    cells = ["2020-09-13", "2020-09-14", "14/09/2020", "03/09/2020", "Sep 16, 2020"]
    days = {pd.Timestamp(1970, 1, 1) + pd.Timedelta(seconds=time) for time in read(tmp_path, cells)}
    assert {day.day for day in days} == {13, 14, 3, 16}
    [(severity, rows, text)] = found(tmp_path, cells)
    assert (severity, rows) == ("warning", [3, 4, 5])
    assert "several formats" in text
    assert "'14/09/2020' (day/month/year)" in text


REFUSED = {
    "01/02/2020": "day, month and year cannot be told apart",
    "13/09/20": "day, month and year cannot be told apart",
    "0000-00-00 00:00:00": "stands for an unknown time",
    "2020-02-30": "no such day",
    "1965-03-01": "lies before 1970",
    "9999-12-31": "may stand for never",
    "20200913122640": "write the date as 2020-09-13T12:26:40",
    "1600000000123456": "divide by 1000000 if it is in microseconds (2020-09-13)",
    "637355968000000000": "ticks of .NET",
}


@pytest.mark.parametrize("cell", list(REFUSED))
def test_a_time_that_cannot_be_read_is_refused_with_the_remedy_for_it(cell, tmp_path):
    [(severity, rows, text)] = found(tmp_path, [*usual(), cell])
    assert (severity, rows) == ("error", [21])
    assert REFUSED[cell] in text


ODD = {
    0: "years before all others",
    1: "years before all others",
    "1970-01-01": "years before all others",
    "2099-01-01": "years after all others",
    9999999999: "stand for an unknown time or for never",
    2147483647: "years after all others",
    20200913: "write the date as 2020-09-13",
    "2012-09-13": "8 years before",
}


@pytest.mark.parametrize("cell", list(ODD))
@pytest.mark.parametrize("share", [1, 4])
def test_times_far_from_all_others_are_warned_of_by_row(cell, share, tmp_path):
    times = [*usual(), *[cell] * share]
    [(severity, rows, text)] = found(tmp_path, times)
    assert (severity, rows) == ("warning", list(range(21, 21 + share)))
    assert ODD[cell] in text
    assert "(2020-09-13 to 2020-09-13)" in text
    assert len(read(tmp_path, times, duplicates="keep")) == len(times)


def test_years_of_regular_and_of_bursty_times_are_not_odd(tmp_path):
    assert found(tmp_path, [500_000_000 + 2 * 10**7 * k for k in range(50)]) == []
    assert found(tmp_path, [10**9, *[10**9 + 8 * 10**7 + k for k in range(40)]]) == []


def test_times_in_the_future_are_warned_of(tmp_path):
    [(_, rows, text)] = found(tmp_path, [20200913122 + k for k in range(5)])
    assert rows == [1, 2, 3, 4, 5]
    assert "all times lie in the future" in text
    assert "dates of digits whose end is lost" in text


@pytest.mark.parametrize(("first", "remedy"), [(44087, "44087 is 2020-09-13"), (1990, "years"), (1, "a position")])
def test_small_numbers_are_doubted_with_what_they_may_be(first, remedy, tmp_path):
    [(_, _, text)] = found(tmp_path, [first + k for k in range(9)])
    assert "all times are before 1973" in text
    assert remedy in text
    assert "data.columns.order" in text


FRACTIONS = {
    "numbers": [START + 0.5, START + 0.25, START],
    "texts": [f"{ISO}.5", f"{ISO}.25", ISO],
    "nanoseconds": [f"{ISO}.000000003", f"{ISO}.000000002", ISO],
    "milliseconds": [1600000000500, 1600000000250, 1600000000000],
    "integers": [START * 10**9 + 3, START * 10**9 + 2, START * 10**9],
    "moments": [pd.Timestamp(f"{ISO}.000003"), pd.Timestamp(f"{ISO}.000002"), pd.Timestamp(ISO)],
}


@pytest.mark.parametrize("name", list(FRACTIONS))
def test_the_order_within_a_second_is_kept(name, tmp_path):
    frame = events(FRACTIONS[name])
    frame.to_csv(tmp_path / "x.csv", index=False)
    data = ingest(DataConfig(interactions=tmp_path / "x.csv")).data
    for tables in (frame, tmp_path / "x.csv"):
        x = read_dataset(tables).interactions
        assert (x.item.tolist(), x.time.tolist()) == ([2, 1, 0], [START] * 3)
        assert x.fingerprint == data.interactions.fingerprint
    data.save(tmp_path / "saved")
    again = Interactions.load(tmp_path / "saved" / "interactions")
    assert again.fingerprint == data.interactions.fingerprint
    assert again.select(slice(1, 3)).joined(again.select([0])).item.tolist() == [2, 1, 0]
    assert merged(data, data)[0].interactions.item.tolist() == [2, 1, 0]


def test_a_tie_breaker_orders_interactions_of_one_time(tmp_path):
    frame = events([START] * 4, sequence=[30, 10, 40, 20])
    frame.to_csv(tmp_path / "x.csv", index=False)
    for source in (frame, tmp_path / "x.csv"):
        x = read_dataset(source, columns={"tie_breaker": "sequence"}).interactions
        assert x.item.tolist() == [1, 3, 0, 2]
    both = events([START + 0.5, START, START, START], sequence=[1, 3, 2, 1])
    assert read_dataset(both, columns={"tie_breaker": "sequence"}).interactions.item.tolist() == [3, 2, 1, 0]
    with pytest.raises(DataError, match="column 'sequence', row 2: the position is missing"):
        read_dataset(events([START] * 2, sequence=[1, None]), columns={"tie_breaker": "sequence"})
    with pytest.raises(ConfigError, match="tie_breaker breaks ties in time"):
        parse(DataConfig, {"columns": {"order": "a", "tie_breaker": "b"}}, "[data]")


def test_whole_seconds_have_no_order_within_them():
    x = read_dataset(events(usual())).interactions
    assert x.tie is None
    assert x.fingerprint == Interactions.of(x.user, x.item, x.time, x.weight, np.zeros(len(x), int)).fingerprint


def entity_times(folder, cells, **more):
    pd.DataFrame({"user_id": [1, 1], "item_id": [0, 1]}).to_csv(folder / "x.csv", index=False)
    pd.DataFrame({"item_id": range(len(cells)), "released": cells}).to_csv(folder / "items.csv", index=False)
    config = DataConfig.model_validate({"interactions": folder / "x.csv", "items": folder / "items.csv", **more})
    items = ingest(config).data.items
    issues = [issue for issue in validate(config) if issue.column == "released"]
    return str(items.schema.columns["released"]), items.columns["released"].tolist(), issues


def test_dates_of_items_but_for_a_few_are_times_and_the_others_are_named(tmp_path):
    days = [f"2019-{1 + k % 12:02}-{1 + k % 28:02}" for k in range(40)]
    kind, values, issues = entity_times(tmp_path, [*days, "soon", "0000-00-00", "9999-12-31", "13.09.2020"])
    assert kind == "time"
    assert np.flatnonzero(np.isnan(values)).tolist() == [40, 41]
    assert [((issue.rows + 1).tolist(), issue.severity) for issue in issues] == [
        ([44], "warning"),
        ([41, 42], "warning"),
        ([43], "warning"),
    ]
    with pytest.raises(DataError, match="row 41: 'soon' is no time"):
        entity_times(tmp_path, [*days, "soon"], item_schema={"released": "time"})


@pytest.mark.parametrize(("cell", "seconds"), [("19950131", 791510400), ("31.01.1995", 791510400)])
def test_dates_of_items_in_other_forms_are_times(cell, seconds, tmp_path):
    kind, values, issues = entity_times(tmp_path, [cell] * 30)
    assert (kind, values[0]) == ("time", seconds)
    assert len(issues) >= 1
