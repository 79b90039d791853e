"""Image files of a table: which are read, and in which formats; the others would start programs or fill the memory."""

from __future__ import annotations

import stat
from pathlib import Path

IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's names of the formats that are decoded; Pillow starts Ghostscript for others, such as EPS."""
LARGEST_IMAGE = 64 * 2**20
"""Bytes of the largest image file that is read."""


def read_image_file(path: Path) -> bytes:
    """The bytes of a regular file; a pipe, which may never end, and a device are refused.

    Raises:
        FileNotFoundError: there is no file of this name.
        OSError: it is no regular file, above `LARGEST_IMAGE`, or cannot be read.
    """
    try:
        found = path.stat()
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(str(error)) from error
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")
    if found.st_size > LARGEST_IMAGE:
        raise OSError(f"it has {found.st_size / 2**20:.0f} MiB, and the largest that is read {LARGEST_IMAGE >> 20}")
    return path.read_bytes()
