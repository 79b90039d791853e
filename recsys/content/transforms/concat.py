"""Several embedders side by side, as one vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.nested import EmbedderSpec, restore_learner, save_learner
from recsys.content.tables import content_table
from recsys.data.entities import EntityTable
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable, row_norms


class ConcatConfig(EmbedderConfig):
    """The parts.

    Args:
        parts: the embedders; each vector is brought to length one first.
        weights: factor of each part, by which it counts in a cosine; none takes 1.
    """

    parts: tuple[EmbedderSpec, ...] = Field(
        (EmbedderSpec(embedder="sentence"), EmbedderSpec(embedder="image")), min_length=1
    )
    weights: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_weight_a_part(self) -> ConcatConfig:
        if self.weights and len(self.weights) != len(self.parts):
            raise ValueError(f"{len(self.parts)} parts need as many weights, found {len(self.weights)}")
        return self


class ConcatEmbedder(Embedder[ConcatConfig]):
    r"""Unit vectors of several embedders, concatenated.

    :math:`x = [w_1 \hat x_1, \ldots, w_p \hat x_p]`; a cosine of such vectors is a weighted mean of the parts' cosines.
    A part that a row lacks is zero; rows without any part are absent. Use it to join texts and images for a model that
    can weigh them; `ContrastiveAlignment` instead puts both into one space, so that one finds the other.

    Example:
        >>> from recsys.content import ConcatEmbedder, HashingEmbedder, text_table
        >>> films = text_table(title=["Toy Story", "Toy Story 2", "Heat"])
        >>> parts = [HashingEmbedder(dim=4), HashingEmbedder(dim=8)]
        >>> ConcatEmbedder(parts=parts, weights=[1, 0.5]).fit_transform(films)
        EmbeddingTable(3 ids, 12 dimensions, embedder='concat')
    """

    kind = "concat"
    Config = ConcatConfig
    learns = True

    def __init__(self, config: ConcatConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.parts = [part.build(self.config.columns) for part in self.config.parts]

    @property
    def fingerprint(self) -> str:
        return short_digest(["/".join(["concat", str(self.config.weights), *(p.fingerprint for p in self.parts)])])

    def _fit(self, table: EntityTable) -> None:
        for part in self.parts:
            part.fit(table, self.context)

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        found = [part.embed(table, self.context) for part in self.parts]
        blocks, present = [], np.zeros(len(table), bool)
        for below, weight in zip(found, self.config.weights or (1.0,) * len(found), strict=True):
            vectors, there = below.align(table.vocabulary)
            blocks.append(weight * vectors / row_norms(vectors))
            present |= there
        provenance = {"parts": [dict(below.provenance) for below in found]}
        vectors = np.concatenate(blocks, 1)[present].astype(np.float32)
        return content_table(self, table, present, vectors, provenance)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for place, part in enumerate(self.parts):
            save_learner(part, directory / str(place))

    def restore(self, directory: Path) -> None:
        for place, part in enumerate(self.parts):
            restore_learner(part, directory / str(place))
