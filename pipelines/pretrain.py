"""pretrain: engines that leave item embeddings, learnt from an earlier slice than the towers learn from."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.config import RunConfig, pretrain_spec
from pipelines.deterministic import deterministic
from pipelines.workspace import Workspace, code_version
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.embeddings import EmbeddingTable
from recsys.engine import Pretrainer, Resources
from recsys.engines import ENGINES
from recsys.errors import ConfigError
from recsys.tracking import Tracker

_CODE = ("recsys/data", "recsys/engines", "recsys/training", "pipelines/pretrain.py")


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Leaves ``tables/NAME/`` for each ``[pretrain.NAME]``."""
    if not config.pretrain:
        return
    data, split = workspace.load_dataset(), workspace.load_split()
    for name, section in config.pretrain.items():
        facts = {
            "section": section.model_dump(mode="json"),
            "data": data.fingerprint,
            "train": split.train.fingerprint,
            "seed": config.seed,
            "code": code_version(*_CODE),
        }
        step = f"pretrain/{name}"
        if workspace.reused(step, facts, [workspace.table(name)], tracker):
            continue
        workspace.started(step)
        table = learn(config, name, data, earliest(split.train, section.share, data), tracker)
        table.save(workspace.table(name))
        workspace.finished(step, facts)
        tracker.say(f"{step}: {len(table.vocabulary)} items in {table.dim} dimensions")


def learn(config: RunConfig, name: str, data: Dataset, train: Interactions, tracker: Tracker) -> EmbeddingTable:
    """The table that ``[pretrain.NAME]`` learns from ``train``.

    Raises:
        ConfigError: this kind of engine has no item embeddings to leave.
    """
    section = config.pretrain[name]
    spec = pretrain_spec(name, section)
    engine = ENGINES[spec.kind](spec.config, Resources(seed=config.seed))
    if not isinstance(engine, Pretrainer):
        raise ConfigError(f"[pretrain.{name}] engine {spec.kind!r} leaves no item embeddings; use als, bpr or item2vec")
    with deterministic():
        engine.fit(data, train, tracker)
    table = engine.item_table()
    provenance: dict[str, Any] = {
        **table.provenance,
        "engine": spec.kind,
        "options": spec.config.model_dump(mode="json"),
        "share": section.share,
        "data": data.fingerprint,
        "interactions": train.fingerprint,
    }
    return EmbeddingTable(table.vocabulary, table.vectors, provenance)


def earliest(train: Interactions, share: float, data: Dataset) -> Interactions:
    """The earliest ``share`` of ``train``: by the clock where there is one, otherwise of each user's own order."""
    if share >= 1 or not len(train):
        return train
    if data.clock:
        return train.before(int(np.quantile(np.asarray(train.time), share, method="lower")) + 1)
    offsets = train.offsets(data.n_users)
    place = np.arange(len(train)) - offsets[:-1][train.user]
    length = np.diff(offsets)[train.user]
    return train.select(place < np.ceil(share * length))
