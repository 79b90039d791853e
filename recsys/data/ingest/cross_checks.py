"""Checks of typed tables: repeated rows and ids, ids without a row, train and test files, texts and images."""

from __future__ import annotations

import json
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.feedback.likes import DISLIKE, LIKE, REMOVAL
from recsys.data.feedback.repeats import BUYS_AGAIN
from recsys.data.ingest.config import UnknownIds
from recsys.data.ingest.id_column import TypedIds, joint_codes
from recsys.data.ingest.issues import Location, shown
from recsys.data.ingest.reading.image_files import IMAGE_FORMATS, read_image_file
from recsys.data.ingest.tables import TypedTables
from recsys.data.ingest.typed_entities import TypedEntities
from recsys.data.ingest.typed_interactions import TypedInteractions
from recsys.data.ingest.types.event_types import one_each_text
from recsys.data.ingest.types.meeting_ids import check_ids_meet
from recsys.data.schema import Kind
from recsys.errors import reason_of

_WITHDRAWN = 1 / 3
"""The share of the likes from which on it is told that they are taken back."""
_REASONS = 3
"""Reasons why images cannot be decoded that are told one by one."""


def check_tables(
    tables: TypedTables, unknown_ids: UnknownIds, joining: Dataset | None = None, settled: bool = False
) -> None:
    """Adds issues about repeated rows and ids, ids without a row in a table, and inconsistent train and test files.

    Args:
        tables: the typed tables, to whose issues is added.
        unknown_ids: ids of the interactions that the users or items table lacks are an ``error``, or a warning that
            says what becomes of them.
        joining: the dataset that the tables will be merged into.
        settled: whether the config itself says what becomes of unknown ids, so that they are a note.
    """
    for part in tables.interactions:
        _check_repeated_rows(part)
        _check_withdrawals(part)
    for table in (tables.users, tables.items):
        if table is not None:
            _check_repeated_ids(table.ids)
    if len({part.has_timestamps for part in tables.interactions}) > 1:
        tables.interactions[1].location.error("one file has times and the other has none", "give both the same columns")
    check_ids_meet(tables, unknown_ids, joining, settled)
    if len(tables.interactions) == 2 and None not in tables.integers:
        _check_test_in_train(*tables.interactions)


def _check_repeated_rows(part: TypedInteractions) -> None:
    if not len(part.repeated):
        return
    if part.order is None:
        found = "user and item repeat another row, and there is no time"
        remedy = (
            'name the time in data.columns.time; without one, set data.duplicates, duplicates= in Python, to "keep" '
            'where the rows are events of their own, such as purchases, which then count as several, or to "first" '
            "where a row was exported twice: all but one of each pair of user and item are left out then"
        )
    else:
        found = f"user, item and {'time' if part.has_timestamps else 'position'} repeat another row"
        remedy = (
            'set data.duplicates, duplicates= in Python, to "first" or "last", which use one of them, where a row was '
            'exported twice, or to "keep", which counts each as an event of its own'
        )
    if part.duplicates == "error":
        part.location.error(found, remedy, part.repeated)
    else:
        part.location.note(f"{found}; the {part.duplicates} is kept", "data.duplicates says so", part.repeated)


def _check_withdrawals(part: TypedInteractions) -> None:
    """Warns of removals that take back several likes each, and of all that take back over a third of the likes.

    The first may be refunds of one purchase where people buy again, the second the end of a use.
    """
    withdraws = np.isin(part.meaning, (DISLIKE, REMOVAL))
    if part.event_types is None or part.event is None or not withdraws.any() or part.location.issues.errors:
        return
    rows = np.arange(len(part))[part.kept]
    taken_by = rows[part.feedback.taken_by[part.feedback.taken_back]]
    takers = taken_by[withdraws[taken_by]]
    likes = rows[part.meaning[rows] == LIKE]
    removals = takers[part.meaning[takers] == REMOVAL]
    location = part.location.at(part.event_types.column)
    if len(removals) > len(np.unique(removals)) and _share_again(part, likes) >= BUYS_AGAIN:
        names = _types_of(part, removals)
        count = f"{len(np.unique(removals)):,} row{'s' * (len(np.unique(removals)) != 1)}"
        location.warn(
            f"{count} of {', '.join(map(repr, names))} take back {len(removals):,} likes, all earlier ones of the same "
            "user and item each",
            f"people come back to items here; if such a row is of one purchase, as a refund is, "
            f"{one_each_text(part.event_types, names)}, and no meaning of it, let each take back one; the meaning "
            '"ignore" leaves it out and the likes stand',
            np.unique(removals),
        )
    elif len(takers) > _WITHDRAWN * len(likes):
        names = _types_of(part, takers)
        says = ", ".join(f'{json.dumps(name, ensure_ascii=False)} = "ignore"' for name in names)
        location.warn(
            f"{len(likes):,} likes, of which rows of {', '.join(map(repr, names))} take back {len(takers):,} "
            f"({len(takers) / len(likes):.0%})",
            "if such a row is no change of mind but the end of a use, as when a book is brought back, "
            f"data.columns.event_meaning = {{{says}}} leaves it out and the likes stand",
            np.unique(takers),
        )


