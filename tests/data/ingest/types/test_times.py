"""Times in every usual form are read or refused with a remedy for the value at hand; odd ones are named by row."""

import numpy as np
import pandas as pd
import pytest

from recsys.config import parse
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.infer import infer_schema
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


def reading(folder, times, **more):
    """The column of times in the summary, and the texts of its issues."""
    validation = validate(config(folder, times, **more))
    (summary,) = (column for column in validation.tables[0].columns if column.role == "time")
    return summary.example, [f"{i.found} -> {i.remedy}" for i in validation.issues if i.column == "timestamp"]


@pytest.mark.parametrize(
    ("cells", "options", "seconds"),
    [
        (["09/13/20 12:26", "09/14/20 12:26"], {"time_format": "%m/%d/%y %H:%M"}, [START - 40, START - 40 + 86400]),
        (["05/06/2020"], {"time_format": "%d/%m/%Y"}, [1591315200]),
        ([20200913, 20200914], {"time_format": "%Y%m%d"}, [1599955200, 1600041600]),
        (["13.09.2020 14:26 +0200"], {"time_format": "%d.%m.%Y %H:%M %z", "time_zone": "Asia/Tokyo"}, [START - 40]),
        ([10**9, 2 * 10**9], {"time_unit": "ms"}, [10**6, 2 * 10**6]),
        ([1600000000123456789], {"time_unit": "ns"}, [START]),
        (["2020-09-13T14:26:40", "2020-09-13T12:26:40Z"], {"time_zone": "Europe/Berlin"}, [START, START]),
        ([20200913122640], {"time_zone": "Asia/Tokyo"}, [START - 9 * 3600]),
        (["2020-09-13", 20200913], {"time_zone": "Asia/Tokyo"}, [1599955200, 1599955200]),
    ],
)
def test_a_given_format_unit_or_zone_is_used_without_a_guess(cells, options, seconds, tmp_path):
    data = ingest(config(tmp_path, cells, **options)).data
    assert data.interactions.time.tolist() == seconds
    again = read_dataset(events(cells), **options)
    assert again.interactions.fingerprint == data.interactions.fingerprint
    if "time_zone" not in options:
        assert [text for text in reading(tmp_path, cells, **options)[1] if "guess" in text] == []


def test_datetimes_of_a_frame_are_local_times_of_the_zone_and_have_no_format():
    frame = events(["x"] * 2).assign(timestamp=pd.to_datetime(["2020-09-13 14:26:40", "2020-09-13 15:26:40"]))
    assert read_dataset(frame, time_zone="Europe/Berlin").interactions.time.tolist() == [START, START + 3600]
    zoned = frame.assign(timestamp=frame["timestamp"].dt.tz_localize("UTC"))
    assert read_dataset(zoned, time_zone="Europe/Berlin").interactions.time.tolist() == [START + 7200, START + 10800]
    validation = read_dataset(frame, time_format="%d/%m/%Y")
    assert validation.interactions.time[0] == START + 7200


def test_times_that_the_clocks_skip_or_repeat_are_told_with_their_rows(tmp_path):
    cells = ["2020-10-25 01:30", "2020-10-25 02:30", "2020-10-25 03:30", "2020-03-29 02:30", "2020-10-25T02:30+01:00"]
    texts = found(tmp_path, cells, time_zone="Europe/Berlin")
    assert [(severity, rows) for severity, rows, _ in texts] == [("warning", [4]), ("warning", [2])]
    assert "is skipped by the clocks of Europe/Berlin" in texts[0][2]
    assert "is shown twice by the clocks of Europe/Berlin, and read as the first of the two" in texts[1][2]
    data = ingest(config(tmp_path, cells, time_zone="Europe/Berlin")).data
    hours = ["2020-10-24T23:30", "2020-10-25T00:30", "2020-10-25T02:30", "2020-03-29T01:30", "2020-10-25T01:30"]
    assert sorted(data.interactions.time) == sorted(np.array(hours, "datetime64[s]").astype(int))


def test_validation_shows_how_times_are_read(tmp_path):
    assert reading(tmp_path, usual())[0].endswith("2020-09-13")
    assert "milliseconds since 1970" in reading(tmp_path, [1600000000123] * 3)[0]
    assert "without a zone, so taken as UTC" in reading(tmp_path, [ISO, ISO])[0]
    assert "taken as UTC" not in reading(tmp_path, [ISO + "Z", "2020-09-13"])[0]
    assert "local times of Asia/Tokyo" in reading(tmp_path, [ISO, ISO], time_zone="Asia/Tokyo")[0]
    assert "as %d/%m/%Y" in reading(tmp_path, ["01/02/2020"], time_format="%d/%m/%Y")[0]
    assert 'data.time_unit = "ms" says so' in reading(tmp_path, [1600000000123] * 3)[1][0]


