"""How the quotes of a text table are meant: as CSV's, or as ordinary characters, or broken."""

from __future__ import annotations

import numpy as np

from recsys.data.ingest.reading.problem import Unreadable, lines_text
from recsys.data.ingest.reading.text.quoted_lines import QuotedLines, closed_line, quoted_cell, quoted_lines
from recsys.data.ingest.reading.text.records import Positions, Records, plain_records, quoted_records

_LONGEST_CELL, _LONGEST_BYTES, _MOST_BROKEN = 50, 1 << 16, 1000
"""Lines and bytes that a cell in quotes may span in a file that has broken quotes too, and how many of those are tried:
beyond, each is reported as broken. It keeps the time linear in the size of the file."""

_CSV = (b",", b";")
"""Separators of CSV files, in which quotes have a meaning, so that a broken one is an error."""


def split_rows(data: bytes, separator: bytes, quoting: str | None, first_line: int = 1) -> Records:
    """The rows of a text table; what is wrong with its quotes is added to their errors and warnings.

    Args:
        data: UTF-8 with line feeds.
        separator: one byte.
        quoting: as in `recsys.data.ingest.reading.options.TableFormat`; None guesses.
        first_line: the number of the first line.

    Raises:
        Unreadable: quotes that are escaped by backslashes do not match.
    """
    plain = plain_records(data, separator, first_line)
    if quoting == "none" or b'"' not in data:
        return plain
    if quoting != "backslash":
        rows = quoted_records(data, separator, first_line=first_line)
        if rows is not None:
            _check_spans(rows, plain, quoting)
            return rows
    if quoting == "backslash" or (quoting is None and b'\\"' in data):
        rows = quoted_records(data, separator, escape=True, first_line=first_line)
        if rows is not None and (quoting or (rows.fields == rows.fields[0]).all()):
            _check_spans(rows, plain, quoting)
            if quoting is None:
                rows.warnings.append(
                    ('quotes are escaped by backslashes, as \\"', 'data.quoting = "backslash" says so')
                )
            return rows
        if quoting:
            raise Unreadable("quotes open or close inside cells", 'write it again, or set data.quoting = "none"')
    quoted = quoted_lines(plain, separator)
    if quoting is None and separator not in _CSV and _are_characters(plain, quoted):
        plain.warnings.append(_as_characters(plain, quoted.broken))
        return plain
    return _without_broken(plain, separator, quoted, quoting)


def _are_characters(plain: Records, quoted: QuotedLines) -> bool:
    """Whether quotes must be ordinary characters: all lines have one number of cells, and few are in quotes."""
    if len(plain) and plain.text(0).startswith(b'"'):
        return False
    blank = plain.ends == plain.starts
    if len(np.unique(plain.fields[~blank])) > 1 or plain.fields[~blank][0] < 2:
        return False
    return len(quoted.whole) * 2 <= len(plain) and not _has_escaped(plain, quoted.whole)


def _has_escaped(plain: Records, whole: Positions) -> bool:
    """Whether a line that is not broken has a doubled quote, which only cells in quotes need."""
    return any(b'""' in plain.text(n).replace(b'"""', b'""') for n in whole[:1000])


def _as_characters(plain: Records, broken: Positions) -> tuple[str, str]:
    lines = plain.lines[broken]
    return (
        f"quotes open or close in the middle of cells ({lines_text(lines)}), so quotes are read as ordinary characters",
        'data.quoting = "none" says so; data.quoting = "csv" takes them off and refuses those lines',
    )


def _check_spans(rows: Records, plain: Records, quoting: str | None, broken: bool = False) -> None:
    """Reports cells that span lines: an error where each of these lines looks like a row of its own.

    It is a warning where a line inside of a cell looks so, where the cell is long, or beside ``broken`` quotes;
    else a note: such a file is a correct CSV.
    """
    spans = np.flatnonzero(rows.last_lines > rows.lines)
    if not len(spans):
        return
    first = rows.lines[spans] - plain.lines[0]
    last = rows.last_lines[spans] - plain.lines[0]
    width = int(np.bincount(rows.fields).argmax())
    fits = np.concatenate([[0], np.cumsum(plain.fields == width)])
    like_rows = (fits[last + 1] - fits[first] == last - first + 1) & (width > 1)
    doubtful = (fits[last] > fits[first + 1]) | (rows.fields[spans] != width) | (last - first >= _LONGEST_CELL)
    doubtful |= broken or width == 1
    if quoting is None and like_rows.any():
        others = np.setdiff1d(_needing_quotes(rows, plain), rows.lines[spans[like_rows]])
        rows.errors.append(_inside_one_cell(rows, spans[like_rows], others))
        spans, doubtful = spans[~like_rows], doubtful[~like_rows] | True
    elif quoting is not None:
        spans, doubtful = spans[like_rows], like_rows[like_rows]
    if doubtful.any():
        meant = 'data.quoting = "csv" says so if that is meant; else close the quotes on these lines'
        rows.warnings.append((_spanning(rows, spans[doubtful]), meant))
    if not doubtful.all():
        right = 'all quotes are closed, so nothing is to be done; data.quoting = "csv" takes them so without a note'
        rows.notes.append((_spanning(rows, spans[~doubtful]), right))


