"""The options of GraphSAGE."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from recsys.data.features.features import FeatureOptions
from recsys.engines.learning import TrainedConfig
from recsys.training.loop import LoopOptions


class GraphSAGEConfig(TrainedConfig):
    """Options of GraphSAGE with two layers of sampled neighbours.

    Args:
        dim: D.
        fan_out: neighbours sampled of each target node, and of each of those.
        id_dropout: share of item ids hidden in a training step, so that features and neighbours suffice.
        neighbour_dropout: share of items whose neighbours are hidden in a training step, for the same reason.
        features: how columns are turned into numbers.
        temperature: scores are cosines divided by it.
        loss: ``sampled_softmax``, ``bpr`` or ``gbce``, against shared negatives.
        n_negatives: C, negatives a batch.
        sampling_exponent: negatives are drawn by popularity to this power.
        batch: interactions a step.
        metric: what validation maximizes.
        validation_users: at most so many random users are evaluated in validation.
        training: the training loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    dim: int = Field(64, ge=2)
    fan_out: tuple[int, int] = (10, 5)
    id_dropout: float = Field(0.1, ge=0, lt=1)
    neighbour_dropout: float = Field(0.1, ge=0, lt=1)
    features: FeatureOptions = FeatureOptions()
    temperature: float = Field(0.1, gt=0)
    loss: Literal["sampled_softmax", "bpr", "gbce"] = "sampled_softmax"
    n_negatives: int = Field(1024, ge=1)
    sampling_exponent: float = Field(0.75, ge=0)
    batch: int = Field(4096, ge=1)
    metric: str = "ndcg@20"
    validation_users: int = Field(100_000, ge=1)
    training: LoopOptions = LoopOptions(epochs=10, learning_rate=0.01)
