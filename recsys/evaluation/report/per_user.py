"""``per_user.parquet``: the metrics of every evaluation user and engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.errors import ArtifactError

Values = dict[str, dict[str, NDArray[np.float64]]]
"""Engine -> metric -> [U]."""


def write_values(path: Path, users: NDArray[np.int32], found: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> None:
    """Writes ``engine``, ``user`` and the metrics, a row for each engine and user; memory is that of one engine."""
    metrics = list(dict.fromkeys(metric for values in found.values() for metric in values))
    schema = pa.schema([("engine", pa.string()), ("user", pa.int32()), *((name, pa.float64()) for name in metrics)])
    nothing = np.full(len(users), np.nan)
    with pq.ParquetWriter(path, schema) as writer:
        for engine, values in found.items():
            columns = [pa.repeat(engine, len(users)), users, *(values.get(name, nothing) for name in metrics)]
            writer.write_table(pa.table(columns, schema))


def read_values(path: Path) -> tuple[NDArray[np.int32], Values]:
    """The users [U] and the metrics of each engine, in the order in which `write_values` had them.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); evaluate again") from error
    values, users = Values(), np.empty(0, np.int32)
    for engine, part in frame.groupby("engine", sort=False):
        users = part["user"].to_numpy(np.int32)
        metrics = part.drop(columns=["engine", "user"])
        values[str(engine)] = {str(name): metrics[name].to_numpy(np.float64) for name in metrics.columns}
    return users, values
