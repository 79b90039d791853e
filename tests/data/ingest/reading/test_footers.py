"""Lines of totals at the end of a table, and rows that are left out as such."""

import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import read_table
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.reading.options import TableFormat
from recsys.errors import DataError

ROWS = "".join(f"{n};a{n};{n},50\n" for n in range(12))


def read(path, **options):
    issues = ValidationIssues()
    table = read_table(
        Location(issues, path), options=TableFormat(separator=";", **options), section="data.users_format"
    )
    return (None if table is None else table.frame), [f"{issue.found} -> {issue.remedy}" for issue in issues]


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("Summe;;99,00", "Summe"),
        ("Anzahl Datensätze: 12;;", "Anzahl Datensätze"),
        ('"Grand Total:";;7,00', "Grand Total"),
        ("Rows = 12;;", "Rows"),
        (";;99,00", ";;"),
    ],
)
def test_a_line_of_totals_is_read_with_a_warning_and_left_out_by_how_it_begins(line, label, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"id;name;sum\n{ROWS}{line}\n")
    frame, found = read(path)
    assert len(frame) == 13
    assert f"line 14 looks like totals and not like a row, and is read as one: {line!r}" in " ".join(found)
    assert f'data.users_format.footer = "{label}" leaves out such lines' in " ".join(found)
    frame, found = read(path, footer=label)
    assert len(frame) == 12
    assert "totals" not in " ".join(found)


def test_totals_that_begin_with_a_number_are_left_out_by_their_number_of_lines(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"id;name;sum\n{ROWS}12 rows;;\n12 records in all;;\n")
    found = read(path)[1]
    assert "lines 14, 15 look like totals" in " ".join(found)
    assert "data.users_format.skip_footer = 2 leaves out such lines" in " ".join(found)
    assert len(read(path, skip_footer=2)[0]) == 12


@pytest.mark.parametrize("last", ["13;a13;1,00", "TEST01;x;2,00", "total;b;3,00", "13;;1,00", "13;b;"])
def test_a_last_row_that_is_filled_as_others_are_is_no_total(last, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"id;name;sum\nann;b;1,00\nTotal;b;2,00\n{ROWS}{last}\n")
    frame, found = read(path)
    assert len(frame) == 15
    assert "totals" not in " ".join(found)


def folder_of_parts(folder):
    folder.mkdir()
    for month, end in (("01", "Summe;;78,00\n"), ("02", ""), ("03", "Summe;;78,00\n\n")):
        (folder / f"{month}.csv").write_text(f"id;name;sum\n{ROWS}{end}")
    return folder


def test_totals_of_parts_are_one_warning_and_left_out_where_a_part_has_one(tmp_path):
    folder = folder_of_parts(tmp_path / "parts")
    frame, found = read(folder)
    assert len(frame) == 38
    assert "2 last lines of parts, the first 01.csv line 14, look like totals" in " ".join(found)
    frame, found = read(folder, footer="Summe", decimal=",")
    assert (len(frame), found) == (36, [])


def test_a_row_that_is_left_out_of_the_one_part_without_totals_is_told(tmp_path):
    frame, found = read(folder_of_parts(tmp_path / "parts"), skip_footer=1, decimal=",")
    assert len(frame) == 35
    assert found == [
        "02.csv line 13 is left out, and looks like a row: '11;a11;11,50' -> replace data.users_format.skip_footer by "
        'data.users_format.footer = "Summe", which leaves out only last lines that begin so'
    ]


def test_a_footer_that_no_line_begins_with_is_told(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"id;name;sum\n{ROWS}Total;;7,00\n")
    assert "no line at the end begins with 'Summe'" in " ".join(read(path, footer=["Summe"])[1])
    assert len(read(path, footer=["Summe", "Total"])[0]) == 12


def test_a_last_line_of_one_cell_is_left_out_by_its_label(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"id;name;sum\n{ROWS}Total: 12\n")
    assert 'set data.users_format.footer = "Total"' in " ".join(read(path)[1])
    assert len(read(path, footer="Total")[0]) == 12


def test_the_decimal_mark_is_guessed_over_all_parts_together_and_told_once(tmp_path):
    for name, cells in (("1", "99.999,00 1.250 3,50"), ("2", "5,00 12"), ("3", "1.500 7")):
        rows = "".join(f"{n};{cell}\n" for n, cell in enumerate(cells.split()))
        (tmp_path / f"{name}.csv").write_text(f"id;price\n{rows}")
    frame, found = read(tmp_path)
    assert frame["price"].tolist() == ["99999.00", "1250", "3.50", "5.00", "12", "1500", "7"]
    assert found == [
        "numbers as '99.999,00' are read with the decimal mark ',' and '.' between thousands, in 3 parts, the first "
        '1.csv -> data.users_format.decimal = "," and data.users_format.thousands = "." say so'
    ]


def test_parts_that_are_written_differently_are_read_each_by_its_own_marks(tmp_path):
    for name, cells in (("1", "3,50 4,25"), ("2", "5.00 12.75"), ("3", "1,00")):
        rows = "".join(f"{n};{cell}\n" for n, cell in enumerate(cells.split()))
        (tmp_path / f"{name}.csv").write_text(f"id;price\n{rows}")
    frame, found = read(tmp_path)
    assert frame["price"].tolist() == ["3.50", "4.25", "5.00", "12.75", "1.00"]
    assert "numbers as '3,50' are read with the decimal mark ',', in 2 parts, the first 1.csv" in " ".join(found)


def test_the_totals_that_cause_an_error_are_named_beside_it_with_the_option(tmp_path):
    rows = "".join(f"{n},{n % 3},2024-01-0{n}\n" for n in range(1, 9))
    (tmp_path / "x.csv").write_text(f"user_id,item_id,timestamp\n{rows}Total,,3\n")
    with pytest.raises(DataError, match=r'the id is missing(?s:.*)what may be the cause(?s:.*)data.footer = "Total"'):
        ingest(DataConfig(interactions=tmp_path / "x.csv"))
