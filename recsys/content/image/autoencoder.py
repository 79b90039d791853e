"""Image embeddings without labels and without pretrained weights: an autoencoder on the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.image.cnn import AutoencoderNetwork
from recsys.content.image.pixels import PixelStore
from recsys.content.tables import content_table
from recsys.content.training.modules import load_module, save_module
from recsys.content.training.task import RowTask, train_rows
from recsys.data.entities import EntityTable
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError
from recsys.training.loop import LoopOptions


class AutoencoderConfig(EmbedderConfig):
    """The network and its training.

    Args:
        dim: D of the code.
        side: of the square images, a multiple of ``2 ** blocks``.
        width: channels of the first block.
        blocks: how often the side is halved.
        batch_size: images a batch.
        training: the loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

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


class AutoencoderEmbedder(Embedder[AutoencoderConfig]):
    """The code of a convolutional autoencoder (Hinton & Salakhutdinov, 2006), trained on the catalogue's images.

    The loss is the mean squared reconstruction error. Use it for images unlike photographs (logos, charts, textures)
    or where no pretrained weights may be used; `ImageEmbedder` is the first choice for photographs.

    Example:
        >>> from recsys.content import AutoencoderEmbedder
        >>> AutoencoderEmbedder(columns=["poster"], dim=32, epochs=3)
        AutoencoderEmbedder(columns=('poster',), dim=32, epochs=3)
    """

    kind = "autoencoder"
    Config = AutoencoderConfig
    learns = True

    def __init__(self, config: AutoencoderConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.network: AutoencoderNetwork | None = None

    @property
    def fingerprint(self) -> str:
        return short_digest([f"autoencoder/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        found = PixelStore(self.context, self.config.columns, self.config.side).read(table)
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
    def _embed(self, table: EntityTable) -> EmbeddingTable:
        network = self._fitted(self.network)
        found = PixelStore(self.context, self.config.columns, self.config.side).read(table)
        made = [np.zeros((0, self.config.dim), np.float32)]
        for start in range(0, len(found.keys), 256):
            rows = np.arange(start, min(start + 256, len(found.keys)))
            made.append(network(torch.from_numpy(found.take(rows))).numpy())
        return content_table(self, table, found.present, np.concatenate(made), found.provenance)

    def save(self, directory: Path) -> None:
        network = self._fitted(self.network)
        save_module(network, directory / "network.safetensors")

    def restore(self, directory: Path) -> None:
        self.network = self._built()
        self.network.load_state_dict(load_module(directory / "network.safetensors"))
        self.network.eval()

    def _built(self) -> AutoencoderNetwork:
        return AutoencoderNetwork(self.config.side, self.config.dim, self.config.width, self.config.blocks)
