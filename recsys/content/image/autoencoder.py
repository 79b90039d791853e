"""Image embeddings without labels and without pretrained weights: an autoencoder on the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from recsys.config import Config
from recsys.content.embedder import EmbedderContext, short_digest
from recsys.content.image.cnn import AutoencoderNetwork
from recsys.content.image.pixels import PixelStore
from recsys.content.tables import content_table
from recsys.content.training.modules import load_module, save_module
from recsys.content.training.task import RowTask, train_rows
from recsys.data.entities import EntityTable
from recsys.embeddings import EmbeddingTable
from recsys.errors import ConfigError
from recsys.training.loop import LoopOptions


class AutoencoderConfig(Config):
    """Args:
    dim: D of the code.
    side: of the square images, a multiple of ``2 ** blocks``.
    width: channels of the first block.
    blocks: how often the side is halved.
    batch_size: images a batch.
    training: the loop.
    """

    dim: int = Field(64, ge=2)
    side: int = Field(48, ge=8)
    width: int = Field(16, ge=4, multiple_of=4)
    blocks: int = Field(3, ge=1, le=5)
    batch_size: int = Field(64, ge=1)
    training: LoopOptions = LoopOptions(epochs=10, learning_rate=2e-3)

    @model_validator(mode="after")
    def _halves(self) -> AutoencoderConfig:
        if self.side % 2**self.blocks:
            raise ValueError(
                f"side must be a multiple of {2**self.blocks}, so that it can be halved {self.blocks} times"
            )
        return self


class Autoencoder:
    """The code through which an image can be drawn again (Hinton & Salakhutdinov, 2006), convolutional."""

    kind: ClassVar[str] = "autoencoder"
    Config: ClassVar[type[Config]] = AutoencoderConfig
    learns: ClassVar[bool] = True

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: AutoencoderConfig = config or AutoencoderConfig()
        self.context = context
        self.network: AutoencoderNetwork | None = None

    @property
    def fingerprint(self) -> str:
        facts = f"autoencoder/{self.config.model_dump_json()}/{self.context.seed}"
        return short_digest(facts)

    def fit(self, table: EntityTable) -> None:
        found = PixelStore(self.context, self.config.side).read(table)
        if not found.keys:
            raise ConfigError("the table has no image that can be read; there is nothing to learn from")
        torch.manual_seed(self.context.seed)
        network = self._built()

        def loss(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            return network.error(torch.from_numpy(found.take(batch)).to(network.spread.weight.device))

        size = min(self.config.batch_size, len(found.keys))
        train_rows(RowTask(network, len(found.keys), size, loss), self.config.training, self.context)
        self.network = network

    @torch.inference_mode()
    def embed(self, table: EntityTable) -> EmbeddingTable:
        assert self.network is not None, "fit or restore comes before embed"
        found = PixelStore(self.context, self.config.side).read(table)
        made = [np.zeros((0, self.config.dim), np.float32)]
        for start in range(0, len(found.keys), 256):
            rows = np.arange(start, min(start + 256, len(found.keys)))
            made.append(self.network(torch.from_numpy(found.take(rows))).numpy())
        return content_table(self, self.context, table, found.present, np.concatenate(made), found.facts)

    def save(self, directory: Path) -> None:
        assert self.network is not None, "fit comes before save"
        save_module(self.network, directory / "network.safetensors")

    def restore(self, directory: Path) -> None:
        self.network = self._built()
        self.network.load_state_dict(load_module(directory / "network.safetensors"))
        self.network.eval()

    def _built(self) -> AutoencoderNetwork:
        return AutoencoderNetwork(self.config.side, self.config.dim, self.config.width, self.config.blocks)
