"""Fewer dimensions: the principal components of another embedder's vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path
from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.nested import EmbedderSpec, restore_learner, save_learner
from recsys.content.tables import content_table, inherited
from recsys.data.entities import EntityTable
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ArtifactError


class PCAConfig(EmbedderConfig):
    """The projection.

    Args:
        base: the embedder below.
        dim: number of components, those of largest variance.
        whiten: w, from 0 (components keep their variances) to 1 (all have variance one).
    """

    base: EmbedderSpec = EmbedderSpec(embedder="sentence")
    dim: int = Field(64, ge=1)
    whiten: float = Field(0.5, ge=0, le=1)


class PCAEmbedder(Embedder[PCAConfig]):
    r"""Principal components of another embedder's vectors, partly whitened.

    :math:`z = \Lambda^{-w/2} V^\top (x - \mu)` with the eigenvalues and eigenvectors of the covariance on the table
    given to `fit`. Use it before a tower that learns from a few thousand items: through a thousand inputs it memorises
    them, through fifty it learns what is shared, which helps new items.

    Example:
        >>> from recsys.content import HashingEmbedder, PCAEmbedder, text_table
        >>> films = text_table(title=["Toy Story", "Toy Story 2", "Heat"])
        >>> PCAEmbedder(base=HashingEmbedder(dim=16), dim=2).fit_transform(films)
        EmbeddingTable(3 ids, 2 dimensions, embedder='pca')
    """

    kind = "pca"
    Config = PCAConfig
    learns = True

    def __init__(self, config: PCAConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.base = self.config.base.build(self.config.columns)
        self.mean = np.zeros(0, np.float32)
        self.axes = np.zeros((0, 0), np.float32)

    @property
    def fingerprint(self) -> str:
        return short_digest([f"pca/{self.base.fingerprint}/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        self.base.fit(table, self.context)
        vectors = self.base.embed(table, self.context).vectors.astype(np.float64)
        mean = vectors.mean(0) if len(vectors) else np.zeros(vectors.shape[1])
        width, axes = np.linalg.eigh((vectors - mean).T @ (vectors - mean) / max(len(vectors), 1))
        width, axes = width[::-1][: self.config.dim], axes[:, ::-1][:, : self.config.dim]
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])  # the sign of an axis is free
        self.mean = mean.astype(np.float32)
        self.axes = (axes * np.maximum(width, 1e-9) ** (-self.config.whiten / 2)).astype(np.float32)

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        below = self.base.embed(table, self.context)
        aligned, present = below.align(table.vocabulary)
        vectors = (aligned[present] - self.mean) @ self.axes if present.any() else np.zeros((0, self.config.dim))
        return content_table(self, table, present, vectors.astype(np.float32), inherited(below))

    def save(self, directory: Path) -> None:
        with atomic_path(directory / "axes.safetensors") as beside:
            save_file({"mean": self.mean, "axes": np.ascontiguousarray(self.axes)}, beside)
        save_learner(self.base, directory / "base")

    def restore(self, directory: Path) -> None:
        restore_learner(self.base, directory / "base")
        try:
            arrays = load_file(directory / "axes.safetensors")
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{directory} does not hold axes ({error}); pretrain again") from error
        self.mean, self.axes = arrays["mean"], arrays["axes"]