def _types_of(part: TypedInteractions, rows: NDArray[np.int64]) -> list[str]:
    assert part.event_types is not None, "events are known"
    assert part.event is not None, "events are known"
    counts = np.bincount(part.event[rows], minlength=len(part.event_types.types))
    return [part.event_types.types[n].name for n in np.flatnonzero(counts)]


def _share_again(part: TypedInteractions, likes: NDArray[np.int64]) -> float:
    """The share of the rows ``likes`` that have the user, item and type of an earlier one."""
    assert part.event is not None, "events are known"
    keys = {"user": part.user.codes[likes], "item": part.item.codes[likes], "type": part.event[likes]}
    return float(pd.DataFrame(keys).duplicated().mean())


def _check_repeated_ids(ids: TypedIds) -> None:
    good = np.flatnonzero(ids.good)
    twice = good[pd.Index(ids.codes[good]).duplicated()]
    if len(twice):
        found = f"the id {shown(ids.distinct[ids.codes[twice[0]]])} is repeated"
        ids.location.error(found, "keep one row an id", twice)


def _check_test_in_train(train: TypedInteractions, test: TypedInteractions) -> None:
    """Warns of pairs of user and item that are in both files."""
    good = [part.user.good & part.item.good & part.keep for part in (train, test)]
    users, _ = joint_codes([train.user, test.user], good)
    items, distinct = joint_codes([train.item, test.item], good)
    pairs, n = users * max(len(distinct), 1) + items, int(good[0].sum())
    repeated = np.flatnonzero(good[1])[pd.Index(pairs[n:]).isin(pairs[:n])]
    if len(repeated):
        test.user.location.warn(
            f"user and item are in {train.location.file.name} too; with filter_seen, such items are never recommended",
            "remove them from one file, or set evaluate.filter_seen to false",
            repeated,
        )


def check_contents(table: TypedEntities) -> None:
    """Warns of empty texts, and of images that are missing or cannot be decoded; models treat them as missing."""
    for name, column in table.schema.columns.items():
        cells, location = table.columns[name], table.location.at(name)
        if not len(cells) or column.kind is Kind.IGNORED:
            continue
        if column.kind is Kind.TEXT:
            empty = np.flatnonzero((cells.isna() | (cells.str.strip() == "")).to_numpy(bool))
            if len(empty):
                location.warn("the text is empty", "add one; until then it counts as missing", empty)
        elif column.kind is Kind.IMAGE:
            check_images(cells.tolist(), location)


def check_images(paths: list[object], location: Location) -> None:
    """Warns of images that are missing or cannot be decoded.

    Args:
        paths: [n] absolute, or relative to the table's folder; None or NaN for rows without an image.
        location: the column.
    """
    absent: list[int] = []
    broken: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        if not isinstance(path, str):
            continue
        wrong = image_error(location.file.parent / path)
        if wrong is None:
            continue
        if wrong:
            broken.setdefault(wrong, []).append(row)
        else:
            absent.append(row)
    none = [row for row, path in enumerate(paths) if not isinstance(path, str)]
    if none:
        location.warn("there is no image", "add one; until then it counts as missing", none)
    if absent:
        first = shown(paths[absent[0]])
        location.warn(f"the file {first} does not exist", "paths start at the table's folder; add the files", absent)
    formats = f"{', '.join(IMAGE_FORMATS[:-1])} or {IMAGE_FORMATS[-1]}"
    remedy = f"replace it with a whole {formats} file; until then it counts as missing"
    for reason, rows in list(broken.items())[:_REASONS]:
        location.warn(f"the image {shown(paths[rows[0]])} cannot be decoded ({reason})", remedy, rows)
    if rest := [row for rows in list(broken.values())[_REASONS:] for row in rows]:
        found = f"the image {shown(paths[rest[0]])} and others cannot be decoded, for other reasons"
        location.warn(found, remedy, sorted(rest))


def image_error(path: Path) -> str | None:
    """Why an image cannot be decoded; empty if the file does not exist, None if it can be decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        file = read_image_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # as when the image is decoded
            with Image.open(BytesIO(file), formats=IMAGE_FORMATS) as image:
                image.verify()
            with Image.open(BytesIO(file), formats=IMAGE_FORMATS) as image:  # verify misses a truncated JPEG
                image.draft("RGB", (32, 32))
                image.load()
    except FileNotFoundError:
        return ""
    except UnidentifiedImageError:  # its message names the buffer
        return "its content is no image of these formats"
    except Exception as error:  # decoders raise many kinds of exceptions on damaged files
        return reason_of(error).replace(str(path), path.name)
    return None
