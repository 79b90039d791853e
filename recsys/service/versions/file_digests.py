"""Digests of files that are asked for again and again: a file is read where its size, time or place on disk changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recsys.digest import file_sha256, short_digest


class FileDigests:
    """Keeps the digest of each file until the file changes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file, digests = Path(folder) / "deny.csv", FileDigests()
        ...     before, _ = digests.of([file]), file.write_text("7")
        ...     digests.of([file]) == before, digests.of([file]) == digests.of([file])
        (False, True)
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, ...], str]] = {}

    def of(self, paths: Iterable[Path]) -> str:
        """One digest of the files; one that cannot be read counts as such."""
        return short_digest([f"{path}\0{self._one(path)}\0" for path in paths])

    def _one(self, path: Path) -> str:
        try:
            found = path.stat()
            stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if self._known.get(path, ((), ""))[0] != stamp:  # stamped before it is read: a change meanwhile is seen
                self._known[path] = stamp, file_sha256(path)
        except OSError:
            return ""
        return self._known[path][1]
