"""The universal sentence encoder, out of a folder, where its package is installed."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.content.cache import ContentCache, content_key
from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.weights import weights_fingerprint
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError


class UniversalSentenceConfig(EmbedderConfig):
    """The model.

    Args:
        path: the unpacked model, a TensorFlow SavedModel folder.
        batch_size: texts at a time.
    """

    path: Path
    batch_size: int = Field(64, ge=1)


class UniversalSentenceEmbedder(Embedder[UniversalSentenceConfig]):
    """The universal sentence encoder (Cer et al., 2018), as TensorFlow Hub loads it from a folder.

    Use it where this encoder is at hand; `SentenceEmbedder` is the first choice, `DANEmbedder` the light form in torch.
    Needs the package tensorflow-hub and the unpacked model.

    Example:
        >>> from recsys.content import UniversalSentenceEmbedder
        >>> embedder = UniversalSentenceEmbedder(columns=["title"], path="models/use")
    """

    kind = "universal"
    Config = UniversalSentenceConfig

    def __init__(self, config: UniversalSentenceConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)

    def __getstate__(self) -> dict[str, object]:
        """Without the model, which another process loads from the folder."""
        return {name: value for name, value in vars(self).items() if name != "_model"}

    @property
    def fingerprint(self) -> str:
        if not self.config.path.is_dir():
            raise ConfigError(
                f"path = {str(self.config.path)!r} is no folder; unpack the universal sentence encoder there"
            )
        return short_digest([f"universal/{weights_fingerprint(self.config.path)}"])

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.config.columns)
        valid = [text for text in texts if text is not None]
        cache = ContentCache(self.context.cache / "universal" / self.fingerprint)
        keys = [content_key(text) for text in valid]
        vectors = (
            np.asarray(cache.through(keys, partial(self._make, valid), blocks=self.context.blocks))
            if valid
            else np.zeros((0, *(cache.shape or (1,))), np.float32)
        )
        provenance = {"model": str(self.config.path)}
        return content_table(self, table, present_rows(texts), vectors.astype(np.float32), provenance)

    def _make(self, texts: list[str], rows: Rows) -> NDArray[np.float32]:
        size = self.config.batch_size
        blocks = [[texts[row] for row in rows[start : start + size]] for start in range(0, len(rows), size)]
        return np.concatenate([np.asarray(self._model(block), np.float32) for block in blocks])

    @cached_property
    def _model(self) -> Any:
        try:
            import tensorflow_hub
        except ImportError as error:
            raise ConfigError(
                "the universal sentence encoder needs the package tensorflow-hub (pip install tensorflow-hub); "
                'embedder = "dan" is its light form without it'
            ) from error
        return tensorflow_hub.load(str(self.config.path))
