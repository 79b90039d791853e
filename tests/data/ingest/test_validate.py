"""validate tells everything at once, with file, column, rows and what to do; the readers say the same."""

import gzip
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.issues import rows_text
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.validate import to_json, to_text, validate
from recsys.data.synthetic.worlds import BlockTaste, write_tables
from recsys.errors import ConfigError, DataError

EVENTS = "user_id,item_id,timestamp\n1,7,1000000000\n1,8,1000000001\n2,7,1000000002\n"


def write(folder, name, content):
    path = folder / name
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def validated(folder, interactions=EVENTS, users=None, items=None, **more):
    raw = {
        "interactions": write(
            folder, f"x.{'parquet' if isinstance(interactions, pd.DataFrame) else 'csv'}", interactions
        )
    }
    for name, content in (("users", users), ("items", items)):
        if content is not None:
            raw[name] = write(folder, f"{name}.{'parquet' if isinstance(content, pd.DataFrame) else 'csv'}", content)
    config = DataConfig.model_validate({**raw, **more})
    found = validate(config)
    assert to_text(found)
    if found.failed:
        with pytest.raises(DataError) as refused:
            ingest(config)
        assert all(finding.found in str(refused.value) for finding in found.issues.errors)
    else:
        ingest(config)
    return found


def only(found, severity="error"):
    """The one finding of a severity: (column, rows from 1, what, remedy)."""
    issues = [finding for finding in found if finding.severity == severity]
    assert len(issues) == 1, [str(finding) for finding in issues]
    return issues[0].column, (issues[0].rows + 1).tolist(), issues[0].found, issues[0].remedy


def test_good_tables_have_no_findings_and_their_kinds_are_shown(tmp_path):
    found = validate(DataConfig.model_validate(write_tables(BlockTaste(users=6, items=30).dataset(), tmp_path)))
    assert len(found.issues) == 0
    text = to_text(found)
    assert "genre    categorical  2 distinct, as 'north'" in text
    assert "size     numeric" in text
    assert "timestamp  time           2001-09-09 to" in text
    assert text.endswith("nothing found: the data can be read")


TIMES = {
    "-5": ("the time '-5' is negative", "seconds since 1970"),
    "": ("the time is missing", "fill"),
    "1600000000123": ("milliseconds", "divide by 1000"),
    "soon": ("'soon' is no time", "ISO dates"),
    "inf": ("'inf' is no time", "ISO dates"),
}


@pytest.mark.parametrize("cell", list(TIMES))
def test_a_bad_time_is_found(cell, tmp_path):
    column, rows, found, remedy = only(validated(tmp_path, EVENTS.replace("1000000001", cell)))
    assert (column, rows) == ("timestamp", [2])
    assert TIMES[cell][0] in found
    assert TIMES[cell][1] in remedy


def test_times_that_are_positions_are_doubted(tmp_path):
    _, _, found, remedy = only(validated(tmp_path, "user_id,item_id,timestamp\n1,7,1\n1,8,2\n"), "warning")
    assert found == "all times are before 1973"
    assert "data.columns.order" in remedy


def test_no_order_at_all_is_a_warning(tmp_path):
    assert "no time and no order" in only(validated(tmp_path, "user_id,item_id\n1,7\n1,8\n"), "warning")[2]


@pytest.mark.parametrize(
    ("cell", "reason"), [("x", "is no number"), ("0", "not positive"), ("", "missing"), ("nan", "missing")]
)
def test_a_bad_weight_is_found(cell, reason, tmp_path):
    interactions = f"user_id,item_id,timestamp,w\n1,7,1000000000,{cell}\n1,8,1000000000,1\n"
    column, rows, found, _ = only(validated(tmp_path, interactions, columns={"weight": "w"}))
    assert (column, rows) == ("w", [1])
    assert reason in found


def test_a_missing_id_and_a_missing_column_are_found(tmp_path):
    assert only(validated(tmp_path, EVENTS.replace("\n1,8", "\n,8")))[:3] == ("user_id", [2], "the id is missing")
    column, _, found, remedy = only(validated(tmp_path, EVENTS.replace("user_id", "user")))
    assert column is None
    assert found == "there is no column 'user_id' for user ids; it has user, item_id, timestamp"
    assert "[data.columns]" in remedy


def test_repeated_rows_are_found_and_what_a_policy_drops_is_told(tmp_path):
    again = EVENTS + "1,7,1000000000\n"
    assert only(validated(tmp_path, again))[1:3] == ([4], "user, item and time repeat another row")
    assert only(validated(tmp_path, again, duplicates="last"), "note")[1] == [1]
    assert len(validated(tmp_path, again, duplicates="keep").issues) == 0


