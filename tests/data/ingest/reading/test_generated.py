"""Generated tables with quirks: each is read to the last row, or refused with the line."""

import re

import pytest
from hypothesis import HealthCheck, given, seed, settings

from recsys.data.ingest.files import read_table
from recsys.data.ingest.issues import Location, ValidationIssues
from recsys.data.ingest.reading.options import TableFormat
from tests.data.ingest.reading.grammar import NAMES, Generated, tables

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
PARTS = 8
"""Of the ten thousand, so that several processes share them."""


def check(path, made: Generated):
    path = path / made.name
    path.write_bytes(made.content)
    issues = ValidationIssues()
    table = read_table(Location(issues, path), options=TableFormat(**made.options))
    errors = [issue.found for issue in issues.errors]
    named = {int(n) for text in errors for n in re.findall(r"\d+", text)}
    if not made.bad:
        assert errors == []
        assert rows_of(table) == made.rows
        places = [table.location.place(n) if table.location.place else None for n in range(len(table))]
        assert [text or f"line {n + 2}" for n, text in enumerate(places)] == [f"line {line}" for line in made.lines]
        return
    if made.quoted and not errors:  # quotes were read as characters, and that was told
        warnings = " ".join(issue.found for issue in issues.warnings)
        assert str(made.bad[0]) in re.findall(r"\d+", warnings)
        assert len(table) == len(made.rows) + 1
        return
    assert errors, "a broken line is never passed over"
    assert any(line in named for line in made.bad), errors
    if table is not None and not made.quoted:
        assert rows_of(table) == made.rows, "the other rows are read"


def rows_of(table):
    columns = [table.frame[name].tolist() for name in NAMES]
    cells = zip(*columns, strict=True)
    return [[cell.replace("\r\n", "\n") if isinstance(cell, str) else None for cell in row] for row in cells]


@given(made=tables())
@settings(max_examples=300, deadline=None, report_multiple_bugs=False, suppress_health_check=QUIET)
def test_a_generated_table_is_read_to_the_last_row_or_refused_with_the_line(made, tmp_path):
    check(tmp_path, made)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_generated_tables_are_read_to_the_last_row_or_refused_with_the_line(part, tmp_path):
    @given(made=tables())
    @settings(max_examples=10_000 // PARTS, deadline=None, report_multiple_bugs=False, suppress_health_check=QUIET)
    def search(made):
        check(tmp_path, made)

    if settings.default.derandomize:  # each part has tables of its own
        search = seed(part)(search)
    search()
