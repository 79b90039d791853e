"""Pretraining: item embeddings that an engine learns from the earliest part of the training interactions."""

from __future__ import annotations

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.earliest import earliest
from recsys.embedding_table import EmbeddingTable, Pretrainer
from recsys.engine import Engine, FitContext
from recsys.engines import ENGINES
from recsys.errors import ConfigError
from recsys.training.deterministic import deterministic


def pretrain_table(
    engine: Engine, data: Dataset, train: Interactions, share: float, context: FitContext
) -> EmbeddingTable:
    """The item embeddings that ``engine`` learns from the earliest ``share`` of ``train``.

    Args:
        engine: an engine that is not fitted; a `Pretrainer`.
        data: the dataset.
        train: the training interactions of the split.
        share: the share of ``train`` that is used, in (0, 1]; see `earliest`. With a share below 1, the embeddings do
            not encode the later interactions, which an engine that takes the table as input is trained to predict.
        context: the context of the fit.

    Returns:
        The table. Its provenance records the engine, its options, the share and the fingerprints of the dataset and of
        the interactions that were used.

    Raises:
        ConfigError: this kind of engine has no item embeddings.
    """
    if not isinstance(engine, Pretrainer):
        able = ", ".join(name for name, kind in ENGINES.items() if hasattr(kind, "item_table"))
        raise ConfigError(f"engine {engine.kind!r} has no item embeddings; these have: {able}")
    early = earliest(train, share, data)
    with deterministic():
        engine.fit(data, early, context=context)
    table = engine.item_table()
    provenance = {
        **table.provenance,
        "engine": engine.kind,
        "options": engine.config.model_dump(mode="json"),
        "share": share,
        "data": data.fingerprint,
        "interactions": early.fingerprint,
    }
    return EmbeddingTable(table.vocabulary, table.vectors, provenance)
