"""The remedy for a quote that is not closed depends on whether other cells need their quotes."""

from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.text.delimited import read_delimited

ROWS = "".join(f"{n};tool {n};{n},50\n" for n in range(4))


def error(content):
    found = read_delimited(f"id;title;price\n{content}".encode(), "x.csv", TableFormat(separator=";"))
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