def test_without_a_time_repeated_rows_are_called_so_and_the_remedy_keeps_purchases(tmp_path):
    (tmp_path / "x.csv").write_text("user_id,item_id\n1,10\n1,10\n2,11\n", encoding="utf-8")
    (found,) = validate(DataConfig(interactions=tmp_path / "x.csv")).issues.errors
    assert found.found == "user and item repeat another row, and there is no time"
    assert (
        '"keep" where the rows are events of their own, such as purchases, which then count as several' in found.remedy
    )
    assert len(ingest(DataConfig(interactions=tmp_path / "x.csv", duplicates="keep")).data.interactions) == 3


def test_ids_without_a_description_are_an_error_or_a_warning(tmp_path):
    items = "item_id,size\n8,1\n9,2.5\n"
    expected = ("item_id", [1, 3], "1 id is not in items.csv, as 7")
    assert only(validated(tmp_path, items=items), "warning")[:3] == expected
    assert only(validated(tmp_path, items=items, unknown_ids="error"))[:3] == expected


def test_a_pair_that_stands_in_train_and_in_test_is_warned_of(tmp_path):
    test = write(tmp_path, "test.csv", "user_id,item_id\na,2\na,9\nb,1\n")
    train = write(tmp_path, "train.csv", "user_id,item_id\na,1\na,2\nb,2\n")
    found = validate(DataConfig(interactions=train, test_interactions=test))
    repeats = [finding for finding in found if "train.csv too" in finding.found]
    assert [(finding.severity, finding.file, finding.rows.tolist()) for finding in repeats] == [("warning", test, [0])]


def test_a_repeated_id_is_found(tmp_path):
    found = only(validated(tmp_path, users="user_id,age\n1,20\n2,30\n1,40\n"))
    assert found[:3] == ("user_id", [3], "the id 1 is repeated")


def test_ids_of_several_types_are_found(tmp_path):
    frame = pd.DataFrame({"user_id": ["a", "b"], "item_id": [7, 8], "timestamp": [10**9, 10**9]})
    numbers = pd.DataFrame({"user_id": [1, 2]})
    column, rows, found, _ = only(validated(tmp_path, frame, users=numbers))
    assert (column, rows) == ("user_id", [1, 2])
    assert "ids are text, as 'a', and integers in" in found
    assert only(validated(tmp_path, frame.assign(item_id=[0.5, 1])))[2] == "ids are float64"
    odd = "user_id,item_id\n" + "".join(f"{n},5\n" for n in range(20)) + "x1,5\n"
    warnings = validated(tmp_path, odd).issues.warnings
    assert "integers except for some, as 'x1'" in warnings[0].found


def test_vectors_of_other_lengths_and_of_no_numbers_are_found(tmp_path):
    items = pd.DataFrame({"item_id": [7, 8, 9, 10], "v": [[1.0, 2.0], [3.0], [4.0, 5.0], None]})
    column, rows, found, _ = only(validated(tmp_path, items=items))
    assert (column, rows) == ("v", [2])
    assert "length is not 2" in found
    items["v"] = [[1.0, 2.0], [np.nan, 1.0], [4.0, 5.0], None]
    assert only(validated(tmp_path, items=items))[:3] == ("v", [2], "the cell is no list of finite numbers")


def test_empty_texts_are_warned_of(tmp_path):
    items = "item_id,title\n7,\n8,   \n9,Film\n"
    found = only(validated(tmp_path, items=items, item_schema={"title": "text"}), "warning")
    assert found[:3] == ("title", [1, 2], "the text is empty")


def test_images_that_are_missing_cut_off_or_none_are_warned_of(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for name in ("good.jpg", "cut.jpg", "good.png", "cut.png"):
        Image.fromarray(noise).save(tmp_path / name)
    for name in ("cut.jpg", "cut.png"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:700])
    (tmp_path / "text.jpg").write_text("not an image")
    names = ["good.jpg", "cut.jpg", "good.png", "cut.png", "text.jpg", "none.jpg", ""]
    items = "item_id,poster\n" + "".join(f"{n},{name}\n" for n, name in enumerate(names))
    found = validated(tmp_path, EVENTS.replace("7,", "0,").replace("8,", "1,"), items=items)
    assert not found.failed
    rows = [(finding.found.partition(" '")[0], (finding.rows + 1).tolist()) for finding in found]
    assert sorted(rows) == [
        ("the file", [6]),
        ("the image", [2]),
        ("the image", [4]),
        ("the image", [5]),
        ("there is no image", [7]),
    ]


FILES = {
    "": "the file is empty",
    "user_id,item_id\n": "the file has no rows",
    "user_id,item_id\n1,2,3\n": "more cells than the header",
    'user_id,item_id\n1,"2\n': "line 2: a quote opens that is not closed",
    b"user_id,item_id\n1,\xe9\n": "not UTF-8 (byte 18, line 2",
}


@pytest.mark.parametrize("content", list(FILES), ids=list(FILES.values()))
def test_a_file_that_cannot_be_read_says_why(content, tmp_path):
    assert FILES[content] in only(validated(tmp_path, content))[2]


