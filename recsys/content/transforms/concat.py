"""Several embedders side by side, as one vector."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from recsys.config import Config
from recsys.content.embedder import EmbedderContext, Learner
from recsys.content.sources import Source
from recsys.content.tables import content_table
from recsys.data.entities import EntityTable
from recsys.embeddings import EmbeddingTable


class ConcatConfig(Config):
    """What is laid side by side.

    Args:
        parts: the embedders; each vector is brought to length one first.
        weights: factor of each part, by which it counts in a cosine; none takes 1.
    """

    parts: tuple[Source, ...] = Field((Source(embedder="sentence"), Source(embedder="image")), min_length=1)
    weights: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_weight_a_part(self) -> ConcatConfig:
        if self.weights and len(self.weights) != len(self.parts):
            raise ValueError(f"{len(self.parts)} parts need as many weights, found {len(self.weights)}")
        return self


class Concat:
    """The unit vectors of several embedders laid end to end; the place of a part that a row lacks holds zeros."""

    kind: ClassVar[str] = "concat"
    Config: ClassVar[type[Config]] = ConcatConfig
    learns: ClassVar[bool] = True

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: ConcatConfig = config or ConcatConfig()
        self.context = context
        self.parts = [part.build(context) for part in self.config.parts]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(
            "/".join(["joined", str(self.config.weights), *(p.fingerprint for p in self.parts)]).encode()
        ).hexdigest()[:16]

    def fit(self, table: EntityTable) -> None:
        for part in self.parts:
            if isinstance(part, Learner):
                part.fit(table)

    def embed(self, table: EntityTable) -> EmbeddingTable:
        found = [part.embed(table) for part in self.parts]
        blocks, present = [], np.zeros(len(table), bool)
        for below, weight in zip(found, self.config.weights or (1.0,) * len(found), strict=True):
            vectors, there = below.align(table.vocabulary)
            blocks.append(weight * vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
            present |= there
        facts = {"parts": [dict(below.provenance) for below in found]}
        vectors = np.concatenate(blocks, 1)[present].astype(np.float32)
        return content_table(self, self.context, table, present, vectors, facts)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for place, part in enumerate(self.parts):
            if isinstance(part, Learner):
                part.save(directory / str(place))

    def restore(self, directory: Path) -> None:
        for place, part in enumerate(self.parts):
            if isinstance(part, Learner):
                part.restore(directory / str(place))
