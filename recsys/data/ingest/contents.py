"""What texts and images hold: nothing here keeps the data from being read, but it will be missing to the models."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsys.data.ingest.issues import Location, ValidationIssues, shown
from recsys.data.ingest.raw_entities import RawEntities
from recsys.data.schema import Kind


def look_at_contents(table: RawEntities, issues: ValidationIssues) -> None:
    """Warns of empty texts, columns without a cell, and images that are not there or cannot be decoded."""
    place = Location(issues, table.file)
    for name, column in table.schema.columns.items():
        cells = table.columns[name]
        if not len(cells) or column.kind is Kind.IGNORED:
            continue
        if column.kind is Kind.TEXT:
            empty = np.flatnonzero((cells.isna() | (cells.str.strip() == "")).to_numpy(bool))
            if len(empty):
                place.at(name).warn("the text is empty", "write one; until then it counts as missing", empty)
        elif column.kind is Kind.IMAGE:
            look_at_images(cells.tolist(), place.at(name))


def look_at_images(paths: list[object], place: Location) -> None:
    """Warns of images [n] that cannot be used.

    Args:
        paths: from the table's folder, or absolute; None and NaN where there is none.
        place: the column.
    """
    absent, broken, reason = [], [], ""
    for row, path in enumerate(paths):
        if not isinstance(path, str):
            continue
        wrong = image_error(place.file.parent / path)
        if wrong is None:
            continue
        if wrong:
            broken.append(row)
            reason = reason or wrong
        else:
            absent.append(row)
    none = [row for row, path in enumerate(paths) if not isinstance(path, str)]
    if none:
        place.warn("there is no image", "name one; until then it counts as missing", none)
    if absent:
        first = shown(paths[absent[0]])
        place.warn(f"the file {first} does not exist", "paths start at the table's folder; add the files", absent)
    if broken:
        place.warn(f"the image {shown(paths[broken[0]])} cannot be decoded ({reason})", "replace it", broken)


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
