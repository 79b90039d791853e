"""SHA-256 digests: fingerprints of data, options and files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


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
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
