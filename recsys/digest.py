"""SHA-256 digests: fingerprints of data, options and files; and hashes of rows."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SETTLED_NS = 2 * 10**9
"""Age from which on a change of a file is sure to have another time, as those of file systems are coarse."""
_MOST_KNOWN = 4096


def short_digest(parts: Iterable[str | bytes | memoryview]) -> str:
    """First 16 hexadecimal digits of the SHA-256 of ``parts``, one after the other, text as UTF-8.

    Nothing separates the parts, so a caller whose parts vary in length adds separators.

    Example:
        >>> short_digest(["a", b"b"]), short_digest(["ab"])
        ('fb8e20fc2e4c3f24', 'fb8e20fc2e4c3f24')
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part)
    return digest.hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits; read once a process while the file is unchanged."""

    def read() -> str:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    return FileState.of(path).once("sha256", read)


def files_digest(paths: Iterable[Path]) -> str:
    """A digest of the paths and the bytes of files, see `file_sha256`; what cannot be read, and a pipe, count as such.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "deny.csv"
        ...     before, _ = files_digest([file]), file.write_text("7")
        ...     files_digest([file]) == before, files_digest([file]) == files_digest([file])
        (False, True)
    """

    def sha256(path: Path) -> str:
        try:
            return file_sha256(path) if path.is_file() else ""  # of a pipe a read waits
        except OSError:
            return ""

    return short_digest([f"{path}\0{sha256(path)}\0" for path in paths])


@dataclass(frozen=True)
class FileState:
    """Files as they are before they are read: what is computed from them holds for all that find them the same.

    Args:
        stats: device, inode, size and the times of the last write and change of each; empty where one is not there.
    """

    stats: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, *paths: Path) -> FileState:
        """The state of ``paths``; those that do not exist are told by whoever reads them."""
        try:
            found = [path.stat() for path in paths]
        except OSError:
            return cls(())
        return cls(tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in found))

    def once(self, what: str, compute: Callable[[], str]) -> str:
        """The result of ``compute``, or what it was when this process last computed ``what`` of the same state.

        Files that were written or moved just now are computed anew, as a change could have the same time.
        """
        key = (what, self.stats)
        if (known := _KNOWN.get(key)) is not None:
            return known
        settled = self.stats and max(max(stat[3:]) for stat in self.stats) < time.time_ns() - _SETTLED_NS
        found = compute()
        if settled:
            with _LOCK:
                _KNOWN[key] = found
                while len(_KNOWN) > _MOST_KNOWN:
                    del _KNOWN[next(iter(_KNOWN))]
        return found


_KNOWN: dict[tuple[str, tuple[tuple[int, ...], ...]], str] = {}
_LOCK = threading.Lock()


def hashed(*columns: NDArray[np.integer | np.floating]) -> NDArray[np.uint64]:
    """uint64 [E]: two rounds of splitmix64 (Steele et al., OOPSLA 2014) over the columns [E]."""
    state = np.zeros(len(columns[0]), np.uint64)
    for rows in columns:
        state = (state ^ rows.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
        state ^= state >> np.uint64(31)
    return state
