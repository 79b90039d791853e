"""A small convolutional network, for images unlike photographs."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class SmallCnn(nn.Module):
    """Convolution blocks with stride 2 and group normalization, global average pooling, and a linear map.

    Args:
        dim: D of the result.
        width: channels of the first block; each next block has twice as many.
        blocks: how often the side is halved.
    """

    def __init__(self, dim: int, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        sizes = [3, *(width * 2**step for step in range(blocks))]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                    nn.GroupNorm(min(8, after), after),
                    nn.GELU(),
                )
                for before, after in pairwise(sizes)
            )
        )
        self.out = nn.Linear(sizes[-1], dim)

    def places(self, pixels: Tensor) -> Tensor:
        """uint8 [n, side, side, 3] -> float32 [n, channels, side / 2^blocks, side / 2^blocks]."""
        result: Tensor = self.blocks(scaled(pixels))
        return result

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [n, side, side, 3] -> [n, D]."""
        result: Tensor = self.out(self.places(pixels).mean((2, 3)))
        return result


class AutoencoderNetwork(nn.Module):
    """Convolutional autoencoder: the blocks of `SmallCnn` and a linear map encode, transposed convolutions decode.

    Args:
        side: of the square images, a multiple of ``2 ** blocks``.
        dim: D.
        width: channels of the first block.
        blocks: how often the side is halved.
    """

    def __init__(self, side: int, dim: int, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        self.encoder = SmallCnn(dim, width, blocks)
        self.small, self.channels = side // 2**blocks, width * 2 ** (blocks - 1)
        inside = self.channels * self.small**2
        self.encoder.out = nn.Linear(inside, dim)
        self.spread = nn.Linear(dim, inside)
        sizes = [*(width * 2**step for step in reversed(range(blocks))), 3]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.GELU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        self.decoder = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [n, side, side, 3] -> the code [n, D]."""
        code: Tensor = self.encoder.out(self.encoder.places(pixels).flatten(1))
        return code

    def error(self, pixels: Tensor) -> Tensor:
        """Reconstruction error: the mean squared difference of images and reconstructions."""
        inside = self.spread(self(pixels)).unflatten(1, (self.channels, self.small, self.small))
        return nn.functional.mse_loss(self.decoder(inside), scaled(pixels))


def scaled(pixels: Tensor) -> Tensor:
    """uint8 [n, side, side, 3] -> float32 [n, 3, side, side] in -1..1."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
