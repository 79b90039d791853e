"""The options of the two-tower engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from recsys.data.features.features import FeatureOptions
from recsys.engines.learning import TrainedConfig
from recsys.engines.two_tower.score_parts.graph_part import RANK
from recsys.errors import ConfigError
from recsys.models.build import ModelOptions
from recsys.training.loop import LoopOptions


class TwoTowerConfig(TrainedConfig):
    """Options of the two-tower engine.

    ``leave_out``, ``max_tokens``, ``loss``, ``dim``, ``item_id`` and of ``training`` ``epochs``, ``validate_every``,
    ``patience``, ``warmup`` and ``ema`` follow from the data where they are not set, by the rules of
    `recsys.engines.two_tower.sizing`, and ``popularity_weight``, ``graph_weight`` and ``graph_rank`` from validation;
    the engine's attribute ``options_`` has what came of them.

    Args:
        model: the shape of the towers.
        features: how columns are turned into numbers; its ``numeric`` is set as ``features.numeric``, for
            a flat ``numeric`` is that of ``model``.
        item_columns: the item columns to use; None takes all that have an encoder.
        user_columns: the user columns to use; None takes all that have an encoder.
        leave_out: columns that do not enter though ``item_columns`` or ``user_columns`` is None, such as
            ``items.price`` or ``users.age``; None leaves out those that tell nothing of the choices in train, see
            `recsys.data.features.evidence`, and ``[]`` none.
        tables: names of pretrained item tables that enter the item tower.
        max_history: a user vector is computed from at most so many of the newest events.
        window_overlap: number of events of the preceding training window that are repeated at the start of the next
            one of a long history as context, without loss.
        loss: ``full_softmax`` scores the whole catalogue; ``sampled_softmax``, ``bpr`` and ``gbce`` shared negatives.
            Where it is not set, a catalogue of at most 4,096 items is scored whole.
        negatives: the sampler of shared negatives.
        n_negatives: C, negatives per batch.
        sampling_exponent: negatives are drawn by popularity to this power.
        mask_seen_negatives: whether items of the history are masked among the negatives of later targets, and repeated
            interactions are no targets. Lists leave seen items out, yet they would be the hardest negatives, for they
            are the most similar to the target. Not masked where lists keep seen items
            (``evaluate.filter_seen = false``), nor with ``pooling = "masked"``, whose targets are inside the history.
        max_tokens: positions per batch; where it is not set, about a 64th of the interactions, 256 to 1,024,
            and up to 4,096 for millions of them.
        popularity_weight: of the logarithm of an item's training interactions, added to its logit after training; None
            chooses it on validation, see
            `recsys.engines.two_tower.score_parts.popularity_prior`, and is 0 without validation.
        graph_weight: of the graph part, a low-pass filter of the user-item graph over the whole history, added to the
            towers' score after training; None chooses it on validation, see
            `recsys.engines.two_tower.score_parts.graph_part`, and is 0 without validation.
        graph_rank: number of singular vectors of the graph part; None chooses it with the weight.
        label_smoothing: share of a target's probability that is spread over the catalogue; softmax losses only.
        metric: what validation maximizes.
        validation_users: at most so many random users are evaluated in validation.
        feature_lr_multiplier: learning-rate factor of the item tower's feature encoders, for every batch updates all of
            their weights, but few rows of the id table. ``lr_multipliers`` of an encoder takes precedence.
        modality_dropout: share of the training steps in which a modality is hidden, each independently of the others,
            so that the model was trained with the inputs missing that `recsys attribution` masks.
        modalities: name -> tables, columns, ``ids`` or ``history`` that are hidden together, as in ``[attribution]``;
            by default each table, all columns together, the ids and the history are one modality each.
        training: the training loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("model", "features", "training")
    flat_owners: ClassVar[Mapping[str, str]] = {"numeric": "model"}

    model: ModelOptions = ModelOptions()
    features: FeatureOptions = FeatureOptions()
    item_columns: list[str] | None = None
    user_columns: list[str] | None = None
    leave_out: tuple[str, ...] | None = None
    tables: tuple[str, ...] = ()
    max_history: int = Field(100, ge=1)
    window_overlap: int = Field(20, ge=0)
    loss: str = "sampled_softmax"
    negatives: str = "popularity"
    n_negatives: int = Field(1024, ge=1)
    sampling_exponent: float = Field(0.75, ge=0)
    mask_seen_negatives: bool = True
    max_tokens: int = Field(4096, ge=16)
    popularity_weight: float | None = Field(None, ge=0)
    graph_weight: float | None = Field(None, ge=0)
    graph_rank: int | None = Field(None, ge=1, le=RANK)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    metric: str = "ndcg@10"
    validation_users: int = Field(100_000, ge=1)
    feature_lr_multiplier: float = Field(0.2, gt=0)
    modality_dropout: float = Field(0.0, ge=0, lt=1)
    modalities: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    training: LoopOptions = LoopOptions()

    def uses_tables(self) -> tuple[str, ...]:
        return self.tables

    def chooses_on_validation(self) -> bool:
        return super().chooses_on_validation() or None in (self.popularity_weight, self.graph_weight)

    def ranks_seen_items(self) -> bool:
        return not self.mask_seen_negatives or self.model.pooling == "masked"


def check_smoothing(config: TwoTowerConfig) -> None:
    """Checks that the loss has a probability to smooth.

    Raises:
        ConfigError: it has none.
    """
    if config.label_smoothing and config.loss not in ("full_softmax", "sampled_softmax"):
        raise ConfigError(f"label_smoothing = {config.label_smoothing} needs a softmax loss, not {config.loss!r}")
