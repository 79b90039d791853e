"""What training minimizes: the loss and the negatives that a config names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig, check_smoothing
from recsys.json_values import JsonObject
from recsys.losses import LOSSES, Loss
from recsys.negatives import NEGATIVES, Sampler


def loss_of(config: TwoTowerConfig) -> Loss:
    """The loss that a config names.

    Raises:
        ConfigError: ``label_smoothing`` is set, and the loss has no probability to smooth.
    """
    check_smoothing(config)
    smoothing = config.label_smoothing
    return LOSSES[config.loss](label_smoothing=smoothing) if smoothing else LOSSES[config.loss]()


def sampler_of(
    config: TwoTowerConfig, train: Interactions, n_items: int, targets: NDArray[np.bool_] | None
) -> Sampler | None:
    """The sampler of shared negatives that a config names; None where the loss scores the whole catalogue.

    Args:
        config: names it.
        train: the training interactions, whose counts are the items' popularity.
        n_items: size of the catalogue.
        targets: bool [E], which of ``train`` are targets; None all.
    """
    if config.loss == "full_softmax":
        return None
    options: JsonObject = {}
    if config.negatives in ("popularity", "mixed"):
        options["sampling_exponent"] = config.sampling_exponent
    if targets is not None and config.negatives in ("in_batch", "mixed"):
        options["targets"] = train.select(targets).item_counts(n_items)
    return NEGATIVES[config.negatives](train.item_counts(n_items), config.n_negatives, **options)
