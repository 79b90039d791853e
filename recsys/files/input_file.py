"""Files that are read whole: regular files only, up to a size, so that no read hangs or fills the memory."""

from __future__ import annotations

import stat
from pathlib import Path


def regular_size(path: Path) -> int:
    """The size in bytes of a regular file.

    Raises:
        FileNotFoundError: there is no file of this name.
        OSError: it is a folder, or a pipe, device or socket, which may never end; the message says which.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(f"no file can have this name: {error}") from error
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError("it is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        kind = "a pipe" if stat.S_ISFIFO(found.st_mode) else "a device or socket"
        raise OSError(f"it is {kind}, not a regular file")
    return found.st_size


def read_bytes(path: Path, largest: int) -> bytes:
    """The bytes of a regular file of at most ``largest`` bytes.

    Raises:
        OSError: as `regular_size`; it is larger, which is found before it is read; or it cannot be read.
    """
    size = regular_size(path)
    if size <= largest:
        with path.open("rb") as stream:
            data = stream.read(largest + 1)  # files of /proc tell no size
        if len(data) <= largest:
            return data
    raise OSError(f"it has {max(size, largest + 1) / 2**20:,.0f} MiB, and at most {largest / 2**20:,.0f} are read")
