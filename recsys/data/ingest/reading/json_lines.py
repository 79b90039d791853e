"""JSON lines: an object a line; and JSON files with a list of objects."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.reading.found import Found, Note, check_width
from recsys.data.ingest.reading.problem import Unreadable, lines_text
from recsys.data.ingest.reading.text.encoding import as_utf8


def read_json(data: bytes, encoding: str | None) -> Found:
    """Reads JSON lines, or a JSON list of objects; keys become columns, in the order in which they occur.

    Raises:
        Unreadable: not JSON, or no objects.
    """
    text, _ = as_utf8(data, encoding)
    if text.lstrip()[:1] == b"[":
        return _frame(_objects(_parsed(text)), None, [])
    rows, lines, bad, reason = [], [], [], ""
    for line, written in enumerate(text.split(b"\n"), 1):
        if not written.strip():
            continue
        try:
            row = json.loads(written)
        except (ValueError, RecursionError) as error:
            row, reason = None, reason or getattr(error, "msg", str(error))
        if isinstance(row, dict):
            rows.append(row)
            lines.append(line)
        else:
            bad.append(line)
    if not rows:
        return _frame(_objects([_parsed(text)]), None, [])
    errors: list[Note] = []
    if bad:
        why = f" ({reason})" if reason else ""
        errors.append((None, f"{lines_text(bad)}: no JSON object{why}", "give one object a line, as written by pandas"))
    return _frame(rows, np.array(lines, np.int64), errors)


def is_json(start: bytes) -> bool:
    """Whether a text that begins so is JSON: an object with a key, or a list of objects."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    rest = text[1:].lstrip()
    return (text[:1] == b"{" and rest[:1] in (b'"', b"}")) or (text[:1] == b"[" and rest[:1] == b"{")


def _parsed(text: bytes) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the file is not JSON ({error})", "give JSON lines: one object a line") from error
    return found


def _objects(rows: object) -> list[dict[str, object]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable("the JSON is no list of objects", "give JSON lines: one object a line")
    return rows


def _frame(
    rows: list[dict[str, object]],
    lines: np.ndarray[tuple[int], np.dtype[np.int64]] | None,
    errors: list[Note],
) -> Found:
    names = list(dict.fromkeys(name for row in rows for name in row))
    check_width(len(names))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    for name in names:
        nested = [n for n, row in enumerate(rows) if isinstance(row.get(name), dict)]
        if nested:
            where = "" if lines is None else f"{lines_text(lines[nested])}: "
            errors.append((name, f"{where}the value is an object", "write its values as keys of their own"))
            columns[name] = _column([None if isinstance(row.get(name), dict) else row.get(name) for row in rows])
    return Found(pd.DataFrame(columns, index=range(len(rows))), None, lines, errors)


def _column(cells: list[object]) -> Cells:
    """Integers stay integers beside missing cells: as floats, large ids would lose digits."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int} and None in cells and all(-(2**63) <= c < 2**63 for c in cells if isinstance(c, int)):
        return pd.Series(cells, dtype="Int64")
    if len(kinds) > 1 and kinds != {int, float}:
        return pd.Series(cells, dtype=object)
    return pd.Series(cells)
