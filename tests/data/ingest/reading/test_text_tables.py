"""Lines, quotes, headers, separators and encodings of text tables: each line is a row or is named."""

import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import read_table
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.tables import read_tables
from recsys.errors import ConfigError


def read(path, content, **options):
    """The columns of the table, and errors and warnings as text; columns are None if the file is refused."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    issues = ValidationIssues()
    table = read_table(Location(issues, path), options=TableFormat(**options))
    columns = None if table is None else table.frame.fillna("-").to_dict("list")
    return columns, [f"{issue.severity}: {issue.found}; {issue.remedy}" for issue in issues]


PLAYS = (
    'user_id\titem_id\tartist\tt\n0\t3\t"weird al" somebody\t5\n0\t7\t"unbalanced\t6\n'
    '1\t2\tb\t7\n1\t7\t"unbalanced\t8\n'
)


def test_quotes_that_open_in_the_middle_of_a_table_of_tabs_are_characters_and_swallow_no_line(tmp_path):
    columns, found = read(tmp_path / "plays.tsv", PLAYS)
    assert columns["artist"] == ['"weird al" somebody', '"unbalanced', "b", '"unbalanced']
    assert len(found) == 1
    assert "quotes open or close in the middle of cells (lines 2, 3, 5)" in found[0]
    assert read(tmp_path / "plays.tsv", PLAYS, quoting="none") == (columns, [])


def test_a_quote_that_is_not_closed_is_an_error_with_its_line_and_the_other_rows_are_read(tmp_path):
    columns, found = read(tmp_path / "x.csv", 'u,i,x\n1,2,"abc\n1,3,d\n1,4,"e, f"\n')
    assert columns["i"] == ["3", "4"]
    assert len(found) == 1
    assert found[0].startswith("error: line 2: a quote opens that is not closed")


def test_lines_inside_one_quoted_cell_that_look_like_rows_are_an_error(tmp_path):
    content = 'u,i,x,t\n1,2,"abc,160\n1,2,d,170\n1,3,xyz",180\n'
    _, found = read(tmp_path / "x.csv", content)
    assert "error: 3 lines stand inside 1 quoted cell, the first on lines 2 to 4" in found[0]
    assert read(tmp_path / "x.csv", content, quoting="none")[0]["t"] == ["160", "170", "180"]
    columns, found = read(tmp_path / "x.csv", content, quoting="csv")
    assert columns["t"] == ["180"]
    assert found[0].startswith("warning: 3 lines hold 1 row")


def test_a_text_of_several_lines_is_a_cell_also_beside_a_broken_quote(tmp_path):
    columns, found = read(tmp_path / "x.csv", 'i,x,y\n1,"two\nlines, here",c\n2,"broken,d\n3,e,f\n')
    assert columns == {"i": ["1", "3"], "x": ["two\nlines, here", "e"], "y": ["c", "f"]}
    assert [text.partition(";")[0] for text in found] == [
        "error: line 4: a quote opens that is not closed at the end of its cell",
        "warning: 2 lines hold 1 row, with line ends inside quotes, from line 2 on",
    ]


def test_quotes_behind_backslashes_are_told_and_read(tmp_path):
    columns, found = read(tmp_path / "x.csv", 'i,x\n1,"he said \\"hi\\", ok"\n2,"b"\n')
    assert columns["x"] == ['he said "hi", ok', "b"]
    assert found == ['warning: quotes are escaped by backslashes, as \\"; data.quoting = "backslash" says so']


def test_lines_with_too_many_and_too_few_cells_are_errors_and_the_others_are_read(tmp_path):
    columns, found = read(tmp_path / "x.csv", "u,i,t\n1,2,3\n\n1,3\n1,2,3,4\n1,2,5\n")
    assert columns["t"] == ["3", "5"]
    assert [text.partition(";")[0] for text in found] == [
        "error: line 5: more cells than the 3 columns (4)",
        "error: line 4: fewer cells than the 3 columns (2)",
    ]


HEADERLESS = [
    "1,2,3\n1,3,4\n",
    "0,Dune,buy,1.0\n0,Emma,buy,2.0\n",
    "u1,i1\nu1,i2\n",
    "a,b,2020-01-01\nc,d,2020-01-02\n",
]


@pytest.mark.parametrize("content", HEADERLESS)
def test_a_first_row_of_data_is_no_header(content, tmp_path):
    columns, found = read(tmp_path / "x.csv", content)
    assert columns is None
    assert "the first row looks like data" in found[0]
    assert "data.header = [" in found[0]
    names = [f"c{n}" for n in range(content.partition("\n")[0].count(",") + 1)]
    columns, found = read(tmp_path / "x.csv", content, header=names)
    assert list(columns) == names
    assert [len(cells) for cells in columns.values()] == [2] * len(names)
    assert found == []


def test_names_that_are_numbers_are_a_header_where_they_count_up_or_are_said_to_be(tmp_path):
    assert list(read(tmp_path / "x.csv", "item_id,0,1,2\n5,.1,.2,.3\n")[0]) == ["item_id", "0", "1", "2"]
    assert read(tmp_path / "x.csv", "7,5\n1,2\n", header="first")[0] == {"7": ["1"], "5": ["2"]}


SEPARATED = [("::", "x.dat"), (";", "x.csv"), ("|", "x.csv"), ("\t", "x.txt"), (" ", "x.txt")]


@pytest.mark.parametrize(("mark", "name"), SEPARATED)
def test_the_separator_is_guessed_and_told(mark, name, tmp_path):
    content = "user_id,item_id,t\n1,2,3\n1,3,4\n".replace(",", mark)
    columns, found = read(tmp_path / name, content)
    assert columns == {"user_id": ["1", "1"], "item_id": ["2", "3"], "t": ["3", "4"]}
    assert [text.partition(";")[0] for text in found if mark != ";"] == [
        f"warning: the columns are separated by {mark!r}"
    ] * (mark != ";")
    assert read(tmp_path / name, content, separator=mark) == (columns, [])


def test_text_before_and_after_the_table_is_named_and_left_out_by_option(tmp_path):
    content = "# export\n# of a shop\nu,i,t\n1,2,3\n1,3,4\n1,4,5\n(3 rows)\n"
    columns, found = read(tmp_path / "x.csv", content)
    assert columns["t"] == ["3", "4", "5"]
    assert [text.partition(":")[2].strip() for text in found] == [
        "lines 1, 2: text stands before the header (a preamble); remove it, or set data.skip_lines = 2",
        "line 7: the end is no row, but a footer or a line that is cut off; remove it, or set data.skip_footer = 1",
    ]
    assert read(tmp_path / "x.csv", content, skip_lines=2, skip_footer=1) == (columns, [])


NAMED = {
    "1:\n14888,3,2005-09-06\n8221,5,2005-05-13\n2:\n3087,4,2005-12-26\n": "files of the Netflix Prize",
    "u,i\n1,2\nu,i\n3,4\n": "line 3: the header is repeated",
    "u,i\n1,2,\n3,4,\n": "each row ends in a separator",
    "u,i,u\n1,2,3\n": "the header names the column twice",
    ",u,i\n0,1,2\n": "column 1 has no name",
    "u,i\n1,\x002\n": "line 2 has a NUL byte",
    "<!DOCTYPE html>\n<html>": "a page of HTML",
    "u,i\n1,caf\xe9\n".encode("latin-1"): "not UTF-8 (byte 9, line 2",
    "u,i\n1,2\n".encode("utf-16-le"): "UTF-16",
}


@pytest.mark.parametrize("content", list(NAMED), ids=list(NAMED.values()))
def test_what_is_odd_is_named_as_what_it_is(content, tmp_path):
    _, found = read(tmp_path / "x.csv", content)
    assert len(found) == 1
    assert NAMED[content] in found[0]


def test_encodings_are_read_by_option_or_by_their_mark(tmp_path):
    text = "u,i\n1,café\n"
    assert read(tmp_path / "x.csv", text.encode("latin-1"), encoding="latin-1") == ({"u": ["1"], "i": ["café"]}, [])
    assert read(tmp_path / "x.csv", text.encode("utf-16"))[0] == {"u": ["1"], "i": ["café"]}
    for old, new in (("\n", "\r\n"), ("\n", "\r")):
        assert read(tmp_path / "x.csv", text.replace(old, new)) == ({"u": ["1"], "i": ["café"]}, [])


def test_decimal_commas_and_marks_between_thousands_are_read(tmp_path):
    columns, found = read(tmp_path / "x.csv", "i;price\n1;12,99\n2;5\n", separator=";")
    assert columns["price"] == ["12.99", "5"]
    assert "the decimal mark ','" in found[0]
    assert read(tmp_path / "x.tsv", "i\tprice\n1\t1,234.50\n2\t12.00\n")[0]["price"] == ["1234.50", "12.00"]
    assert read(tmp_path / "x.tsv", "i\ttags\n1\t3,7\n2\t4,5\n")[0]["tags"] == ["3,7", "4,5"]
    columns, found = read(tmp_path / "x.tsv", "i\tp\n1\t1.234,5\n2\t7\n", decimal=",", thousands=".")
    assert (columns["p"], found) == (["1234.5", "7"], [])


def test_cells_of_several_values_become_rows_by_option(tmp_path):
    columns, _ = read(tmp_path / "x.tsv", "u\thistory\nu1\tN1 N2\nu2\tN3\n", explode={"history": " "})
    assert columns == {"u": ["u1", "u1", "u2"], "history": ["N1", "N2", "N3"], "position": [0, 1, 2]}
    columns, found = read(tmp_path / "x.tsv", "u\th\nu1\tN1\n", explode={"history": " "})
    assert columns is None
    assert "no column 'history' to explode" in found[0]


def test_labels_of_exploded_values_are_a_column_of_their_own(tmp_path):
    text = "u\tshown\nu1\tN-1-1 N2-0\nu2\tN3-0\nu3\t\n"
    columns, _ = read(tmp_path / "x.tsv", text, explode={"shown": " "}, explode_labels={"shown": "-"})
    assert columns == {
        "u": ["u1", "u1", "u2"],
        "shown": ["N-1", "N2", "N3"],
        "label": ["1", "0", "0"],
        "position": [0, 1, 2],
    }
    columns, found = read(
        tmp_path / "x.tsv", "u\tshown\nu1\tN1-1\nu2\tN3\n", explode={"shown": " "}, explode_labels={"shown": "-"}
    )
    assert columns is None
    assert "row 2: 'N3' in 'shown' has no label after '-'" in found[0]


def test_options_of_the_users_table_are_its_own_and_messages_name_their_section(tmp_path):
    (tmp_path / "e.csv").write_text("7;8\n")
    (tmp_path / "u.csv").write_text("7;20\n8;30\n")
    issues = ValidationIssues()
    paths = {"interactions": tmp_path / "e.csv", "users": tmp_path / "u.csv"}
    config = DataConfig(**paths, header=("user_id", "item_id"), separator=";")
    raw = read_tables(config, issues)
    assert raw.interactions[0].frame.to_dict("list") == {"user_id": ["7"], "item_id": ["8"]}
    assert raw.users is None
    assert "data.users_format.header = [" in issues.errors[0].remedy
    config = config.model_copy(update={"users_format": TableFormat(header=("user_id", "age"))})
    assert read_tables(config, ValidationIssues()).users.frame["age"].tolist() == ["20", "30"]


@pytest.mark.parametrize("options", [{"encoding": "no such"}, {"header": ["a", "a"]}, {"separator": '"'}])
def test_options_that_cannot_be_meant_are_refused(options):
    from recsys.config import parse

    with pytest.raises(ConfigError, match=next(iter(options))):
        parse(TableFormat, options, "data")


def test_decimal_commas_below_a_preamble_do_not_hide_the_separator(tmp_path):
    rows = "".join(f"{n};a{n};{n},50\n" for n in range(9))
    columns, found = read(tmp_path / "x.csv", f"Sales of May\nmade on Monday\n\nuser;item;sum\n{rows}")
    assert list(columns) == ["user", "item", "sum"]
    assert "lines 1, 2: text stands before the header (a preamble)" in " ".join(found)
