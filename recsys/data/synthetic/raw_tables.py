"""Writing of a dataset as raw tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from recsys.data.dataset import Dataset

START = 1_000_000_000
"""The time of the first interaction of synthetic data, seconds since 1970 UTC."""


def write_tables(data: Dataset, directory: Path, suffix: str = ".csv") -> dict[str, Path]:
    """``data`` as raw tables that `recsys.data.ingest.readers.ingest` reads back.

    Args:
        data: any dataset.
        directory: where ``interactions``, ``users`` and ``items`` are written.
        suffix: ``.csv`` or ``.parquet``.

    Returns:
        Field of `recsys.data.ingest.config.DataConfig` -> path.
    """
    x = data.interactions
    order = "timestamp" if data.has_timestamps else "position"
    ids = {"user_id": data.users.vocabulary.ids[x.user], "item_id": data.items.vocabulary.ids[x.item]}
    frames = {
        "interactions": pd.DataFrame({**ids, order: x.time, "weight": x.weight}),
        "users": data.users.columns.assign(user_id=data.users.vocabulary.ids),
        "items": data.items.columns.assign(item_id=data.items.vocabulary.ids),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        path = directory / f"{name}{suffix}"
        frame.to_parquet(path, index=False) if suffix == ".parquet" else frame.to_csv(path, index=False)
    return {name: directory / f"{name}{suffix}" for name in frames}
