"""Contrastive alignment of texts and images, for retrieval across both."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from recsys.atomic import read_json, write_json
from recsys.content.embedder import Embedder, EmbedderConfig, EmbedderContext
from recsys.content.nested import EmbedderSpec, restore_learner, save_learner
from recsys.content.tables import content_table
from recsys.content.training.contrastive import multiple_negatives
from recsys.content.training.modules import load_module, save_module
from recsys.content.training.task import RowTask, train_rows
from recsys.content.transforms.projection_head import Head
from recsys.data.entities import EntityTable
from recsys.data.schema import Kind
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable, unit_rows
from recsys.errors import ConfigError
from recsys.json_values import JsonObject
from recsys.seeding import stream
from recsys.training.loop import LoopOptions


class ContrastiveAlignmentConfig(EmbedderConfig):
    """The text embedder, the image embedder and the training of their heads.

    Args:
        text: the embedder of the texts.
        image: the embedder of the images.
        dim: D of the shared space.
        hidden: width of each side's perceptron; 0 keeps a linear map.
        dropout: share of components dropped in training.
        temperature: divides the cosines.
        batch_size: items a batch.
        held_out: share of the items with text and image that are not trained on. On them, recall@1 and recall@10 of
            an item's own image, given its text, are measured, among all images and among the held-out ones.
        training: the loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    text: EmbedderSpec = EmbedderSpec(embedder="sentence")
    image: EmbedderSpec = EmbedderSpec(embedder="image")
    dim: int = Field(128, ge=2)
    hidden: int = Field(256, ge=0)
    dropout: float = Field(0.3, ge=0, lt=1)
    temperature: float = Field(0.1, gt=0)
    batch_size: int = Field(256, ge=2)
    held_out: float = Field(0.1, ge=0, lt=1)
    training: LoopOptions = LoopOptions(epochs=30, learning_rate=1e-3, weight_decay=0.1)


