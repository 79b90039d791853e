"""Pretraining: an item embedding table learnt from an early slice of the training interactions."""

from __future__ import annotations

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Pretrainer
from recsys.engines import ENGINES
from recsys.errors import ConfigError
from recsys.training.deterministic import deterministic


def pretrain_table(
    engine: Engine, data: Dataset, train: Interactions, share: float, context: FitContext
) -> EmbeddingTable:
    """The item embeddings that ``engine`` learns from the earliest ``share`` of ``train``.

    Args:
        engine: not fitted yet; a `Pretrainer`.
        data: the dataset.
        train: the training interactions of the split.
        share: see `earliest`. Below 1 the table does not hold all the interactions that the towers learn to predict.
        context: of the fit.

    Returns:
        The table; its provenance names engine, options, share and the fingerprints of what was learnt from.

    Raises:
        ConfigError: this kind of engine has no item embeddings.
    """
    if not isinstance(engine, Pretrainer):
        able = ", ".join(name for name, kind in ENGINES.items() if hasattr(kind, "item_table"))
        raise ConfigError(f"engine {engine.kind!r} leaves no item embeddings; these do: {able}")
    learnt = earliest(train, share, data)
    with deterministic():
        engine.fit(data, learnt, context=context)
    table = engine.item_table()
    provenance = {
        **table.provenance,
        "engine": engine.kind,
        "options": engine.config.model_dump(mode="json"),
        "share": share,
        "data": data.fingerprint,
        "interactions": learnt.fingerprint,
    }
    return EmbeddingTable(table.vocabulary, table.vectors, provenance)


def earliest(train: Interactions, share: float, data: Dataset) -> Interactions:
    """The earliest ``share`` of ``train``: by time where there are timestamps, otherwise of each user's own order."""
    if share >= 1 or not len(train):
        return train
    if data.has_timestamps:
        return train.before(int(np.quantile(np.asarray(train.time), share, method="lower")) + 1)
    offsets = train.offsets(data.n_users)
    place = np.arange(len(train)) - offsets[:-1][train.user]
    length = np.diff(offsets)[train.user]
    return train.select(place < np.ceil(share * length))
