"""The deep averaging network: the light form of the universal sentence encoder."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.text.words import frequent, words
from recsys.content.training.contrastive import multiple_negatives
from recsys.content.training.modules import load_with_words, save_with_words
from recsys.content.training.pairs import behaviour
from recsys.content.training.task import RowTask, train_rows
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError
from recsys.training.loop import LoopOptions


class DANConfig(EmbedderConfig):
    """The network and its training.

    Args:
        dim: D of the words, the hidden layer and the result.
        min_count: rarer words share one vector.
        word_dropout: share of a text's words that a training step does not see.
        objective: ``views`` brings two halves of one text together; ``behaviour`` the texts of two items that the same
            users chose close in time.
        window: of behaviour pairs.
        temperature: divides the cosines.
        batch_size: texts or pairs a batch.
        pairs: pairs an epoch (``behaviour``).
        training: the loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    dim: int = Field(128, ge=2)
    min_count: int = Field(2, ge=1)
    word_dropout: float = Field(0.3, ge=0, lt=1)
    objective: Literal["views", "behaviour"] = "views"
    window: int = Field(5, ge=1)
    temperature: float = Field(0.1, gt=0)
    batch_size: int = Field(256, ge=2)
    pairs: int = Field(100_000, ge=1)
    training: LoopOptions = LoopOptions(epochs=20, learning_rate=2e-3)


class DanNetwork(nn.Module):
    """Mean word embedding, a two-layer perceptron with a residual connection, and L2 normalization.

    Args:
        n_words: words of the vocabulary, rows 1 to ``n_words``; row 0 is that of all other words.
        dim: D.
    """

    def __init__(self, n_words: int, dim: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(n_words + 1, dim, mode="mean")
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        nn.init.normal_(self.words.weight, std=dim**-0.5)

    def forward(self, rows: Tensor, offsets: Tensor) -> Tensor:
        """Packed word rows [N] and the start of each text [n] -> [n, D]."""
        mean = self.words(rows, offsets)
        return nn.functional.normalize(self.layers(mean) + mean, dim=1)


class DANEmbedder(Embedder[DANConfig]):
    """Deep averaging network (Iyyer et al., 2015; Cer et al., 2018), trained on the catalogue or on behaviour.

    The vector of a text is its mean word embedding, passed through a two-layer perceptron with a residual connection
    and L2-normalized. The loss is `multiple_negatives`. With ``objective="views"`` the positive pairs are two random
    halves of the words of a text; with ``"behaviour"`` they are items that the same users chose close in time (needs
    ``context.train``).

    Use it as a small text model without pretrained weights; unlike pooled word vectors it is trained for whole texts.

    Example:
        >>> from recsys.content import DANEmbedder
        >>> DANEmbedder(columns=["title"], dim=32, epochs=5).config.training.epochs
        5
    """

    kind = "dan"
    Config = DANConfig
    learns = True

    def __init__(self, config: DANConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.vocabulary = Vocabulary(np.empty(0, object))
        self.network: DanNetwork | None = None

    @property
    def fingerprint(self) -> str:
        return short_digest([f"dan/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        texts = row_texts(table, self.config.columns)
        known = frequent((words(text) for text in texts if text is not None), self.config.min_count)
        self.vocabulary = Vocabulary(np.array(known, object))
        rows = [self._rows(text or "") for text in texts]
        torch.manual_seed(self.context.seed)
        self.network = self._built(len(known))
        train_rows(self._task(self.network, rows), self.config.training, self.context)

    @torch.inference_mode()
    def _embed(self, table: EntityTable) -> EmbeddingTable:
        network = self._fitted(self.network)
        texts = row_texts(table, self.config.columns)
        rows = [self._rows(text) for text in texts if text is not None]
        vectors = network(*_packed(rows)).numpy() if rows else np.zeros((0, self.config.dim), np.float32)
        provenance = {"words": len(self.vocabulary)}
        return content_table(self, table, present_rows(texts), vectors, provenance)

    def word_vectors(self) -> EmbeddingTable:
        network = self._fitted(self.network)
        vectors = network.words.weight.detach().numpy()[1:]
        return EmbeddingTable(self.vocabulary, vectors, {"embedder": self.kind})

    def save(self, directory: Path) -> None:
        network = self._fitted(self.network)
        save_with_words(network, self.vocabulary, directory)

    def restore(self, directory: Path) -> None:
        self.network, self.vocabulary = load_with_words(self._built, directory)

    def _built(self, n_words: int) -> DanNetwork:
        return DanNetwork(n_words, self.config.dim)

    def _rows(self, text: str) -> NDArray[np.int64]:
        """The row of each word, 0 for those that are not known; a text without words is one unknown word."""
        found = words(text)
        return self.vocabulary.rows(np.array(found, object)) + 1 if found else np.zeros(1, np.int64)

    def _task(self, network: DanNetwork, rows: list[NDArray[np.int64]]) -> RowTask:
        usable = np.array([len(text) > 1 for text in rows], bool)
        items = np.flatnonzero(usable)

        def views(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            halves = [_halves(rows[item], rng) for item in items[batch]]
            left, right = zip(*halves, strict=True)
            return self._loss(network, list(left), list(right), items[batch], items[batch])

        if self.config.objective == "views":
            if len(items) < 2:
                raise ConfigError("fewer than two texts have two words or more; there is nothing to learn from")
            return RowTask(network, len(items), min(self.config.batch_size, len(items)), views)
        sampler = behaviour(self.context, self.config.window, usable)

        def together(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            pairs = sampler.draw(rng.integers(0, len(sampler), len(batch)), rng)
            left, right = ([self._word_dropout(rows[item], rng) for item in side] for side in pairs.T)
            return self._loss(network, left, right, pairs[:, 0], pairs[:, 1])

        return RowTask(network, self.config.pairs, min(self.config.batch_size, self.config.pairs), together)

    def _loss(
        self,
        network: DanNetwork,
        left: list[NDArray[np.int64]],
        right: list[NDArray[np.int64]],
        left_ids: NDArray[np.int64],
        right_ids: NDArray[np.int64],
    ) -> Tensor:
        device = network.words.weight.device
        sides = [network(*(part.to(device) for part in _packed(side))) for side in (left, right)]
        ids = [torch.from_numpy(part).to(device) for part in (left_ids, right_ids)]
        return multiple_negatives(sides[0], sides[1], ids[0], ids[1], self.config.temperature)

    def _word_dropout(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        remaining = rows[rng.random(len(rows)) >= self.config.word_dropout]
        return remaining if len(remaining) else rows


def _halves(rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    mixed = rng.permutation(rows)
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def _packed(rows: list[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in rows])[:-1]])
    return torch.from_numpy(np.concatenate(rows)), torch.from_numpy(offsets.astype(np.int64))
