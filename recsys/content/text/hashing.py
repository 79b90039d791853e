"""Random indexing of words: text embeddings without weights, as a baseline and for tests."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.data.entities import EntityTable
from recsys.embedding_table import EmbeddingTable
from recsys.seeding import stream

_WORD = re.compile(r"\w+")


class HashingConfig(EmbedderConfig):
    """The size.

    Args:
        dim: D.
    """

    dim: int = Field(64, ge=1)


class HashingEmbedder(Embedder[HashingConfig]):
    r"""The mean of one fixed random vector a word, in the manner of feature hashing (Weinberger et al., 2009).

    :math:`x = \frac{1}{n} \sum_i h(w_i)` with :math:`h(w) \sim N(0, I_D)` drawn by the word and the seed: texts that
    share words are near, synonyms are not. Use it as the baseline of any learned embedder, and as its stand-in in
    tests: it needs no weights, no package and no training.

    Example:
        >>> from recsys.content import HashingEmbedder, text_table
        >>> films = text_table(title=["Toy Story", "Toy Story 2", "Heat"])
        >>> table = HashingEmbedder(dim=16).fit_transform(films)
        >>> table.neighbours(0, 1)[0].tolist()
        [1]
    """

    kind = "hashing"
    Config = HashingConfig

    def __init__(self, config: HashingConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self._words: dict[tuple[int, str], NDArray[np.float32]] = {}

    @property
    def fingerprint(self) -> str:
        return f"hashing-{self.config.dim}"

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.config.columns)
        vectors = [self._vector(text) for text in texts if text is not None]
        stacked = np.stack(vectors) if vectors else np.zeros((0, self.config.dim), np.float32)
        return content_table(self, table, present_rows(texts), stacked, {})

    def _vector(self, text: str) -> NDArray[np.float32]:
        words = _WORD.findall(text.lower()) or [text]
        mean: NDArray[np.float32] = np.stack([self._word(word) for word in words]).mean(0)
        return mean

    def _word(self, word: str) -> NDArray[np.float32]:
        seed = self.context.seed
        if (seed, word) not in self._words:
            drawn = stream(seed, "word", word).normal(size=self.config.dim)
            self._words[seed, word] = drawn.astype(np.float32)
        return self._words[seed, word]