class ContrastiveAlignment(Embedder[ContrastiveAlignmentConfig]):
    """Texts and images in one space, by the contrastive loss of CLIP (Radford et al., 2021) over frozen encoders.

    A head on each side is trained with `multiple_negatives` on the catalogue's own (text, image) pairs. A row's vector
    is the mean of the sides it has, to unit length; rows with neither are absent. Use it to search images by text, or
    where some items have texts alone and others images alone; `ConcatEmbedder` needs no training where rows have both.

    Example:
        >>> from recsys.content import ColourEmbedder, ContrastiveAlignment, HashingEmbedder
        >>> text, image = HashingEmbedder(columns=["title"]), ColourEmbedder(columns=["poster"])
        >>> embedder = ContrastiveAlignment(text=text, image=image, dim=32, epochs=5)
    """

    kind = "contrastive_alignment"
    Config = ContrastiveAlignmentConfig
    learns = True

    def __init__(self, config: ContrastiveAlignmentConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.sides: dict[Kind, Embedder[EmbedderConfig]] = {
            Kind.TEXT: self.config.text.build(self.config.columns),
            Kind.IMAGE: self.config.image.build(self.config.columns),
        }
        self.heads: nn.ModuleDict | None = None
        self.measured: dict[str, dict[str, float]] = {}

    @property
    def fingerprint(self) -> str:
        below = "/".join(side.fingerprint for side in self.sides.values())
        return short_digest([f"contrastive_alignment/{below}/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        for side in self.sides.values():
            side.fit(table, self.context)
        found = {kind: side.embed(table, self.context).align(table.vocabulary) for kind, side in self.sides.items()}
        both = np.flatnonzero(found[Kind.TEXT][1] & found[Kind.IMAGE][1])
        own = held_out(len(both), self.config.held_out, self.context.seed)
        trained = np.delete(np.arange(len(both)), own)
        if len(trained) < 2:
            raise ConfigError("no two rows have both a text and an image; there is nothing to align")
        frozen = {kind: torch.from_numpy(vectors[both]) for kind, (vectors, _) in found.items()}
        self.heads = self._trained_heads({kind: vectors[trained] for kind, vectors in frozen.items()})
        text, image = (self._through(kind, vectors) for kind, vectors in frozen.items())
        if len(own):
            among_own = text_finds_image(text[own], image[own], np.arange(len(own)))
            self.measured = {"all": text_finds_image(text[own], image, own), "held_out": among_own}

    def _trained_heads(self, frozen: dict[Kind, Tensor]) -> nn.ModuleDict:
        """Heads that bring the texts and images [n, ...] of the same n rows together."""
        n = len(frozen[Kind.TEXT])
        torch.manual_seed(self.context.seed)
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

        task = RowTask(heads, n, min(self.config.batch_size, n), loss)
        train_rows(task, self.config.training, self.context)
        return heads

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        total = np.zeros((len(table), self.config.dim), np.float32)
        present = np.zeros(len(table), bool)
        provenance: dict[str, object] = {}
        for kind, vectors, there, side in self._projected(table):
            total += vectors
            present |= there
            provenance[str(kind)] = side
        if self.measured:
            provenance["held_out"] = self.measured
        return content_table(self, table, present, unit_rows(total[present]), provenance)

    def one_side(self, table: EntityTable, kind: Kind, context: EmbedderContext | None = None) -> EmbeddingTable:
        """The rows of ``table`` by their texts alone, or by their images alone.

        Raises:
            ConfigError: the table has no column that this side reads.
        """
        self.context = context or self.context
        for side, vectors, present, provenance in self._projected(table):
            if side is kind:
                return content_table(self, table, present, vectors[present], {str(kind): provenance})
        raise ConfigError(f"the table has no column of kind {kind}")

    def save(self, directory: Path) -> None:
        heads = self._fitted(self.heads)
        save_module(heads, directory / "heads.safetensors")
        write_json(directory / "measured.json", self.measured)
        for kind, side in self.sides.items():
            save_learner(side, directory / str(kind))

    def restore(self, directory: Path) -> None:
        weights = load_module(directory / "heads.safetensors")
        self.heads = self._heads({kind: weights[f"{kind}.linear.weight"].shape[1] for kind in self.sides})
        self.heads.load_state_dict(weights)
        self.heads.eval()
        self.measured = read_json(directory / "measured.json")
        for kind, side in self.sides.items():
            restore_learner(side, directory / str(kind))

    def _heads(self, widths: dict[Kind, int]) -> nn.ModuleDict:
        shape = (self.config.dim, self.config.hidden, self.config.dropout)
        return nn.ModuleDict({str(kind): Head(width, *shape) for kind, width in widths.items()})

    @torch.inference_mode()
    def _through(self, kind: Kind, vectors: Tensor) -> NDArray[np.float32]:
        """Unit vectors [n, D] of the frozen ones of one side."""
        heads = self._fitted(self.heads)
        made: NDArray[np.float32] = nn.functional.normalize(heads[kind](vectors), dim=1).numpy()
        return made

    def _projected(self, table: EntityTable) -> list[tuple[Kind, NDArray[np.float32], NDArray[np.bool_], JsonObject]]:
        """Of each side ``table`` has: unit vectors [n, D], zero where absent, which are there, and how."""
        result = []
        for kind, side in self.sides.items():
            if not _reads(table, self.config.text if kind is Kind.TEXT else self.config.image, kind):
                continue
            below = side.embed(table, self.context)
            aligned, present = below.align(table.vocabulary)
            vectors = np.zeros((len(table), self.config.dim), np.float32)
            if present.any():
                vectors[present] = self._through(kind, torch.from_numpy(aligned[present]))
            result.append((kind, vectors, present, dict(below.provenance)))
        return result


def held_out(n: int, share: float, seed: int) -> NDArray[np.int64]:
    """Which of ``n`` pairs are held out from training, in ascending order."""
    mixed = stream(seed, "aligned", "held out").permutation(n)
    return np.sort(mixed[: int(share * n)])


def text_finds_image(
    texts: NDArray[np.float32], images: NDArray[np.float32], own: NDArray[np.int64]
) -> dict[str, float]:
    """Recall@1 and @10 of n texts among m images by cosine; a tie counts against the text.

    Args:
        texts: [n, D], unit vectors.
        images: [m, D], unit vectors.
        own: [n], which of the images is the text's.
    """
    cosine = texts @ images.T
    rank = (cosine >= cosine[np.arange(len(texts)), own][:, None]).sum(1)
    found = {f"recall@{k}": float((rank <= k).mean()) for k in (1, 10)}
    return {**found, "items": len(texts), "candidates": len(images)}


def _reads(table: EntityTable, source: EmbedderSpec, kind: Kind) -> bool:
    columns = source.columns or tuple(table.schema.names(kind))
    return bool(columns) and all(name in table.schema.columns for name in columns)
