"""Embedders without weights: deterministic, instant, and no worse than they look.

They stand in for the large ones in tests, and say in a comparison what plain words and plain colours are worth.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.content.embedder import EmbedderContext, short_digest
from recsys.content.image.pixels import PixelStore
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.data.entities import EntityTable
from recsys.embeddings import EmbeddingTable
from recsys.seeding import stream

_WORD = re.compile(r"\w+")


class HashedTextConfig(Config):
    """Args:
    dim: D.
    """

    dim: int = Field(64, ge=1)


class HashedText:
    """The mean of one fixed random vector a word: texts that share words are near (Weinberger et al., 2009)."""

    kind: ClassVar[str] = "hashing"
    Config: ClassVar[type[Config]] = HashedTextConfig
    learns: ClassVar[bool] = False

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: HashedTextConfig = config or HashedTextConfig()
        self.context = context
        self._words: dict[str, NDArray[np.float32]] = {}

    @property
    def fingerprint(self) -> str:
        return f"hashing-{self.config.dim}-{self.context.seed}"

    def embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.context.columns)
        vectors = [self._vector(text) for text in texts if text is not None]
        stacked = np.stack(vectors) if vectors else np.zeros((0, self.config.dim), np.float32)
        return content_table(self, self.context, table, present_rows(texts), stacked, {})

    def _vector(self, text: str) -> NDArray[np.float32]:
        words = _WORD.findall(text.lower()) or [text]
        mean: NDArray[np.float32] = np.stack([self._word(word) for word in words]).mean(0)
        return mean

    def _word(self, word: str) -> NDArray[np.float32]:
        if word not in self._words:
            drawn = stream(self.context.seed, "word", word).normal(size=self.config.dim)
            self._words[word] = drawn.astype(np.float32)
        return self._words[word]


class ColoursConfig(Config):
    """Args:
    grid: an image is cut into ``grid * grid`` cells; each gives the mean and the spread of red, green and blue.
    """

    grid: int = Field(4, ge=1, le=16)


class Colours:
    """The colours of an image, cell by cell: D = 6 * grid^2."""

    kind: ClassVar[str] = "colours"
    Config: ClassVar[type[Config]] = ColoursConfig
    learns: ClassVar[bool] = False

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: ColoursConfig = config or ColoursConfig()
        self.context = context

    @property
    def fingerprint(self) -> str:
        return short_digest(f"colours/{self.config.grid}")

    def embed(self, table: EntityTable) -> EmbeddingTable:
        side = self.config.grid * 4
        found = PixelStore(self.context, side).read(table)
        cells = found.pixels.astype(np.float32).reshape(-1, self.config.grid, 4, self.config.grid, 4, 3) / 255
        parts = [cells.mean((2, 4)), cells.std((2, 4))]
        vectors = np.concatenate([part.reshape(len(cells), 3 * self.config.grid**2) for part in parts], 1)
        return content_table(self, self.context, table, found.present, vectors, found.facts)
