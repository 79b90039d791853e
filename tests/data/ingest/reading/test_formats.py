"""Formats told by content, folders of parts, addresses, and files that would hang or fill the memory."""

import gzip
import io
import json
import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from recsys.data.ingest.files import file_fingerprint, read_table
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.reading.options import TableFormat

FRAME = pd.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"]})
CSV = b"user_id,item_id\n1,a\n2,b\n"


def read(path, **options):
    issues = ValidationIssues()
    table = read_table(Location(issues, path), options=TableFormat(**options))
    return table, [f"{issue.severity}: {issue.found}" for issue in issues]


def zipped(**files):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return raw.getvalue()


def columnar(method):
    raw = io.BytesIO()
    getattr(FRAME, method)(raw)
    return raw.getvalue()


CONTENTS = {
    "csv": CSV,
    "gzip": gzip.compress(CSV),
    "zip": zipped(x=CSV),
    "gzip in zip": zipped(x=gzip.compress(CSV)),
    "parquet": columnar("to_parquet"),
    "feather": columnar("to_feather"),
    "json lines": FRAME.to_json(orient="records", lines=True).encode(),
    "json list": FRAME.to_json(orient="records").encode(),
}


@pytest.mark.parametrize("kind", list(CONTENTS))
@pytest.mark.parametrize("name", ["x.csv", "x", "x.csv.gz"])
def test_the_format_is_told_by_what_the_file_holds(kind, name, tmp_path):
    (tmp_path / name).write_bytes(CONTENTS[kind])
    table, found = read(tmp_path / name)
    assert table.frame.astype(str).to_dict("list") == {"user_id": ["1", "2"], "item_id": ["a", "b"]}
    assert not [text for text in found if text.startswith("error")]


def test_lines_that_are_no_json_objects_are_named_and_large_ids_keep_their_digits(tmp_path):
    rows = [json.dumps({"user_id": 2**60 + 1, "item_id": "a"}), "{bad", "", "[1]", json.dumps({"item_id": "b"})]
    (tmp_path / "x.jsonl").write_text("\n".join(rows) + "\n")
    table, found = read(tmp_path / "x.jsonl")
    assert table.frame["user_id"][0] == 2**60 + 1
    assert table.frame["user_id"].isna().tolist() == [False, True]
    assert len(found) == 1
    assert found[0].startswith("error: lines 2, 4: no JSON object")
    assert table.location.place(1) == "line 5"


def test_lists_in_json_and_parquet_become_rows_by_option(tmp_path):
    frame = pd.DataFrame({"s": [1, 2], "items": [["a", "b"], []], "times": [[5, 6], []]})
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_json(tmp_path / "x.json", orient="records")
    for name in ("x.parquet", "x.json"):
        table, _ = read(tmp_path / name, explode={"items": "", "times": ""})
        assert table.frame[["s", "items", "times"]].to_numpy().tolist() == [[1, "a", 5], [1, "b", 6]]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_folder_of_parts_is_one_table_with_the_columns_of_its_folders(ending, tmp_path):
    for day in (1, 2):
        folder = tmp_path / "events" / f"day={day}"
        folder.mkdir(parents=True)
        (folder / "_SUCCESS").write_text("")
        (folder / ".crc").write_text("x")
        frame = FRAME.assign(user_id=FRAME["user_id"] + 10 * day)
        frame.to_csv(folder / "p.csv", index=False) if ending == "csv" else frame.to_parquet(folder / "p.parquet")
    table, found = read(tmp_path / "events")
    assert found == []
    assert table.frame["user_id"].astype(str).tolist() == ["11", "12", "21", "22"]
    assert table.frame["day"].astype(str).tolist() == ["1", "1", "2", "2"]
    assert table.location.place(2) == ("day=2/p.csv line 2" if ending == "csv" else "day=2/p.parquet row 1")


def test_parts_that_are_broken_or_of_another_table_are_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "b.csv").write_bytes(b"user_id,title\n1,x\n")
    table, found = read(tmp_path)
    assert table is None
    assert "different columns: b.csv has user_id, title" in found[0]
    (tmp_path / "b.csv").write_bytes(CSV + b"1\n")
    table, found = read(tmp_path)
    assert len(table) == 4
    assert found[0].startswith("error: b.csv: line 4:")


def test_a_part_without_a_byte_is_passed_over_and_an_added_column_is_missing_in_older_parts(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "c.csv").write_bytes(b"device,item_id,user_id\nweb,c,3\n")
    table, found = read(tmp_path)
    assert table.frame["device"].isna().tolist() == [True, True, False]
    assert table.frame["user_id"].tolist() == ["1", "2", "3"]
    assert found == [
        "warning: b.csv.gz holds not a byte and is passed over",
        "warning: the column is not in a.csv; its cells are missing there",
    ]
    assert table.location.place(2) == "c.csv line 2"
    assert table.column("device", "the event") is None
    assert str(table.location.issues.errors[0]).count("there is no column 'device' for the event in a.csv") == 1
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "c.csv").write_bytes(b"")
    assert read(tmp_path)[1] == ["error: no file of the folder holds a byte"]


