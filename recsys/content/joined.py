"""Several embedders side by side, as one vector."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from recsys.config import Config
from recsys.content.embedder import Learner, Materials
from recsys.content.sources import Source
from recsys.content.tables import content_table
from recsys.data.entities import EntityTable
from recsys.embeddings import EmbeddingTable


class JoinedConfig(Config):
    """Args:
    parts: the embedders; each vector is brought to length one before they are laid side by side.
    """

    parts: tuple[Source, ...] = Field((Source(embedder="sentence"), Source(embedder="image")), min_length=1)


class Joined:
    """The unit vectors of several embedders laid end to end; the place of a part that a row lacks holds zeros."""

    kind: ClassVar[str] = "joined"
    Config: ClassVar[type[Config]] = JoinedConfig
    learns: ClassVar[bool] = True

    def __init__(self, config: Any, materials: Materials) -> None:
        self.config: JoinedConfig = config or JoinedConfig()
        self.materials = materials
        self.parts = [part.build(materials) for part in self.config.parts]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256("/".join(["joined", *(p.fingerprint for p in self.parts)]).encode()).hexdigest()[:16]

    def fit(self, table: EntityTable) -> None:
        for part in self.parts:
            if isinstance(part, Learner):
                part.fit(table)

    def embed(self, table: EntityTable) -> EmbeddingTable:
        found = [part.embed(table) for part in self.parts]
        blocks, present = [], np.zeros(len(table), bool)
        for below in found:
            vectors, there = below.align(table.vocabulary)
            blocks.append(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
            present |= there
        facts = {"parts": [dict(below.provenance) for below in found]}
        vectors = np.concatenate(blocks, 1)[present].astype(np.float32)
        return content_table(self, self.materials, table, present, vectors, facts)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for place, part in enumerate(self.parts):
            if isinstance(part, Learner):
                part.save(directory / str(place))

    def restore(self, directory: Path) -> None:
        for place, part in enumerate(self.parts):
            if isinstance(part, Learner):
                part.restore(directory / str(place))
