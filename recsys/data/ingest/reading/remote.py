"""Tables at addresses, as ``s3://bucket/events.parquet``, which fsspec reads."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from recsys.data.ingest.reading.problem import Unreadable
from recsys.errors import reason_of
from recsys.files.addresses import lacks_password, without_password

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")


def address(path: Path) -> str | None:
    """The address that a path was made of; None for the path of a file.

    `pathlib` writes the two slashes of ``s3://bucket`` as one.

    Example:
        >>> address(Path("s3://bucket/x.csv")), address(Path("data/x.csv"))
        ('s3://bucket/x.csv', None)
    """
    parts = path.parts
    scheme = next((n for n, part in enumerate(parts) if _SCHEME.fullmatch(part)), None)
    if scheme is None or Path(*parts[: scheme + 1]).exists():
        return None
    slashes = ":///" if parts[scheme] in ("file:", "local:") else "://"
    return parts[scheme].removesuffix(":") + slashes + "/".join(parts[scheme + 1 :])


def local_copy(path: Path) -> Path:
    """``path``, or a copy of the file or folder at its address, which lasts as long as the process.

    Raises:
        Unreadable: there is nothing at the address, or the package that reads it is not installed.
    """
    place = address(path)
    return path if place is None else _fetched(place)


@cache
def _fetched(place: str) -> Path:
    try:
        import fsspec
    except ImportError as error:
        raise Unreadable("addresses are read by fsspec, which is not installed", "pip install fsspec") from error
    if lacks_password(place):
        remedy = "write it into the config, or give the whole address with --set, as --set data.interactions=ADDRESS"
        raise Unreadable(f"the password of {without_password(place)} is left out, as recsys writes configs", remedy)
    folder = Path(tempfile.mkdtemp(prefix="recsys-table-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / (place.rstrip("/").rpartition("/")[2] or "table")
    try:
        system, inside = fsspec.core.url_to_fs(place)
        if not system.exists(inside):
            raise Unreadable(f"there is nothing at {without_password(place)}", "check the address in [data]")
        system.get(inside, str(copy), recursive=system.isdir(inside))
    except Unreadable:
        raise
    except Exception as error:  # each file system raises exceptions of its own
        reason = reason_of(error)
        remedy = "check address, network and credentials; the file system may need a package, as s3fs for s3://"
        raise Unreadable(f"{without_password(place)} cannot be read ({without_password(reason)})", remedy) from error
    return copy
