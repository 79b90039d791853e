"""Fine-tuning of a sentence model on behaviour."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.tables import content_table, present_rows
from recsys.content.text.sentence import SentenceConfig, SentenceEmbedder, SentenceModelConfig
from recsys.content.text.texts import row_texts
from recsys.content.training.contrastive import matryoshka
from recsys.content.training.modules import load_module, save_module
from recsys.content.training.pairs import behaviour
from recsys.content.training.task import RowTask, train_rows
from recsys.data.entities import EntityTable
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError
from recsys.json_values import JsonObject
from recsys.training.loop import LoopOptions


class FinetunedTransformerConfig(EmbedderConfig):
    """The sentence model and the options of its fine-tuning.

    Args:
        base: the sentence model.
        last_layers: how many of the last transformer layers are trained; None: all.
        window: two items of a user at most this many steps apart are a pair.
        temperature: divides the cosines.
        matryoshka: dimensions at which the loss of the truncated vector is added; see `matryoshka`.
        batch_size: pairs a batch; the others of the batch are the negatives.
        pairs: pairs an epoch.
        training: the loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    base: SentenceModelConfig = SentenceModelConfig()
    last_layers: int | None = Field(None, ge=1)
    window: int = Field(20, ge=1)
    temperature: float = Field(0.05, gt=0)
    matryoshka: tuple[int, ...] = ()
    batch_size: int = Field(32, ge=2)
    pairs: int = Field(10_000, ge=2)
    training: LoopOptions = LoopOptions(epochs=1, learning_rate=2e-5, max_grad_norm=1.0)


class FinetunedTransformer(Embedder[FinetunedTransformerConfig]):
    """A sentence model whose own layers are fine-tuned on behaviour with multiple-negatives ranking.

    The pairs are items that the same users chose close in time; the loss is `matryoshka` over `multiple_negatives`. Use
    it where texts are rich and interactions many; `ProjectionHead` trains the same loss on frozen vectors in seconds
    and is to be beaten first. Needs ``context.train`` and what `SentenceEmbedder` needs.

    Example:
        >>> from recsys.content import FinetunedTransformer
        >>> embedder = FinetunedTransformer(columns=["title"], last_layers=1, epochs=2)
        >>> embedder.config.training.epochs, embedder.config.training.max_grad_norm
        (2, 1.0)
    """

    kind = "finetuned_transformer"
    Config = FinetunedTransformerConfig
    learns = True

    def __init__(self, config: FinetunedTransformerConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.sentence = SentenceEmbedder(SentenceConfig(**dict(self.config.base)))

    def __getstate__(self) -> dict[str, object]:
        raise TypeError("a FinetunedTransformer is not pickled, which would leave out its model; use save and restore")

    @property
    def fingerprint(self) -> str:
        return short_digest([f"finetuned_transformer/{self.sentence.fingerprint}/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        texts = row_texts(table, self.config.columns)
        sampler = behaviour(self.context, self.config.window, present_rows(texts))
        model = self.sentence.model

        def encoded(rows: NDArray[np.int64]) -> Tensor:
            inputs: JsonObject = model.preprocess([self.config.base.prompt + (texts[row] or "") for row in rows])
            moved = {name: v.to(model.device) if isinstance(v, Tensor) else v for name, v in inputs.items()}
            vectors: Tensor = model(moved)["sentence_embedding"]
            return vectors

        def loss(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            pairs = sampler.draw(rng.integers(0, len(sampler), len(batch)), rng)
            distinct, place = np.unique(pairs, return_inverse=True)
            vectors = encoded(distinct)  # an item of several pairs is encoded once
            sides = torch.from_numpy(place.reshape(pairs.shape)).to(vectors.device)
            ids = torch.from_numpy(pairs).to(vectors.device)
            left, right = vectors[sides[:, 0]], vectors[sides[:, 1]]
            return matryoshka(left, right, ids[:, 0], ids[:, 1], self.config.temperature, self.config.matryoshka)

        rates = {**self._frozen(), **self.config.training.lr_multipliers}
        options = self.config.training.model_copy(update={"lr_multipliers": rates})
        train_rows(RowTask(model, self.config.pairs, self.config.batch_size, loss), options, self.context)

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.config.columns)
        valid = [text for text in texts if text is not None]
        order = np.argsort([-len(text) for text in valid], kind="stable")
        vectors = np.zeros((len(valid), self.sentence.model.get_embedding_dimension() or 1), np.float32)
        if valid:
            prompt, size = self.config.base.prompt or None, self.config.base.batch_size
            vectors[order] = self.sentence.model.encode([valid[row] for row in order], prompt=prompt, batch_size=size)
        provenance = {"model": self.config.base.model}
        return content_table(self, table, present_rows(texts), vectors[:, : self.config.base.dims], provenance)

    def save(self, directory: Path) -> None:
        save_module(self.sentence.model, directory / "model.safetensors")

    def restore(self, directory: Path) -> None:
        self.sentence.model.load_state_dict(load_module(directory / "model.safetensors"))

    def _frozen(self) -> dict[str, float]:
        """Learning rate multiplier 0 for all parameters below the ``last_layers``."""
        if self.config.last_layers is None:
            return {}
        names = [name for name, _ in self.sentence.model.named_parameters()]
        layers = [re.search(r"\.layer\.(\d+)\.", name) for name in names]
        depth = 1 + max((int(found[1]) for found in layers if found), default=-1)
        if self.config.last_layers > depth:
            raise ConfigError(f"last_layers = {self.config.last_layers}, but the model has {depth} layers")
        first = depth - self.config.last_layers
        return {name: 0.0 for name, found in zip(names, layers, strict=True) if not found or int(found[1]) < first}
