"""The options of the two-tower engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from recsys.data.features.features import FeatureOptions
from recsys.engines.learning import TrainedConfig
from recsys.errors import ConfigError
from recsys.models.build import ModelOptions
from recsys.training.loop import LoopOptions


class TwoTowerConfig(TrainedConfig):
    """Options of the two-tower engine.

    Args:
        model: the shape of the towers.
        features: how columns are turned into numbers; its ``numeric`` is set as ``features.numeric``, for
            a flat ``numeric`` is that of ``model``.
        item_columns: the item columns to use; None takes all that have an encoder.
        user_columns: the user columns to use; None takes all that have an encoder.
        tables: names of pretrained item tables that enter the item tower.
        max_history: the newest events that a user vector reads.
        window_overlap: events of the window before that a training window of a long history begins with, as context.
        loss: ``full_softmax`` scores the whole catalogue; ``sampled_softmax``, ``bpr`` and ``gbce`` shared negatives.
        negatives: the sampler of shared negatives.
        n_negatives: C, negatives a batch.
        sampling_exponent: negatives are drawn by popularity to this power.
        mask_seen_negatives: whether items of the history are no negatives of what follows, nor targets when they come
            again: lists leave them out, and the items most like what comes next are those of the history. Not masked
            where lists keep seen items (``evaluate.filter_seen = false``), nor with ``pooling = "masked"``, whose
            targets are gaps of the history.
        max_tokens: positions a batch.
        label_smoothing: share of a target's probability that is spread over the catalogue; softmax losses only.
        metric: what validation maximizes.
        validation_users: at most so many random users are evaluated in validation.
        feature_lr_multiplier: learning-rate factor of the item tower's encoders of features: every batch moves all of
            their weights, but few rows of the id table. An encoder that ``lr_multipliers`` names has that factor.
        modality_dropout: share of the training steps in which a modality is hidden, each independently of the others,
            so that the model has been trained on what `recsys attribution` masks.
        modalities: what is hidden together, name -> tables, columns, ``ids`` or ``history`` as in ``[attribution]``;
            none takes each table, all columns together, the ids and the history for one modality each.
        training: the training loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("model", "features", "training")
    flat_owners: ClassVar[Mapping[str, str]] = {"numeric": "model"}

    model: ModelOptions = ModelOptions()
    features: FeatureOptions = FeatureOptions()
    item_columns: list[str] | None = None
    user_columns: list[str] | None = None
    tables: tuple[str, ...] = ()
    max_history: int = Field(100, ge=1)
    window_overlap: int = Field(20, ge=0)
    loss: str = "sampled_softmax"
    negatives: str = "popularity"
    n_negatives: int = Field(1024, ge=1)
    sampling_exponent: float = Field(0.75, ge=0)
    mask_seen_negatives: bool = True
    max_tokens: int = Field(4096, ge=16)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    metric: str = "ndcg@10"
    validation_users: int = Field(100_000, ge=1)
    feature_lr_multiplier: float = Field(0.2, gt=0)
    modality_dropout: float = Field(0.0, ge=0, lt=1)
    modalities: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    training: LoopOptions = LoopOptions()

    def uses_tables(self) -> tuple[str, ...]:
        return self.tables

    def ranks_seen_items(self) -> bool:
        return not self.mask_seen_negatives or self.model.pooling == "masked"


def check_smoothing(config: TwoTowerConfig) -> None:
    """Checks that the loss has a probability to smooth.

    Raises:
        ConfigError: it has none.
    """
    if config.label_smoothing and config.loss not in ("full_softmax", "sampled_softmax"):
        raise ConfigError(f"label_smoothing = {config.label_smoothing} needs a softmax loss, not {config.loss!r}")
