"""Checks of typed tables: each by itself, then against each other, then what texts and images hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.issues import Location, shown
from recsys.data.ingest.tables import TypedTables
from recsys.data.ingest.typed_entities import TypedEntities
from recsys.data.ingest.typed_interactions import TypedInteractions
from recsys.data.schema import Kind


def check_tables(tables: TypedTables, unknown_ids_are_errors: bool) -> None:
    """Adds issues about repeated rows and ids, ids that a table lacks, and train and test files that disagree.

    Args:
        tables: the typed tables, which know where their issues go.
        unknown_ids_are_errors: whether an id of the interactions that the users or items table lacks is an error.
    """
    for part in tables.interactions:
        _check_repeated_rows(part)
    for table in (tables.users, tables.items):
        if table is not None:
            _check_repeated_ids(table.ids)
    if len({part.has_timestamps for part in tables.interactions}) > 1:
        tables.interactions[1].location.error("one file has times and the other has none", "give both the same columns")
    for seen, table in (
        ([part.user for part in tables.interactions], tables.users),
        ([part.item for part in tables.interactions], tables.items),
    ):
        if table is not None and table.ids.integers is not None:
            _check_unknown_ids(seen, table, unknown_ids_are_errors)
    if len(tables.interactions) == 2 and None not in tables.integers:
        _check_test_in_train(*tables.interactions)


def _check_repeated_rows(part: TypedInteractions) -> None:
    if not len(part.repeated):
        return
    found = "user, item and time repeat another row"
    if part.duplicates == "error":
        remedy = 'drop the rows, or set data.duplicates, duplicates= in Python, to "first", "last" or "keep"'
        part.location.error(found, remedy, part.repeated)
    else:
        part.location.warn(f"{found}; the {part.duplicates} is kept", "see that this is meant", part.repeated)


def _check_repeated_ids(ids: TypedIds) -> None:
    good = np.flatnonzero(ids.good)
    twice = good[pd.Index(ids.ids[good]).duplicated()]
    if len(twice):
        found = f"the id {shown(ids.ids[twice[0]])} stands there before"
        ids.location.error(found, "keep one row an id", twice)


def _check_test_in_train(train: TypedInteractions, test: TypedInteractions) -> None:
    """Warns of pairs of user and item that both files hold."""
    pairs = [pd.MultiIndex.from_arrays([part.user.ids, part.item.ids]) for part in (train, test)]
    good = [part.user.good & part.item.good & part.keep for part in (train, test)]
    repeated = np.flatnonzero(good[1] & pairs[1].isin(pairs[0][good[0]]))
    if len(repeated):
        test.user.location.warn(
            f"user and item stand in {train.location.file.name} too; with the seen filter on, such items are never "
            "recommended",
            "take them out of one file, or set evaluate.filter_seen to false",
            repeated,
        )


def _check_unknown_ids(seen: list[TypedIds], table: TypedEntities, are_errors: bool) -> None:
    """Reports ids of the interactions that the table of users or items lacks."""
    known = pd.Index(table.ids.ids[table.ids.good])
    for part in seen:
        rows = np.flatnonzero(part.good & ~pd.Index(part.ids).isin(known))
        if len(rows):
            _report_unknown(part, rows, table.location.file, are_errors)


def _report_unknown(part: TypedIds, rows: NDArray[np.int64], table: Path, is_error: bool) -> None:
    count = len(pd.unique(part.ids[rows]))
    found = f"{count:,} id{'s are' if count > 1 else ' is'} not in {table.name}, as {shown(part.ids[rows[0]])}"
    if is_error:
        part.location.error(found, 'describe them, or set data.unknown_ids to "add"', rows)
    else:
        part.location.warn(found, "describe them; until then their features are missing", rows)


def check_contents(table: TypedEntities) -> None:
    """Warns of empty texts, columns without a cell, and images that are not there or cannot be decoded.

    None of it keeps the data from being read, but it will be missing to the models.
    """
    for name, column in table.schema.columns.items():
        cells, location = table.columns[name], table.location.at(name)
        if not len(cells) or column.kind is Kind.IGNORED:
            continue
        if column.kind is Kind.TEXT:
            empty = np.flatnonzero((cells.isna() | (cells.str.strip() == "")).to_numpy(bool))
            if len(empty):
                location.warn("the text is empty", "write one; until then it counts as missing", empty)
        elif column.kind is Kind.IMAGE:
            check_images(cells.tolist(), location)


def check_images(paths: list[object], location: Location) -> None:
    """Warns of images [n] that cannot be used.

    Args:
        paths: from the table's folder, or absolute; None and NaN where there is none.
        location: the column.
    """
    absent, broken, reason = [], [], ""
    for row, path in enumerate(paths):
        if not isinstance(path, str):
            continue
        wrong = image_error(location.file.parent / path)
        if wrong is None:
            continue
        if wrong:
            broken.append(row)
            reason = reason or wrong
        else:
            absent.append(row)
    none = [row for row, path in enumerate(paths) if not isinstance(path, str)]
    if none:
        location.warn("there is no image", "name one; until then it counts as missing", none)
    if absent:
        first = shown(paths[absent[0]])
        location.warn(f"the file {first} does not exist", "paths start at the table's folder; add the files", absent)
    if broken:
        location.warn(f"the image {shown(paths[broken[0]])} cannot be decoded ({reason})", "replace it", broken)


def image_error(path: Path) -> str | None:
    """Why an image cannot be decoded; an empty text when the file is not there, None when all is well."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.verify()
        with Image.open(path) as image:  # verify leaves nothing to decode, and does not see that a JPEG is cut off
            image.draft("RGB", (32, 32))
            image.load()
    except FileNotFoundError:
        return ""
    except Exception as error:  # damaged files make the decoders raise almost anything
        return str(error).replace(str(path), path.name) or type(error).__name__
    return None
