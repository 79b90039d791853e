import gzip
from pathlib import Path

import pandas as pd
import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import read_header, read_table, without_missing
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.validate import to_json, to_text, validate


def read(path):
    issues = ValidationIssues()
    table = read_table(Location(issues, path))
    return None if table is None else table.frame, [finding.found for finding in issues]


def test_the_cells_of_a_csv_are_text_as_it_stands_there(tmp_path):
    (tmp_path / "x.csv").write_text('a,b,c\n007,1e5,"x, ""y"""\n,NA,True\n')
    frame, found = read(tmp_path / "x.csv")
    assert frame.fillna("-").to_numpy().tolist() == [["007", "1e5", 'x, "y"'], ["-", "NA", "True"]]
    assert found == []


def test_tabs_and_gzip_are_read(tmp_path):
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    for name in ("x.tsv", "x.csv.gz"):
        assert read(tmp_path / name)[0].to_numpy().tolist() == [["1", "2"]]


def test_parquet_keeps_its_types(tmp_path):
    pd.DataFrame({"a": [1, 2], "b": ["1", "2"]}).to_parquet(tmp_path / "x.parquet")
    frame, _ = read(tmp_path / "x.parquet")
    assert frame["a"].dtype == "int64"
    assert frame["b"].tolist() == ["1", "2"]


CATEGORIES = [
    (pd.Categorical(["b", None, "a"]), "str"),
    (pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"], ordered=True), "str"),
    (pd.Categorical([2, None, 1]), "float64"),
    (pd.Categorical([2, 1, 2], ordered=True), "int64"),
    (pd.Categorical(pd.to_datetime(["2020-01-02", None, "2020-01-01"])), "datetime64[us]"),
]


@pytest.mark.parametrize(("cells", "dtype"), CATEGORIES)
def test_a_column_of_categories_is_read_as_its_cells(cells, dtype, tmp_path):
    pd.DataFrame({"a": cells}).to_parquet(tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")[0]["a"]
    assert found.dtype == dtype
    assert found.isna().tolist() == pd.isna(cells).tolist()
    assert found.dropna().tolist() == cells.dropna().tolist()


@pytest.mark.parametrize("header", ["title,x,title", '"title",title,x', "x,title,title.1,title"])
def test_a_column_that_stands_twice_in_a_header_is_an_error(header, tmp_path):
    (tmp_path / "x.csv").write_text(f"\n{header}\n" + ",".join("1" * (header.count(",") + 1)) + "\n")
    issues = ValidationIssues()
    assert read_table(Location(issues, tmp_path / "x.csv")) is None
    assert [(finding.column, finding.found) for finding in issues] == [("title", "the header names the column twice")]


def test_the_named_index_of_a_parquet_is_a_column(tmp_path):
    frame = pd.DataFrame({"user_id": ["b", "a"], "item_id": [1, 2], "x": [3, 4]})
    frame.set_index("user_id").to_parquet(tmp_path / "one.parquet")
    frame.set_index(["user_id", "item_id"]).to_parquet(tmp_path / "two.parquet")
    frame.set_index("user_id", drop=False).to_parquet(tmp_path / "both.parquet")
    frame.set_axis([5, 6], axis=0).to_parquet(tmp_path / "none.parquet")
    for name in ("one", "two", "both", "none"):
        pd.testing.assert_frame_equal(read(tmp_path / f"{name}.parquet")[0], frame)


def test_a_quoted_blank_is_a_cell(tmp_path):
    (tmp_path / "x.csv").write_text('\n" "\n""\n" "\n')
    frame, found = read(tmp_path / "x.csv")
    assert frame.fillna("-")[" "].tolist() == ["-", " "]
    assert found == []


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_another_separator_than_the_ending_promises_is_guessed_and_told(mark, tmp_path):
    (tmp_path / "x.csv").write_text(f"a{mark}b\n1{mark}2\n")
    frame, found = read(tmp_path / "x.csv")
    assert frame.to_dict("list") == {"a": ["1"], "b": ["2"]}
    assert found == [f"the columns are separated by {mark!r}"]


def test_an_empty_folder_in_place_of_a_file_cannot_be_read(tmp_path):
    (tmp_path / "x.csv").mkdir()
    assert read(tmp_path / "x.csv") == (None, ["the folder has no files"])


def test_words_that_mean_missing_are_taken_out_and_lists_are_left(tmp_path):
    cells = pd.Series(["NA", "null", "", "unknown", "x"], dtype="str")
    assert without_missing(cells, ("unknown",)).isna().tolist() == [True] * 4 + [False]
    assert without_missing(pd.Series([[1.0], None], dtype=object), ("unknown",))[0] == [1.0]


def test_the_header_of_a_file_that_cannot_be_read_is_empty(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "latin.csv").write_bytes(b"\xe9,b\n")
    assert read_header(tmp_path / "x.csv") == ["a", "b"]
    assert [read_header(tmp_path / f"{name}.csv") for name in ("empty", "latin", "none")] == [[], [], []]


def test_the_password_of_an_address_is_in_no_message():
    validation = validate(DataConfig(interactions=Path("gopher://ann:secret@shop.example/x.csv")))
    told = to_text(validation) + to_json(validation) + str(validation.issues.errors[0])
    assert "ann:...@shop.example" in told
    assert "secret" not in told
