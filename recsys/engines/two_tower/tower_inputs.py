"""Inputs of the towers: ids, features and pretrained tables of items and users, as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from recsys.atomic import read_json, write_json
from recsys.data.entities import EntityTable
from recsys.data.features.features import FeatureSet
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.errors import ArtifactError
from recsys.models.build import input_name
from recsys.names import check_name, stored_name

ID = "__id__"
"""The name of the id input; its values are rows of the id table, MISSING for ids without training interactions."""

IDS, HISTORY = "ids", "history"
"""Parts of a modality beside columns and tables: the learned id vectors, and the histories."""

_TABLE = "table_"


@dataclass(frozen=True, eq=False)
class TowerInputs:
    """Vocabularies and feature transforms fitted on train.

    Args:
        items: [I] item ids of the id table.
        users: [U] user ids of the id table.
        item_features: transforms of item columns.
        user_features: transforms of user columns.
        trained_items: bool [I], whether the item has a training interaction; the others are treated as unknown ids.
        trained_users: bool [U], the same of users.
        tables: input name -> the ids of the rows of a pretrained item table.
        has_timestamps: whether the times of histories are timestamps, and not just an order.
    """

    items: Vocabulary
    users: Vocabulary
    item_features: FeatureSet
    user_features: FeatureSet
    trained_items: NDArray[np.bool_]
    trained_users: NDArray[np.bool_]
    tables: dict[str, Vocabulary]
    has_timestamps: bool

    def item_values(self, items: EntityTable) -> dict[str, Tensor]:
        """Input name -> values [n, ...] of ``items``."""
        values = _tensors(self.item_features, items)
        values[ID] = _rows(self.items, self.trained_items, items)
        for name, vocabulary in self.tables.items():
            values[name] = torch.from_numpy(vocabulary.rows(items.vocabulary.ids))
        return values

    def user_values(self, users: EntityTable) -> dict[str, Tensor]:
        """Input name -> values [n, ...] of ``users``."""
        return _tensors(self.user_features, users) | {ID: _rows(self.users, self.trained_users, users)}

    def missing_item(self) -> dict[str, Tensor]:
        """Input name -> value [1, ...] of an item whose inputs are all missing."""
        return _missing(self.item_features) | {name: torch.tensor([MISSING]) for name in self.tables}

    def missing_user(self) -> dict[str, Tensor]:
        """Input name -> value [1, ...] of a user whose inputs are all missing."""
        return _missing(self.user_features)

    @property
    def table_names(self) -> list[str]:
        """The tables as the config names them."""
        return [name.removeprefix(_TABLE) for name in self.tables]

    @property
    def columns(self) -> list[str]:
        """The item and user columns that are inputs."""
        return list(dict.fromkeys(self._columns.values()))

    @property
    def parts(self) -> list[str]:
        """The tables and columns, which can be hidden as ids and histories can."""
        return [*self.table_names, *self.columns]

    def part(self, name: str) -> str:
        """The table or column that an input comes from, or ``ids``."""
        if name == ID:
            return IDS
        return name.removeprefix(_TABLE) if name in self.tables else self._columns[name]

    @property
    def _columns(self) -> dict[str, str]:
        """Input name -> the column as its table names it."""
        features = (*self.item_features.columns, *self.user_features.columns)
        return {input_name(column.name): column.name for column in features}

    def valid(self, items: EntityTable) -> NDArray[np.bool_]:
        """Bool [n]: whether each item has a training interaction, features or a pretrained vector."""
        if self.item_features.columns:
            return np.ones(len(items), bool)
        known: NDArray[np.bool_] = _rows(self.items, self.trained_items, items).numpy() != MISSING
        for vocabulary in self.tables.values():
            known |= vocabulary.rows(items.vocabulary.ids) != MISSING
        return known

    def save(self, directory: Path) -> None:
        self.items.save(directory / "items.parquet")
        self.users.save(directory / "users.parquet")
        features = {"items": self.item_features.to_dict(), "users": self.user_features.to_dict()}
        write_json(
            directory / "features.json",
            {**features, "tables": list(self.tables), "has_timestamps": self.has_timestamps},
        )
        for name, vocabulary in self.tables.items():
            check_name("tables", name.removeprefix(_TABLE))
            vocabulary.save(directory / f"{name}.parquet")
        trained = {"items": self.trained_items, "users": self.trained_users}
        save_file({name: mask.astype(np.uint8) for name, mask in trained.items()}, directory / "trained.safetensors")

    @classmethod
    def load(cls, directory: Path) -> TowerInputs:
        raw = read_json(directory / "features.json")
        tables = [_stored(directory / "features.json", name) for name in raw["tables"]]
        trained = load_file(directory / "trained.safetensors")
        return cls(
            Vocabulary.load(directory / "items.parquet"),
            Vocabulary.load(directory / "users.parquet"),
            FeatureSet.from_dict(raw["items"]),
            FeatureSet.from_dict(raw["users"]),
            trained["items"].astype(bool),
            trained["users"].astype(bool),
            {name: Vocabulary.load(directory / f"{name}.parquet") for name in tables},
            bool(raw["has_timestamps"]),
        )


def _stored(path: Path, name: object) -> str:
    """Checks the input name of a table that was read from ``path``, for it becomes part of a file path.

    Raises:
        ArtifactError: ``name`` is not the input name of a table.
    """
    if not isinstance(name, str) or not name.startswith(_TABLE):
        raise ArtifactError(f"{path} gives {name!r} as the name of a table; get it again")
    return _TABLE + stored_name(path, name.removeprefix(_TABLE))


def _tensors(features: FeatureSet, table: EntityTable) -> dict[str, Tensor]:
    return {input_name(name): torch.from_numpy(values) for name, values in features.transform(table).items()}


def _missing(features: FeatureSet) -> dict[str, Tensor]:
    nothing = EntityTable.bare(Vocabulary(np.zeros(1, np.int64)))
    return _tensors(features, nothing) | {ID: torch.tensor([MISSING])}


def _rows(vocabulary: Vocabulary, trained: NDArray[np.bool_], table: EntityTable) -> Tensor:
    rows = vocabulary.rows(table.vocabulary.ids)
    return torch.from_numpy(np.where((rows >= 0) & np.append(trained, False)[rows], rows, MISSING))


def marked(before: NDArray[np.bool_], rows: NDArray[np.integer], size: int) -> NDArray[np.bool_]:
    """Bool [size]: ``before``, lengthened by False, and True at ``rows``."""
    result = np.concatenate([before, np.zeros(size - len(before), bool)])
    result[rows] = True
    return result