def _spanning(rows: Records, spans: Positions) -> str:
    lines = int((rows.last_lines[spans] - rows.lines[spans]).sum()) + len(spans)
    many = len(spans) > 1
    return (
        f"{lines:,} lines hold {len(spans):,} row{'s' * many}, with line ends inside quotes, from "
        f"{lines_text(rows.lines[spans])} on"
    )


def _inside_one_cell(rows: Records, spans: Positions, needing: Positions) -> tuple[str, str]:
    lines = int((rows.last_lines[spans] - rows.lines[spans]).sum()) + len(spans)
    first, last = int(rows.lines[spans[0]]), int(rows.last_lines[spans[0]])
    found = (
        f"{lines:,} lines stand inside {len(spans)} quoted cell{'s' * (len(spans) > 1)}, the first on lines {first} to "
        f"{last}, though each line looks like a row: a quote is not closed"
    )
    if len(needing):
        meant = 'data.quoting = "csv" reads cells of several lines, if they are meant'
        return found, f"{_remedy(needing, len(spans))}; {meant}"
    return (
        found,
        'data.quoting = "none" reads each line as a row, with the quotes; "csv" reads cells of several lines',
    )


def _without_broken(plain: Records, separator: bytes, quoted: QuotedLines, quoting: str | None) -> Records:
    """The rows of a CSV without those whose quotes are broken, which become an error; cells may span lines."""
    broken = quoted.broken
    taken, keep = plain.last_lines.copy(), np.ones(len(plain), bool)
    fields, bad = plain.fields.copy(), []
    fields[quoted.lines] = quoted.fields
    usual = int(np.bincount(np.delete(fields, broken)).argmax()) if len(broken) < len(plain) else 0
    inside = -1
    ends = plain.ends.copy()
    for line in broken.tolist():
        if line <= inside:
            continue
        last = _closing(plain, line, usual, separator) if len(broken) <= _MOST_BROKEN else None
        if last is None:
            keep[line] = False
            bad.append(line)
            continue
        ends[line], taken[line], fields[line] = plain.ends[last], plain.last_lines[last], usual
        keep[line + 1 : last + 1] = False
        inside = last
    rows = Records(plain.data, plain.starts, ends, plain.lines, taken, fields, "csv").select(keep)
    if bad:
        found = f"{lines_text(plain.lines[np.array(bad)])}: a quote opens that is not closed at the end of its cell"
        rows.errors.append((found, _remedy(_needing_quotes(rows, plain), len(bad))))
    _check_spans(rows, plain, quoting, broken=bool(bad))
    return rows


def _needing_quotes(rows: Records, plain: Records) -> Positions:
    """The lines of rows that are rightly quoted and would be torn without: separators or line ends stand in cells."""
    place = np.searchsorted(plain.lines, rows.lines)
    found: Positions = rows.lines[(rows.last_lines > rows.lines) | (plain.fields[place] != rows.fields)]
    return found


def _remedy(needing: Positions, count: int) -> str:
    """What to do about lines whose quotes are broken, where the lines ``needing`` need theirs."""
    mend = 'double quotes inside of cells ("a ""b"" c")'
    if not len(needing):
        return f'{mend}; data.quoting = "none" reads quotes as characters'
    what = "that line" if count == 1 else "those lines"
    return (
        f'mend {what} by hand: take the quote off, or {mend}; data.quoting = "none" is no remedy, as it would tear '
        f"{len(needing):,} row{'s' * (len(needing) > 1)} whose cells in quotes rightly hold line ends or separators "
        f"({lines_text(needing)})"
    )


def _closing(plain: Records, line: int, usual: int, separator: bytes) -> int | None:
    """The last line of the row that starts on ``line`` if a cell spans lines; None if the quote is just not closed."""
    pattern, cell = closed_line(separator), quoted_cell(separator)
    for last in range(line + 1, min(line + _LONGEST_CELL, len(plain))):
        if b'"' not in plain.text(last):
            continue
        text = plain.data[int(plain.starts[line]) : int(plain.ends[last])]
        if len(text) > _LONGEST_BYTES:
            return None
        if pattern.fullmatch(text):
            same = bool((plain.fields[line : last + 1] == usual).all())
            return last if cell.sub(b"", text).count(separator) + 1 == usual and not same else None
    return None
