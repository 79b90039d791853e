"""SHA-256 digests: fingerprints of data, options and files; and hashes of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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


def hashed(*columns: NDArray[np.integer | np.floating]) -> NDArray[np.uint64]:
    """uint64 [E]: two rounds of splitmix64 (Steele et al., OOPSLA 2014) over the columns [E]."""
    state = np.zeros(len(columns[0]), np.uint64)
    for rows in columns:
        state = (state ^ rows.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
        state ^= state >> np.uint64(31)
    return state
