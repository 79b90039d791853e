"""Fewer dimensions: the principal components of another embedder's vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path
from recsys.config import Config
from recsys.content.embedder import EmbedderContext, Learner, short_digest
from recsys.content.sources import Source
from recsys.content.tables import content_table
from recsys.data.entities import EntityTable
from recsys.embeddings import EmbeddingTable
from recsys.errors import ArtifactError


class PcaConfig(Config):
    """What is kept.

    Args:
        base: the embedder below.
        dim: components kept, the widest ones.
        whiten: share of each component's width that is taken out: 0 keeps the widths, 1 makes all alike.
    """

    base: Source = Source(embedder="sentence")
    dim: int = Field(64, ge=1)
    whiten: float = Field(0.5, ge=0, le=1)


class Pca:
    r"""Centred principal components, :math:`z = \Lambda^{-w/2} V^\top (x - \mu)` (partly whitened).

    A tower that learns from a few thousand items memorises them through a thousand inputs; through fifty it has to
    learn what is shared, so that an item nobody touched is placed better.
    """

    kind: ClassVar[str] = "pca"
    Config: ClassVar[type[Config]] = PcaConfig
    learns: ClassVar[bool] = True

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: PcaConfig = config or PcaConfig()
        self.context = context
        self.base = self.config.base.build(context)
        self.mean = np.zeros(0, np.float32)
        self.axes = np.zeros((0, 0), np.float32)

    @property
    def fingerprint(self) -> str:
        facts = f"reduced/{self.base.fingerprint}/{self.config.model_dump_json()}"
        return short_digest(facts)

    def fit(self, table: EntityTable) -> None:
        if isinstance(self.base, Learner):
            self.base.fit(table)
        vectors = self.base.embed(table).vectors.astype(np.float64)
        mean = vectors.mean(0) if len(vectors) else np.zeros(vectors.shape[1])
        width, axes = np.linalg.eigh((vectors - mean).T @ (vectors - mean) / max(len(vectors), 1))
        width, axes = width[::-1][: self.config.dim], axes[:, ::-1][:, : self.config.dim]
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])  # the sign of an axis is free
        self.mean = mean.astype(np.float32)
        self.axes = (axes * np.maximum(width, 1e-9) ** (-self.config.whiten / 2)).astype(np.float32)

    def embed(self, table: EntityTable) -> EmbeddingTable:
        below = self.base.embed(table)
        aligned, present = below.align(table.vocabulary)
        vectors = (aligned[present] - self.mean) @ self.axes if present.any() else np.zeros((0, self.config.dim))
        facts = {key: value for key, value in below.provenance.items() if key not in ("embedder", "fingerprint")}
        facts["base"] = below.provenance
        return content_table(self, self.context, table, present, vectors.astype(np.float32), facts)

    def save(self, directory: Path) -> None:
        with atomic_path(directory / "axes.safetensors") as beside:
            save_file({"mean": self.mean, "axes": np.ascontiguousarray(self.axes)}, beside)
        if isinstance(self.base, Learner):
            self.base.save(directory / "base")

    def restore(self, directory: Path) -> None:
        if isinstance(self.base, Learner):
            self.base.restore(directory / "base")
        try:
            arrays = load_file(directory / "axes.safetensors")
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{directory} does not hold axes ({error}); pretrain again") from error
        self.mean, self.axes = arrays["mean"], arrays["axes"]