def test_cells_that_are_not_as_the_options_say_are_errors_that_name_the_option(tmp_path):
    (error,) = found(tmp_path, ["13/09/2020", "2020-09-14", "14/13/2020"], time_format="%d/%m/%Y")
    assert error[:2] == ("error", [2, 3])
    assert "write it as data.time_format = '%d/%m/%Y' says" in error[2]
    (error,) = found(tmp_path, [10**12, ISO], time_unit="ms")
    assert error[:2] == ("error", [2])
    assert "give a number of milliseconds, as data.time_unit says" in error[2]
    (error,) = found(tmp_path, [10**15, 10**12], time_unit="s")
    assert "check data.time_unit = 's'" in error[2]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"time_format": "%d/%m"}, "holds no day, month and year"),
        ({"time_format": "%d/%Q/%Y"}, "is no format of strptime"),
        ({"time_format": "dd/mm/yyyy"}, "holds no day, month and year"),
        ({"time_unit": "min"}, "'s', 'ms', 'us' or 'ns'"),
        ({"time_zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"time_zone": "../etc/passwd"}, "no such zone"),
        ({"time_format": "%d/%m/%Y", "time_unit": "s"}, "give one of them"),
    ],
)
def test_unusable_options_of_times_are_refused_with_what_would_do(options, text):
    with pytest.raises(ConfigError, match=text.replace("?", r"\?")):
        parse(DataConfig, {"interactions": "x.csv", **options}, "config")


def test_columns_of_items_have_the_format_of_their_table_and_the_zone_of_all(tmp_path):
    cells = [f"{1 + k % 12:02}/{k % 24:02}h of 2019/{1 + k % 28:02}" for k in range(40)]
    own = {"time_format": "%m/%Hh of %Y/%d"}
    kind, values, issues = entity_times(tmp_path, cells, items_format=own, time_zone="Asia/Tokyo")
    assert (kind, values[0], issues) == ("time", 1546268400.0, [])
    other = ["2019-01-01"] * 40
    assert entity_times(tmp_path, other, items_format=own)[1][0] == 1546300800.0
    with pytest.raises(DataError, match=r"row 41: 'soon'.*data\.items_format\.time_format"):
        entity_times(tmp_path, [*cells, "soon"], items_format=own, item_schema={"released": "time"})


def test_a_unit_reads_the_numbers_and_dates_with_their_offset_beside_them_are_read_too(tmp_path):
    cells = [1600000000123, 1600000001123, "2020-09-13T14:26:42.5+02:00"]
    options = [issue.options for issue in validate(config(tmp_path, cells)) if issue.options]
    assert options == [{"data.time_unit": "ms"}]
    assert found(tmp_path, cells, time_unit="ms") == []
    assert ingest(config(tmp_path, cells, time_unit="ms")).data.interactions.time.tolist() == [
        START,
        START + 1,
        START + 2,
    ]
    assert found(tmp_path, ["13/09/2020", "2020-09-13T14:26:42+02:00"], time_format="%d/%m/%Y") == []


def test_no_option_is_advised_that_would_refuse_some_of_the_cells(tmp_path):
    for cells in ([1600000000123, ISO], [20200913, "2020-09-14"], [1600000000123, "14/09/2020"]):
        issues = [issue for issue in validate(config(tmp_path, cells)) if issue.column == "timestamp"]
        assert issues
        assert not any("says so" in issue.remedy for issue in issues)
    mixed = [
        "14/09/2020",
        "09/15/2020",
        "01/02/2020",
    ]  # of the last one a list would only take the first format that fits
    assert not any("says so" in text for _, _, text in found(tmp_path, mixed))


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["14/09/2020", "2020-09-13", "Sep 15, 2020"], ["%d/%m/%Y", "%Y-%m-%d", "%b %d, %Y"]),
        (["07 Jan 2024", "January 08, 2024", "2024-01-09"], ["%d %b %Y", "%B %d, %Y", "%Y-%m-%d"]),
        (["01/14/2020", "01/15/2020 12:26 PM"], ["%m/%d/%Y", "%m/%d/%Y %I:%M %p"]),
        (["13.09.2020", "14.09.2020"], "%d.%m.%Y"),
    ],
)
def test_dates_of_several_formats_name_the_list_that_reads_them_as_the_guess_does(cells, formats, tmp_path):
    told = validate(config(tmp_path, cells))
    assert {key: value for issue in told for key, value in issue.options.items()} == {"data.time_format": formats}
    guessed = ingest(config(tmp_path, cells)).data.interactions.time.tolist()
    assert ingest(config(tmp_path, cells, time_format=formats)).data.interactions.time.tolist() == guessed
    assert found(tmp_path, cells, time_format=formats) == []


def test_a_list_of_formats_names_the_one_that_cannot_be_used_and_stays_with_the_column(tmp_path):
    with pytest.raises(ConfigError, match="holds no day, month and year"):
        parse(DataConfig, {"interactions": "x.csv", "time_format": ["%d/%m/%Y", "%H:%M"]}, "config")
    cells = ["14/09/2020", "2020-09-13"] * 10
    kind, values, issues = entity_times(tmp_path, cells, items_format={"time_format": ["%d/%m/%Y", "%Y-%m-%d"]})
    assert (kind, values[:2], issues) == ("time", [1600041600.0, 1599955200.0], [])


@pytest.mark.parametrize("number", [1600000000123, 1600000000, 20200913])
@pytest.mark.parametrize("text", ["2020-09-14T12:26:40.123-04:00", "14.09.2020"])
def test_a_column_of_numbers_and_dates_is_one_of_times(number, text):
    columns = infer_schema(pd.DataFrame({"ts": [str(number), text] * 10, "size": ["40", text] * 10})).columns
    assert [str(column) for column in columns.values()] == ["time", "categorical"]
