"""A projection head on frozen vectors, trained on behaviour."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.nested import EmbedderSpec, restore_learner, save_learner
from recsys.content.tables import content_table, inherited
from recsys.content.training.contrastive import matryoshka
from recsys.content.training.modules import load_module, save_module
from recsys.content.training.pairs import behaviour
from recsys.content.training.task import RowTask, train_rows
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.training.loop import LoopOptions


class ProjectionHeadConfig(EmbedderConfig):
    """A head and its training.

    Args:
        base: the frozen embedder below.
        dim: D of the result.
        hidden: width of the head's perceptron; 0 keeps the linear map alone.
        dropout: share of the frozen vector's components dropped in training.
        window: two items of a user at most this many steps apart are a pair.
        temperature: divides the cosines.
        matryoshka: dimensions at which the loss of the truncated vector is added; see `matryoshka`.
        batch_size: pairs a batch; the others of the batch are the negatives.
        pairs: pairs an epoch; 0 takes one for each training interaction.
        training: the loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    base: EmbedderSpec = EmbedderSpec(embedder="sentence")
    dim: int = Field(128, ge=2)
    hidden: int = Field(0, ge=0)
    dropout: float = Field(0.5, ge=0, lt=1)
    window: int = Field(20, ge=1)
    temperature: float = Field(0.1, gt=0)
    matryoshka: tuple[int, ...] = ()
    batch_size: int = Field(512, ge=2)
    pairs: int = Field(200_000, ge=0)
    training: LoopOptions = LoopOptions(epochs=3, learning_rate=2e-3)


class Head(nn.Module):
    """A linear map plus a perceptron, initialised to preserve cosines: orthogonal, and zero.

    Args:
        width: of the frozen vectors.
        dim: D of the result.
        hidden: of the perceptron; 0 has none.
        dropout: share of components dropped in training.
    """

    def __init__(self, width: int, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, dim, bias=False)
        nn.init.orthogonal_(self.linear.weight)
        self.register_buffer("mean", torch.zeros(width))
        self.mean: Tensor
        self.inner = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, dim)) if hidden else None
        if self.inner is not None:
            last = self.inner[-1]
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, width] -> [n, D]."""
        inputs = self.dropout(nn.functional.normalize(vectors, dim=1) - self.mean)
        result: Tensor = self.linear(inputs)
        return result if self.inner is None else result + self.inner(inputs)


class ProjectionHead(Embedder[ProjectionHeadConfig]):
    """A learned projection of frozen vectors, trained on behaviour with multiple-negatives ranking.

    Items that the same users chose close in time come together, the others of the batch apart (`matryoshka`). Use it to
    adapt text or image vectors to taste: it trains in seconds on a CPU, and new items go through the same head. Use
    `FinetunedTransformer` where that is not enough, `MetricLearningEmbedder` where a label says what belongs together.
    Needs ``context.train``.

    Example:
        >>> from recsys.content import ProjectionHead, SentenceEmbedder
        >>> head = ProjectionHead(base=SentenceEmbedder(columns=["title"]), dim=64, epochs=2)
    """

    kind = "projection_head"
    Config = ProjectionHeadConfig
    learns = True

    def __init__(self, config: ProjectionHeadConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.base = self.config.base.build(self.config.columns)
        self.head: Head | None = None

    @property
    def fingerprint(self) -> str:
        return short_digest([f"projection_head/{self.base.fingerprint}/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        self.base.fit(table, self.context)
        vectors, usable = self.base.embed(table, self.context).align(table.vocabulary)
        sampler = behaviour(self.context, self.config.window, usable)
        torch.manual_seed(self.context.seed)
        head = Head(vectors.shape[1], self.config.dim, self.config.hidden, self.config.dropout)
        frozen = torch.from_numpy(vectors)
        head.mean.copy_(nn.functional.normalize(frozen[torch.from_numpy(usable)], dim=1).mean(0))

        def loss(starts: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            # an epoch is shorter than the data, so that which events it starts from is drawn as well
            drawn = rng.integers(0, len(sampler), len(starts)) if self.config.pairs else starts
            pairs = torch.from_numpy(sampler.draw(drawn, rng))
            device = head.linear.weight.device
            left, right = (head(frozen[pairs[:, side]].to(device)) for side in (0, 1))
            ids = pairs.to(device)
            return matryoshka(left, right, ids[:, 0], ids[:, 1], self.config.temperature, self.config.matryoshka)

        n = self.config.pairs or len(sampler)
        train_rows(RowTask(head, n, min(self.config.batch_size, n), loss), self.config.training, self.context)
        self.head = head

    @torch.inference_mode()
    def _embed(self, table: EntityTable) -> EmbeddingTable:
        below = self.base.embed(table, self.context)
        head = self._fitted(self.head)
        vectors = (
            nn.functional.normalize(head(torch.from_numpy(below.vectors)), dim=1)
            if len(below.vectors)
            else (torch.zeros(0, self.config.dim))
        )
        present = below.vocabulary.rows(table.vocabulary.ids) >= 0
        ordered = _in_order(below.vocabulary, table.vocabulary, vectors.numpy())
        return content_table(self, table, present, ordered, inherited(below))

    def save(self, directory: Path) -> None:
        head = self._fitted(self.head)
        save_module(head, directory / "head.safetensors")
        save_learner(self.base, directory / "base")

    def restore(self, directory: Path) -> None:
        restore_learner(self.base, directory / "base")
        width = load_module(directory / "head.safetensors")["linear.weight"].shape[1]
        self.head = Head(width, self.config.dim, self.config.hidden, self.config.dropout)
        self.head.load_state_dict(load_module(directory / "head.safetensors"))
        self.head.eval()


def _in_order(found: Vocabulary, wanted: Vocabulary, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = found.rows(wanted.ids)
    return vectors[rows[rows >= 0]]
