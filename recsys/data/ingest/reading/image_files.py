"""Image files of a table: which are read, and in which formats; the others would start programs or fill the memory."""

from __future__ import annotations

from pathlib import Path

from recsys.files.input_file import read_bytes

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
    return read_bytes(path, LARGEST_IMAGE)
