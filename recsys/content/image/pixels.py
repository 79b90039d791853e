"""Images decoded and resized once, into a memory-mapped array."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recsys.content.cache import ContentCache, content_key
from recsys.content.columns import chosen_columns
from recsys.content.embedder import EmbedderContext
from recsys.data.entities import EntityTable
from recsys.data.ingest.reading.image_files import IMAGE_FORMATS, read_image_file
from recsys.data.schema import Kind
from recsys.data.vocabulary import MISSING, Rows
from recsys.errors import ArtifactError, ConfigError
from recsys.tracking import tracked

_BLOCK = 128
"""Images that are decoded together: of 1,024 pixels a side they take 400 MB."""


@dataclass(frozen=True, eq=False)
class Images:
    """The readable images of n rows.

    Args:
        present: bool [n], whether the row has an image that can be read; m rows have.
        records: uint8 [N, side, side, 3], red, green, blue: the whole cache, memory-mapped.
        places: int64 [m], the row of each among ``records``.
        keys: [m], the content key of each.
        provenance: how many rows have no path, no file or a broken file, and the first paths that are broken.
        folder: of the cache; a pickle of this object holds it in place of the records.
    """

    present: NDArray[np.bool_]
    records: NDArray[np.uint8]
    places: Rows
    keys: list[bytes]
    provenance: dict[str, object]
    folder: Path

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "records"}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        records = np.asarray(ContentCache(self.folder, dtype=np.uint8).records(), np.uint8)
        if len(records) <= self.places.max(initial=MISSING):
            raise ArtifactError(
                f"{self.folder} lacks decoded images here; put the cache (RECSYS_CACHE_DIR) on storage that all nodes "
                "of the cluster mount at the same place"
            )
        object.__setattr__(self, "records", records)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 [m, side, side, 3], in memory."""
        return self.take(np.arange(len(self.places)))

    def take(self, rows: Rows) -> NDArray[np.uint8]:
        """The images at ``rows`` of the m, in memory."""
        taken: NDArray[np.uint8] = self.records[self.places[rows]]
        return taken


class PixelStore:
    """Decoded images of a table's image column, read through the cache.

    Images are stretched to a square: posters are alike in shape, and nothing is cut off.

    Args:
        context: where paths start, and the cache.
        columns: the image column; none takes the only one of the table.
        side: of the square.
    """

    def __init__(self, context: EmbedderContext, columns: Sequence[str], side: int) -> None:
        self.context, self.columns, self.side = context, columns, side

    def read(self, table: EntityTable) -> Images:
        """The images of ``table``.

        Raises:
            ConfigError: several image columns are there and none is chosen.
        """
        names = chosen_columns(table, self.columns, (Kind.IMAGE,), (Kind.IMAGE,))
        if len(names) > 1:
            raise ConfigError(f"an image embedder reads one column, found {', '.join(names)}; name one in columns")
        cells = table.columns[names[0]]
        paths = [None if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True)]
        return self._read(paths)

    def _read(self, paths: list[str | None]) -> Images:
        cache = ContentCache(self.context.cache / "pixels" / str(self.side), (self.side, self.side, 3), np.uint8)
        keys = [None if path is None else self._key(path) for path in paths]
        self._decode(cache, paths, keys)
        present = cache.rows([key or b"" for key in keys]) != MISSING
        readable = [key for key, there in zip(keys, present, strict=True) if key is not None and there]
        missing = [path for path, key in zip(paths, keys, strict=True) if path is not None and key is None]
        broken = [str(paths[row]) for row, key in enumerate(keys) if key is not None and not present[row]]
        broken_paths = broken[:5]
        provenance: dict[str, object] = {
            "without_path": sum(path is None for path in paths),
            "file_missing": len(missing),
            "broken": len(broken),
            "broken_paths": broken_paths,
        }
        if missing or broken:
            self.context.tracker.info(
                f"images: {len(missing)} files are missing {missing[:3]}, {len(broken)} cannot be decoded "
                f"{broken_paths[:3]}; these rows have no image"
            )
        records = np.asarray(cache.records(), np.uint8)
        return Images(present, records, cache.rows(readable), readable, provenance, cache.directory.absolute())

    def _key(self, path: str) -> bytes | None:
        """The content key of the file; None where there is no file."""
        file = _bytes(self.context.images / path)
        return None if file is None else content_key(file)

    def _decode(self, cache: ContentCache, paths: list[str | None], keys: list[bytes | None]) -> None:
        """Decodes what the cache lacks and can be decoded, block by block."""
        cache.check([key for key in keys if key is not None])
        known = cache.rows([key or b"" for key in keys])
        lacking = {key: row for row, key in enumerate(keys) if key is not None and known[row] == MISSING}
        files = [_File(self.context.images.absolute() / str(paths[row]), key) for key, row in lacking.items()]
        blocks = [np.arange(start, min(start + _BLOCK, len(files))) for start in range(0, len(files), _BLOCK)]
        decoded = self.context.blocks(partial(_decoded, files, self.side), blocks)
        for _, (rows, pixels) in tracked(decoded, len(blocks), "images", self.context.tracker):
            if len(rows):
                cache.add([files[row].key for row in rows], pixels)


class _File(NamedTuple):
    """An image file, and the key of its content."""

    path: Path
    key: bytes


def _decoded(files: list[_File], side: int, rows: Rows) -> tuple[Rows, NDArray[np.uint8]]:
    """The ``rows`` whose files can be decoded, and their images; a large catalogue's do not fit in memory together.

    Raises:
        ArtifactError: a file is not what it was when its key was computed.
    """
    found, pixels = [], [np.zeros((0, side, side, 3), np.uint8)]
    for row in rows.tolist():
        file = _bytes(files[row].path)
        if file is None or content_key(file) != files[row].key:
            raise ArtifactError(
                f"{files[row].path} changed while it was read, or is not on storage that all nodes of the cluster "
                "mount at the same place; run the same command again"
            )
        image = decode(file, side)
        if image is not None:
            found.append(row)
            pixels.append(image[None])
    return np.array(found, np.int64), np.concatenate(pixels)


def decode(file: bytes, side: int) -> NDArray[np.uint8] | None:
    """uint8 [side, side, 3]; None if ``file`` cannot be decoded as an image.

    JPEG is decoded at the smallest of its scales 1/8, 1/4, 1/2 and 1 that is not below ``side``, which is faster.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(file), formats=IMAGE_FORMATS) as image:
                image.draft("RGB", (side, side))
                resized = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
                return np.asarray(resized)
    except Exception:  # decoders raise many kinds of exceptions on damaged files
        return None


def _bytes(path: Path) -> bytes | None:
    try:
        return read_image_file(path)
    except OSError:
        return None
