"""Sentence embeddings: a sentence-transformers model, each distinct text encoded once."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.content.cache import ContentCache, content_key
from recsys.content.embedder import EmbedderContext
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.weights import weights_fingerprint, weights_path
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.embeddings import EmbeddingTable
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SentenceConfig(Config):
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


class Sentence:
    """Sentence-BERT (Reimers & Gurevych, 2019): a transformer, pooled, trained so that the cosine is the meaning's."""

    kind: ClassVar[str] = "sentence"
    Config: ClassVar[type[Config]] = SentenceConfig
    learns: ClassVar[bool] = False

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: SentenceConfig = config or SentenceConfig()
        self.context = context
        self.path = weights_path(self.config.model, "model")
        self._encoded = hashlib.sha256(
            f"{weights_fingerprint(self.path)}/{self.config.max_tokens}/{self.config.prompt}".encode()
        ).hexdigest()[:16]

    @property
    def fingerprint(self) -> str:
        return self._encoded if self.config.dims is None else f"{self._encoded}-{self.config.dims}"

    def embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.context.columns)
        vectors = self.encode([text for text in texts if text is not None])
        facts = {"model": self.config.model}
        return content_table(self, self.context, table, present_rows(texts), vectors, facts)

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """float32 [n, D]; what the cache holds already does not even load the model."""
        cache = ContentCache(self.context.cache / "sentence" / self._encoded)
        if not texts:
            return np.zeros((0, *(cache.shape or (1,))), np.float32)[:, : self.config.dims]
        order = np.argsort([-len(text) for text in texts], kind="stable")
        vectors = cache.through([content_key(text) for text in texts], lambda rows: self._make(texts, rows), order)
        kept = np.asarray(vectors, np.float32)[:, : self.config.dims]
        if self.config.dims is not None:
            kept = kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-12)
        return kept

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
