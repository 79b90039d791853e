"""Posters: the images of items, decoded and made small before they are sent; no file is sent as it is."""

from __future__ import annotations

import warnings
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from recsys.data.ingest.reading.image_files import IMAGE_FORMATS, read_image_file

_TALL = 1.5


@lru_cache(maxsize=512)
def poster(path: Path, width: int) -> bytes | None:
    """The image at ``path`` as a JPEG of at most ``width`` pixels; None where there is none that can be decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(read_image_file(path)), formats=IMAGE_FORMATS) as image:
                image.draft("RGB", (width, int(width * _TALL)))
                small = image.convert("RGB")
                small.thumbnail((width, int(width * _TALL)))
                buffer = BytesIO()
                small.save(buffer, "JPEG", quality=80)
                return buffer.getvalue()
    except Exception:  # decoders raise many kinds of exceptions on damaged files
        return None
