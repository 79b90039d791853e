"""Texts and images in one space, so that a text finds images and the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from recsys.config import Config
from recsys.content.contrastive import multiple_negatives
from recsys.content.embedder import Embedder, Learner, Materials, short_digest
from recsys.content.modules import load_module, save_module
from recsys.content.sources import Source
from recsys.content.tables import content_table
from recsys.content.task import RowTask, train_rows
from recsys.content.tuned import Head
from recsys.data.entities import EntityTable
from recsys.data.schema import Kind
from recsys.embeddings import EmbeddingTable
from recsys.errors import ConfigError
from recsys.training.loop import LoopOptions


class AlignedConfig(Config):
    """Both sides, and how they are brought together.

    Args:
        text: the embedder of the texts.
        image: the embedder of the images.
        dim: D of the shared space.
        hidden: width of each side's perceptron; 0 keeps a linear map.
        dropout: share of components dropped in training.
        temperature: divides the cosines.
        batch_size: items a batch.
        training: the loop.
    """

    text: Source = Source(embedder="sentence")
    image: Source = Source(embedder="image")
    dim: int = Field(128, ge=2)
    hidden: int = Field(256, ge=0)
    dropout: float = Field(0.3, ge=0, lt=1)
    temperature: float = Field(0.1, gt=0)
    batch_size: int = Field(256, ge=2)
    training: LoopOptions = LoopOptions(epochs=30, learning_rate=1e-3, weight_decay=0.1)


class Aligned:
    """The contrastive loss of CLIP (Radford et al., 2021) on the catalogue's own pairs, over frozen encoders.

    A row's vector is the mean of the sides it has: an item with text and image lies between both, a query that is text
    alone lies at its text. Rows with neither are absent.
    """

    kind: ClassVar[str] = "aligned"
    Config: ClassVar[type[Config]] = AlignedConfig
    learns: ClassVar[bool] = True

    def __init__(self, config: Any, materials: Materials) -> None:
        self.config: AlignedConfig = config or AlignedConfig()
        self.materials = materials
        self.sides: dict[Kind, Embedder] = {
            Kind.TEXT: self.config.text.build(materials),
            Kind.IMAGE: self.config.image.build(materials),
        }
        self.heads: nn.ModuleDict | None = None

    @property
    def fingerprint(self) -> str:
        below = "/".join(side.fingerprint for side in self.sides.values())
        return short_digest(f"aligned/{below}/{self.config.model_dump_json()}")

    def fit(self, table: EntityTable) -> None:
        for side in self.sides.values():
            if isinstance(side, Learner):
                side.fit(table)
        found = {kind: side.embed(table).align(table.vocabulary) for kind, side in self.sides.items()}
        both = np.flatnonzero(found[Kind.TEXT][1] & found[Kind.IMAGE][1])
        if len(both) < 2:
            raise ConfigError("no two rows have both a text and an image; there is nothing to align")
        frozen = {kind: torch.from_numpy(vectors[both]) for kind, (vectors, _) in found.items()}
        torch.manual_seed(self.materials.seed)
        heads = self._heads({kind: vectors.shape[1] for kind, vectors in frozen.items()})
        with torch.no_grad():
            for kind, vectors in frozen.items():
                head = heads[kind]
                assert isinstance(head, Head)
                head.mean.copy_(nn.functional.normalize(vectors, dim=1).mean(0))

        def loss(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            device = next(heads.parameters()).device
            rows = torch.from_numpy(batch)
            left, right = (
                nn.functional.normalize(heads[kind](vectors[rows].to(device)), dim=1)
                for kind, vectors in frozen.items()
            )
            return multiple_negatives(left, right, rows.to(device), rows.to(device), self.config.temperature)

        size = min(self.config.batch_size, len(both))
        train_rows(RowTask(heads, len(both), size, loss), self.config.training, self.materials)
        self.heads = heads

    def embed(self, table: EntityTable) -> EmbeddingTable:
        total = np.zeros((len(table), self.config.dim), np.float32)
        present = np.zeros(len(table), bool)
        facts: dict[str, Any] = {}
        for kind, vectors, there, provenance in self._projected(table):
            total += vectors
            present |= there
            facts[str(kind)] = provenance
        length = np.maximum(np.linalg.norm(total[present], axis=1, keepdims=True), 1e-12)
        return content_table(self, self.materials, table, present, total[present] / length, facts)

    def one_side(self, table: EntityTable, kind: Kind) -> EmbeddingTable:
        """The rows of ``table`` by their texts alone, or by their images alone.

        Raises:
            ConfigError: the table has no column that this side reads.
        """
        for found, vectors, present, provenance in self._projected(table):
            if found is kind:
                return content_table(self, self.materials, table, present, vectors[present], {str(kind): provenance})
        raise ConfigError(f"the table has no column of kind {kind}")

    def save(self, directory: Path) -> None:
        assert self.heads is not None, "fit comes before save"
        save_module(self.heads, directory / "heads.safetensors")
        for kind, side in self.sides.items():
            if isinstance(side, Learner):
                side.save(directory / str(kind))

    def restore(self, directory: Path) -> None:
        weights = load_module(directory / "heads.safetensors")
        self.heads = self._heads({kind: weights[f"{kind}.linear.weight"].shape[1] for kind in self.sides})
        self.heads.load_state_dict(weights)
        self.heads.eval()
        for kind, side in self.sides.items():
            if isinstance(side, Learner):
                side.restore(directory / str(kind))

    def _heads(self, widths: dict[Kind, int]) -> nn.ModuleDict:
        shape = (self.config.dim, self.config.hidden, self.config.dropout)
        return nn.ModuleDict({str(kind): Head(width, *shape) for kind, width in widths.items()})

    @torch.inference_mode()
    def _projected(
        self, table: EntityTable
    ) -> list[tuple[Kind, NDArray[np.float32], NDArray[np.bool_], dict[str, Any]]]:
        """Of each side ``table`` has: unit vectors [n, D], zero where absent, which are there, and how."""
        assert self.heads is not None, "fit or restore comes before embed"
        result = []
        for kind, side in self.sides.items():
            if not _reads(table, self.config.text if kind is Kind.TEXT else self.config.image, kind):
                continue
            below = side.embed(table)
            aligned, present = below.align(table.vocabulary)
            vectors = np.zeros((len(table), self.config.dim), np.float32)
            if present.any():
                made = nn.functional.normalize(self.heads[kind](torch.from_numpy(aligned[present])), dim=1)
                vectors[present] = made.numpy()
            result.append((kind, vectors, present, dict(below.provenance)))
        return result


def _reads(table: EntityTable, source: Source, kind: Kind) -> bool:
    columns = source.columns or tuple(table.schema.names(kind))
    return bool(columns) and all(name in table.schema.columns for name in columns)