def test_a_last_line_that_is_cut_off_is_not_to_be_filled_up_and_its_part_is_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"user_id,item_id,time\n1,a,1\n2,b,2\n3,c")
    (tmp_path / "b.csv").write_bytes(b"user_id,item_id,time\n1,a,3")
    issues = read(tmp_path)[0].location.issues
    assert [issue.found for issue in issues] == [
        "a.csv: line 4: the file seems to be cut off: its last line has 2 of 3 cells and no line end",
        "a.csv: the last line has no line end",
        "b.csv: the last line has no line end",
    ]
    assert issues.errors[0].remedy == "get the file again, or remove that line"


def test_the_errors_of_all_parts_are_told_at_once(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"1,2\n3,4\n")
    (tmp_path / "b.csv").write_bytes(CSV + b"1\n")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 and no more")
    _, found = read(tmp_path)
    assert [text.split(":")[1].strip() for text in found] == ["a.csv", "c.parquet", "b.csv"]


def test_the_fingerprint_covers_every_part_and_what_links_lead_to(tmp_path):
    folder, elsewhere = tmp_path / "parts", tmp_path / "elsewhere.csv"
    folder.mkdir()
    (folder / "a.csv").write_bytes(CSV)
    elsewhere.write_bytes(CSV)
    seen = [file_fingerprint(folder)]
    (folder / "b.csv").symlink_to(elsewhere)
    seen.append(file_fingerprint(folder))
    elsewhere.write_bytes(CSV.replace(b"a", b"c"))
    seen.append(file_fingerprint(folder))
    (folder / "a.csv").rename(folder / "c.csv")
    seen.append(file_fingerprint(folder))
    assert len(set(seen)) == 4
    (folder / "loop").symlink_to(folder)
    assert file_fingerprint(folder) == seen[-1]
    assert file_fingerprint(tmp_path / "none") is None


def test_an_address_is_read_by_fsspec(tmp_path):
    import fsspec

    with fsspec.open("memory://shop/x.csv", "wb") as stream:
        stream.write(CSV)
    path = type(tmp_path)("memory://shop/x.csv")
    table, found = read(path)
    assert (len(table), found) == (2, [])
    assert len(file_fingerprint(path)) == 16
    assert "there is nothing at memory://shop/none.csv" in read(type(tmp_path)("memory://shop/none.csv"))[1][0]


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.csv")
    assert "a pipe, not a regular file" in read(tmp_path / "x.csv")[1][0]
    assert "not a regular file" in read(type(tmp_path)("/dev/zero"))[1][0]
    assert file_fingerprint(tmp_path / "x.csv") is None


REFUSED = {
    "gzip bomb": (gzip.compress(bytes(1 << 25)), "unpack to over"),
    "cut gzip": (gzip.compress(CSV)[:-9], "cannot be read"),
    "cut zip": (zipped(x=CSV)[:40], "cannot be read"),
    "two files": (zipped(x=CSV, y=CSV), "the zip holds 2 files: x, y"),
    "workbook": (zipped(**{"xl/workbook.xml": b""}), "a spreadsheet"),
    "pickle": (b"\x80\x04\x95" + bytes(9), "a pickle"),
    "columns": (b"," * 100_000 + b"\n1\n", "100,001 columns"),
    "deep json": (b'[{"a":' + b"[" * 100_000, "not JSON"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_files_that_would_fill_the_memory_or_are_no_tables_are_refused(name, tmp_path):
    (tmp_path / "x.csv").write_bytes(REFUSED[name][0])
    table, found = read(tmp_path / "x.csv")
    assert table is None
    assert REFUSED[name][1] in found[0]


def test_a_row_of_a_million_cells_is_named_and_the_others_are_read(tmp_path):
    (tmp_path / "x.csv").write_bytes(CSV + b"," * 1_000_000 + b"\n3,c\n")
    table, found = read(tmp_path / "x.csv")
    assert len(table) == 3
    assert found == ["error: line 4: more cells than the 2 columns (1000001)"]


def test_a_small_parquet_of_many_repeats_is_refused(tmp_path):
    pd.DataFrame({"user_id": np.zeros(4_300_000, np.int64)}).to_parquet(tmp_path / "numbers.parquet")
    pd.DataFrame({"user_id": ["x" * 50_000] * 1000}).to_parquet(tmp_path / "texts.parquet")
    wide = pd.DataFrame(np.zeros((1, 2001)), columns=[f"c{n}" for n in range(2001)])
    wide.to_parquet(tmp_path / "wide.parquet")
    for name, reason in (("numbers", "unpack to over"), ("texts", "unpack to over"), ("wide", "2,001 columns")):
        table, found = read(tmp_path / f"{name}.parquet")
        assert table is None
        assert reason in found[0]


def test_many_broken_quotes_take_time_in_proportion_to_the_file(tmp_path):
    (tmp_path / "x.csv").write_text("user_id,item_id,t\n" + '1,2,"abc\n' * 20_001)
    table, found = read(tmp_path / "x.csv")
    assert table is None or not len(table)
    assert "and 19,996 more: a quote opens" in found[0]
