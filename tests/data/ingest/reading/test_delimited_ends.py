"""Lines that end with a separator."""

from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.text.delimited import read_delimited


def test_a_separator_at_the_end_of_every_line_makes_no_column():
    found = read_delimited(b"user_id;item_id;\n1;7;\n2;8;\n", "x.csv", TableFormat())
    assert found.frame.to_dict("list") == {"user_id": ["1", "2"], "item_id": ["7", "8"]}


def test_a_column_without_a_name_that_has_a_cell_is_kept_and_told():
    found = read_delimited(b"user_id;item_id;\n1;7;\n2;8;x\n", "x.csv", TableFormat())
    assert found.frame.shape == (2, 3)
    assert "column 3 has no name in the header" in [text for _, text, _ in found.warnings]
