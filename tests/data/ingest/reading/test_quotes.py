"""The remedy for a quote that is not closed depends on whether other cells need their quotes."""

from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.text.delimited import read_delimited

ROWS = "".join(f"{n};tool {n};{n},50\n" for n in range(4))


def reading(content, **options):
    return read_delimited(f"id;title;price\n{content}".encode(), "x.csv", TableFormat(separator=";", **options))


def error(content):
    found = reading(content)
    assert len(found.errors) == 1
    return found, " -> ".join(found.errors[0][1:])


def test_the_line_is_to_be_mended_by_hand_where_other_cells_are_rightly_quoted():
    found, told = error(f'{ROWS}7;"Eimer\nlimitiert; neu";5,00\n8;"Deluxe Stuhl;9,00\n9;"rot; blau";1,00\n')
    assert found.frame["id"].tolist() == ["0", "1", "2", "3", "7", "9"]
    assert told.startswith("line 8: a quote opens that is not closed at the end of its cell -> mend that line by hand")
    assert 'data.quoting = "none" is no remedy' in told
    assert "tear 2 rows whose cells in quotes rightly hold line ends or separators (lines 6, 9)" in told


def test_quotes_may_be_characters_where_no_cell_needs_them():
    told = error(f'{ROWS}8;"Deluxe Stuhl;9,00\n9;"rot";1,00\n')[1]
    assert told.endswith('data.quoting = "none" reads quotes as characters')


def test_lines_inside_one_cell_are_mended_by_hand_where_other_cells_need_their_quotes():
    found, told = error(f'{ROWS}8;"Deluxe Stuhl;9,00\n5;Bett" breit;3,00\n{ROWS}9;"rot; blau";1,00\n')
    assert "a quote" in told
    assert "by hand" in told
    assert "(line 12)" in told
    assert len(found.frame) >= 9


def test_cells_of_several_lines_in_a_correct_file_are_a_note():
    found = reading('1;"Eimer\nlimitiert, neu\nbis Mai";5,00\n2;"ein\nTuch";6,00\n')
    assert (found.errors, found.warnings) == ([], [])
    assert found.frame["title"].tolist() == ["Eimer\nlimitiert, neu\nbis Mai", "ein\nTuch"]
    ((column, what, remedy),) = found.notes
    assert column is None
    assert what == "5 lines hold 2 rows, with line ends inside quotes, from lines 2, 5 on"
    assert "nothing is to be done" in remedy


def test_a_cell_that_holds_what_looks_like_a_row_stays_a_warning():
    found = reading('1;"Eimer\n7;Tuch;3,00\nbis Mai";5,00\n2;"ein\nTuch";6,00\n')
    assert [what.partition(",")[0] for _, what, _ in found.warnings] == ["3 lines hold 1 row"]
    assert [what.partition(",")[0] for _, what, _ in found.notes] == ["2 lines hold 1 row"]
    assert reading('1;"ein\nTuch";6,00\n', quoting="csv").notes == []


def test_a_cell_of_very_many_lines_stays_a_warning():
    assert len(reading('1;"Eimer' + "\n" * 60 + '";5,00\n').warnings) == 1


def test_a_quote_that_is_not_closed_in_the_header_is_told_with_its_line():
    found = read_delimited(b'id,"title,price\n1,a,2\n2,b,3\n', "x.csv", TableFormat())
    assert [what for _, what, _ in found.errors] == ["line 1: a quote opens that is not closed at the end of its cell"]


def test_an_unclosed_quote_is_told_within_seconds_where_every_cell_is_in_quotes():
    rows = [f'"u{n}";"i, {n % 9}";"{n}"' for n in range(60_000)]
    rows[7] = '"u7";"i;"7"'
    found = reading("\n".join(rows) + "\n")
    assert [what for _, what, _ in found.errors] == ["line 9: a quote opens that is not closed at the end of its cell"]
    assert found.frame["title"].iloc[-1] == f"i, {59_999 % 9}"
    assert len(found.frame) == 59_999
