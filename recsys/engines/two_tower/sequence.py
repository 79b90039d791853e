"""Sequence models: the two-tower model of ids and histories alone."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from recsys.engines.two_tower.two_tower import TwoTower
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.models.build import ModelOptions


class SequenceConfig(TwoTowerConfig):
    """Options of `SequenceModel`: those of the two-tower engine, by default without columns and graph part."""

    encoder: ClassVar[str | None] = None
    """The only ``pooling`` that is accepted, where the name of the engine implies one."""

    item_columns: list[str] | None = Field(default_factory=list)
    user_columns: list[str] | None = Field(default_factory=list)
    graph_weight: float | None = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _is_what_its_name_says(self) -> Self:
        if self.encoder is not None and self.model.pooling != self.encoder:
            raise ValueError(f'pooling is {self.encoder!r} here, not {self.model.pooling!r}; take kind = "sequence"')
        return self


class SASRecConfig(SequenceConfig):
    """Options of `SASRec`: those of `SequenceModel` with ``pooling = "transformer"``."""

    encoder = "transformer"
    model: ModelOptions = ModelOptions(pooling="transformer")


class GRU4RecConfig(SequenceConfig):
    """Options of `GRU4Rec`: those of `SequenceModel` with ``pooling = "gru"``."""

    encoder = "gru"
    model: ModelOptions = ModelOptions(pooling="gru")


class BERT4RecConfig(SequenceConfig):
    """Options of `BERT4Rec`: those of `SequenceModel` with ``pooling = "masked"``."""

    encoder = "masked"
    model: ModelOptions = ModelOptions(pooling="masked")


class HSTUConfig(SequenceConfig):
    """Options of `HSTU`: those of `SequenceModel` with ``pooling = "hstu"``."""

    encoder = "hstu"
    model: ModelOptions = ModelOptions(pooling="hstu")


class SequenceModel(TwoTower):
    """Sequence model of item ids with any history encoder (``pooling``), a transformer by default.

    The network, training and serving are those of `TwoTower`, so that the difference between the two is the gain from
    features. An item that training never saw has no vector. `SASRec`, `GRU4Rec`, `BERT4Rec` and `HSTU` fix the encoder.

    Example:
        >>> SequenceModel(pooling="gru", dim=32)
        SequenceModel(dim=32, pooling='gru')
    """

    kind = "sequence"
    Config = SequenceConfig
    config: SequenceConfig
    supports_cold_items = False


class SASRec(SequenceModel):
    """Self-attentive sequential recommendation (Kang & McAuley, ICDM 2018).

    A causal transformer encodes the history; every position predicts the next item, by default under a sampled softmax
    with the log-q correction, which ranks better than the paper's binary cross-entropy.

    Example:
        >>> from recsys.data.synthetic.worlds import SequenceRule
        >>> data = SequenceRule().dataset()
        >>> SASRec(dim=8, epochs=1).fit(data).kind
        'sasrec'
    """

    kind = "sasrec"
    Config = SASRecConfig
    config: SASRecConfig


class GRU4Rec(SequenceModel):
    """Session-based recommendation with a recurrent network (Hidasi et al., ICLR 2016).

    The state of a GRU at every position predicts the next item. Cheaper than attention on long histories, and suited
    to data where the newest events count most.

    Example:
        >>> GRU4Rec(dim=32, layers=1)
        GRU4Rec(dim=32, layers=1)
    """

    kind = "gru4rec"
    Config = GRU4RecConfig
    config: GRU4RecConfig


class BERT4Rec(SequenceModel):
    """Bidirectional transformer trained on masked positions (Sun et al., CIKM 2019).

    Items at masked positions are predicted from both sides. It needs more epochs than `SASRec`, and it can rank items
    of the history again.

    Example:
        >>> BERT4Rec(dim=32, mask_probability=0.2)
        BERT4Rec(dim=32, mask_probability=0.2)
    """

    kind = "bert4rec"
    Config = BERT4RecConfig
    config: BERT4RecConfig


class HSTU(SequenceModel):
    """Hierarchical sequential transduction unit (Zhai et al., ICML 2024, "Actions Speak Louder than Words").

    Gated pointwise attention with relative positions and times in place of a softmax over the history.

    Example:
        >>> HSTU(dim=32, heads=4)
        HSTU(dim=32, heads=4)
    """

    kind = "hstu"
    Config = HSTUConfig
    config: HSTUConfig
