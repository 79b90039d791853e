"""Folders of parts, as Spark and Hive write them: which files they hold, and the columns that folder names give."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from recsys.data.ingest.reading.content import check_regular
from recsys.data.ingest.reading.problem import Unreadable
from recsys.digest import file_sha256, short_digest

_NULL = "__HIVE_DEFAULT_PARTITION__"


def part_files(folder: Path) -> list[Path]:
    """The parts in a folder and its subfolders, in the order of their names; links are followed.

    Files and folders whose names start with ``_`` or ``.`` are none, as ``_SUCCESS`` and ``.part.crc``.
    """
    found, visited = [], set()
    for root, folders, files in os.walk(folder, followlinks=True):
        place = os.path.realpath(root)
        if place in visited:  # a link that leads back
            folders[:] = []
            continue
        visited.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith(("_", ".")))
        found += [Path(root) / name for name in sorted(files) if not name.startswith(("_", "."))]
    return sorted(found)


def partition_values(part: Path, folder: Path) -> dict[str, str | None]:
    """The columns that the folders between ``folder`` and ``part`` give, as ``day=2024-05-01/part-0.parquet``.

    Example:
        >>> partition_values(Path("events/day=1/shop=a%20b/part-0.csv"), Path("events"))
        {'day': '1', 'shop': 'a b'}
    """
    pairs = [name.partition("=") for name in part.relative_to(folder).parts[:-1] if "=" in name]
    return {unquote(key): None if value == _NULL else unquote(value) for key, _, value in pairs}


def content_digest(path: Path) -> str:
    """A digest of what is read at ``path``: the bytes of a file, or the names and bytes of the parts of a folder.

    Raises:
        Unreadable: it is neither a regular file nor a folder.
    """
    if not path.is_dir():
        check_regular(path)
        return file_sha256(path)[:16]
    pieces = []
    for part in part_files(path):
        check_regular(part)
        pieces.append(f"{part.relative_to(path).as_posix()}\0{file_sha256(part)}\n")
    if not pieces:
        raise Unreadable("the folder has no files", "give the path of a file, or of a folder of parts")
    return short_digest(pieces)
