"""Folders whose parts are of several formats: separated text and JSON are one table, other mixtures are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from recsys.data.ingest.checks import Cells
from recsys.data.ingest.issues import shown
from recsys.data.ingest.reading.found import Found, Note
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.problem import names_text


def one_format(parts: Mapping[str, Found], options: TableFormat) -> tuple[dict[str, Found], list[Note]]:
    """The parts that make one table, and an error where others are left out because of their format.

    JSON beside separated text becomes text, as the cells of the other parts are. Where that cannot be, and beside
    Parquet or Feather, the parts of the format that most have are kept, so that what else is wrong with them is told.

    Args:
        parts: name -> the table of a part.
        options: by which text is read.
    """
    texts = {name: found for name, found in parts.items() if found.separator is not None}
    others = {name: found for name, found in parts.items() if found.separator is None}
    if not texts or not others:
        return dict(parts), []
    plain = options.decimal is None and options.thousands is None  # they say how the numbers of the text parts look
    if plain and all(found.form == "JSON" and _holds_scalars(found.frame) for found in others.values()):
        separator = next(iter(texts.values())).separator
        lost = [note for name, found in others.items() for note in _lost_zeros(name, found, texts)]
        return {
            name: found if name in texts else replace(found, frame=_as_texts(found.frame), separator=separator)
            for name, found in parts.items()
        }, lost
    kept = texts if len(texts) >= len(others) else others
    kinds: dict[str, list[str]] = {}
    for name, found in parts.items():
        kinds.setdefault(found.form or "text", []).append(name)
    listed = "; ".join(f"{kind}: {names_text(names)}" for kind, names in kinds.items())
    why = "" if any(found.form != "JSON" for found in others.values()) else _why(plain)
    told = f"the folder holds parts of several formats ({listed}){why}"
    remedy = "give parts of one format, or name files that are no part of the table with a leading _; until then "
    return dict(kept), [(None, told, f"{remedy}only the {'text' if kept is texts else 'other'} parts are checked")]


def _lost_zeros(name: str, found: Found, texts: Mapping[str, Found]) -> list[Note]:
    """Errors about numbers of a JSON part in columns that have zeros at the front in text parts."""
    notes: list[Note] = []
    for column in found.frame.select_dtypes("number"):
        for other, part in texts.items():
            cells = part.frame[column].dropna() if column in part.frame.columns else pd.Series([], dtype="str")
            zeros = cells[cells.str.fullmatch("0+[1-9][0-9]*")]
            if len(zeros):
                what = f"{name} has numbers, and {other} has zeros at the front, as {shown(zeros.iloc[0])}"
                notes.append((str(column), what, "write them as text with their zeros in the JSON"))
                break
    return notes


def _why(plain: bool) -> str:
    if plain:
        return ", and the JSON has values that are no texts or numbers"
    return ", and the numbers of the JSON are not written as data.decimal and data.thousands say"


def _holds_scalars(frame: pd.DataFrame) -> bool:
    return not any(frame[name].map(lambda cell: isinstance(cell, (list, dict))).any() for name in frame)


def _as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: _texts(frame[name]) for name in frame}, index=frame.index)


def _texts(cells: Cells) -> pd.Series[str]:
    """The cells as separated text writes them: whole numbers without decimals, and empty ones missing."""
    missing = np.asarray(cells.isna(), bool)
    texts = [None if gone else _text(cell) or None for cell, gone in zip(cells, missing, strict=True)]
    return pd.Series(texts, index=cells.index, dtype="str")


def _text(cell: object) -> str:
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    return str(int(cell)) if isinstance(cell, (float, np.floating)) and cell.is_integer() else str(cell)
