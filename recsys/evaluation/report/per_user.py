"""``per_user.parquet``: the metrics of every evaluation user and engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.errors import ArtifactError


def write_values(path: Path, users: NDArray[np.int32], found: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> None:
    """Writes ``engine``, ``user`` and the metrics, a row for each engine and user; memory is that of one engine."""
    metrics = list(dict.fromkeys(metric for values in found.values() for metric in values))
    schema = pa.schema([("engine", pa.string()), ("user", pa.int32()), *((name, pa.float64()) for name in metrics)])
    nothing = np.full(len(users), np.nan)
    with pq.ParquetWriter(path, schema) as writer:
        for engine, values in found.items():
            columns = [pa.repeat(engine, len(users)), users, *(values.get(name, nothing) for name in metrics)]
            writer.write_table(pa.table(columns, schema))


@dataclass(frozen=True, eq=False)
class StoredValues(Mapping[str, NDArray[np.float64]]):
    """The metrics of one engine in a file that stays open, each read when it is asked for.

    Args:
        file: as `write_values` wrote it.
        groups: the row groups of the engine.
    """

    file: pq.ParquetFile
    groups: list[int]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self:
            raise KeyError(name)
        return np.asarray(self.file.read_row_groups(self.groups, columns=[name])[name].to_numpy(), np.float64)

    def __contains__(self, name: object) -> bool:
        return name in set(self)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.file.schema_arrow.names if name not in ("engine", "user"))

    def __len__(self) -> int:
        return len(self.file.schema_arrow.names) - 2


def read_values(path: Path) -> tuple[NDArray[np.int32], dict[str, StoredValues]]:
    """The users [U] and the metrics of each engine, in the order in which `write_values` had them.

    All of the file is read and checked, a column at a time, and the users alone are kept.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        file, groups = pq.ParquetFile(pa.OSFile(str(path))), dict[str, list[int]]()
        for group in range(file.num_row_groups):
            [engine] = file.read_row_group(group, columns=["engine"])["engine"].unique().to_pylist()
            groups.setdefault(str(engine), []).append(group)
        values = {engine: StoredValues(file, of_engine) for engine, of_engine in groups.items()}
        users = [file.read_row_groups(each.groups, columns=["user"])["user"].to_numpy() for each in values.values()]
        for each in values.values():
            for name in each:
                each[name]
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); evaluate again") from error
    return users[0].astype(np.int32) if users else np.empty(0, np.int32), values
