"""Colour statistics of images: image embeddings without weights, as a baseline and for tests."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.image.pixels import PixelStore
from recsys.content.tables import content_table
from recsys.data.entities import EntityTable
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable


class ColourConfig(EmbedderConfig):
    """The grid.

    Args:
        grid: an image is cut into ``grid * grid`` cells.
    """

    grid: int = Field(4, ge=1, le=16)


class ColourEmbedder(Embedder[ColourConfig]):
    """Colour moments on a grid (Stricker & Orengo, 1995): mean and standard deviation of red, green and blue per cell.

    D = 6 * grid^2. Use it as the baseline of `ImageEmbedder`, and as its stand-in in tests: it needs no weights.

    Example:
        >>> from recsys.content import ColourEmbedder
        >>> ColourEmbedder(columns=["poster"], grid=2)
        ColourEmbedder(columns=('poster',), grid=2)
    """

    kind = "colours"
    Config = ColourConfig

    @property
    def fingerprint(self) -> str:
        return short_digest([f"colours/{self.config.grid}"])

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        side = self.config.grid * 4
        images = PixelStore(self.context, self.config.columns, side).read(table)
        cells = images.pixels.astype(np.float32).reshape(-1, self.config.grid, 4, self.config.grid, 4, 3) / 255
        parts = [cells.mean((2, 4)), cells.std((2, 4))]
        vectors = np.concatenate([part.reshape(len(cells), 3 * self.config.grid**2) for part in parts], 1)
        return content_table(self, table, images.present, vectors, images.provenance)