BLANK_LINES = {
    "none": "u,i,t\n1,7,-1\n,8,9\n1,9,-3\n",
    "between": "u,i,t\n1,7,-1\n\n,8,9\n  \t\r\n\n1,9,-3\n",
    "around": "\n \nu,i,t\n\n1,7,-1\n,8,9\n1,9,-3\n\n\n",
    "in a cell": 'u,i,t\n1,"7\n\nx",-1\n,8,9\n\n1,9,-3\n',
    "beside empty cells": "u,i,t\n1,7,-1\n\n,,9\n1,9,-3\n",
}
LINES = {
    "none": (),
    "between": ("line 2", "line 7"),
    "around": ("line 5", "line 7"),
    "in a cell": ("line 2", "line 7"),
    "beside empty cells": ("line 2", "line 5"),
}


@pytest.mark.parametrize("name", list(BLANK_LINES))
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_blank_lines_are_skipped_and_the_lines_of_rows_are_told(name, suffix, tmp_path):
    raw = BLANK_LINES[name].encode()
    path = write(tmp_path, f"x{suffix}", gzip.compress(raw) if suffix.endswith("gz") else raw)
    found = validate(DataConfig(interactions=path, columns={"user_id": "u", "item_id": "i", "time": "t"}))
    errors = {finding.column: finding for finding in found.issues.errors}
    assert (errors["t"].rows + 1).tolist() == [1, 3]
    assert errors["t"].places == LINES[name]
    assert (errors["u"].rows + 1).tolist() == [2]


def test_a_line_of_nothing_but_commas_is_no_blank_line(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,7\n\n,\n")
    errors = validate(DataConfig(interactions=path)).issues.errors
    rows = {finding.column: finding.shown_rows for finding in errors}
    assert rows == {"user_id": "row 2 (line 4)", "item_id": "row 2 (line 4)"}


def test_a_missing_file_and_one_of_another_kind_say_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as workbook:
        workbook.writestr("xl/workbook.xml", "")
    for name, reason in (("none.csv", "does not exist"), ("x.xlsx", "a spreadsheet")):
        found = validate(DataConfig(interactions=tmp_path / name))
        assert reason in only(found)[2]


def test_a_cut_parquet_and_a_file_without_a_last_line_end_are_found(tmp_path):
    path = write(tmp_path, "x.parquet", pd.DataFrame({"user_id": [1], "item_id": [2]}))
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read" in only(validate(DataConfig(interactions=path)))[2]
    assert only(validated(tmp_path, EVENTS.rstrip("\n")), "warning")[2] == "the last line has no line end"


def test_a_byte_order_mark_does_no_harm(tmp_path):
    assert len(validated(tmp_path, b"\xef\xbb\xbf" + EVENTS.encode()).issues) == 0


def test_everything_is_told_at_once_as_text_and_as_json(tmp_path):
    events = "user_id,item_id,timestamp\n1,7,-1\n1,,1000000000\n1,9,1000000001\n"
    found = validated(tmp_path, events, items="item_id,year\n7,old\n7,1999\n8,\n", item_schema={"year": "numeric"})
    assert [(finding.severity, finding.column) for finding in found] == [
        ("error", "item_id"),
        ("error", "timestamp"),
        ("error", "year"),
        ("error", "item_id"),
        ("warning", "item_id"),
    ]
    text = to_text(found)
    assert "error    timestamp row 1: the time '-1' is negative\n" in text
    assert "-> give seconds since 1970 UTC" in text
    assert text.endswith("4 errors, 1 warning: the data cannot be read")
    value = json.loads(to_json(found))
    assert (value["errors"], value["warnings"]) == (4, 1)
    assert value["findings"][1] == {
        "severity": "error",
        "file": str(tmp_path / "x.csv"),
        "column": "timestamp",
        "rows": [1],
        "n_rows": 1,
        "places": [],
        "found": "the time '-1' is negative",
        "remedy": "give seconds since 1970 UTC",
    }
    assert [column["role"] for column in value["tables"][1]["columns"]] == ["id, integer", "numeric"]


def test_many_rows_are_counted_and_the_first_are_listed(tmp_path):
    events = "user_id,item_id,timestamp\n" + "1,2,-1\n" * 1500
    found = validated(tmp_path, events, duplicates="keep")
    finding = json.loads(to_json(found))["findings"][0]
    assert (finding["n_rows"], len(finding["rows"])) == (1500, 1000)
    assert "rows 1, 2, 3, 4, 5 and 1,495 more" in to_text(found)
    assert rows_text(np.array([3])) == "row 4"


def test_no_line_of_the_text_is_wide(tmp_path):
    events = "user_id,item_id,timestamp\n1,7,-1\n"
    found = validated(tmp_path, events, items="item_id,title\n7," + "word " * 200 + "\n")
    assert max(len(line) for line in to_text(found).splitlines() if str(tmp_path) not in line) <= 120


def test_a_config_without_interactions_or_with_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"set data\.interactions"):
        validate(DataConfig())
    with pytest.raises(ConfigError, match="unknown kind"):
        validated(tmp_path, items="item_id,x\n7,1\n", item_schema={"x": "number"})
