"""Inputs of the towers: ids, features and pretrained tables of items and users, as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from recsys.atomic import read_json, write_json
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.features import FeatureSet
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engines.two_tower.column_choice import chosen
from recsys.engines.two_tower.score_parts.popularity_prior import log_popularity
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
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
        item_counts: int64 [I], the item's training interactions; items without any are treated as unknown ids.
        trained_users: bool [U], the same of users.
        tables: input name -> the ids of the rows of a pretrained item table.
        has_timestamps: whether the times of histories are timestamps, and not just an order.
    """

    items: Vocabulary
    users: Vocabulary
    item_features: FeatureSet
    user_features: FeatureSet
    item_counts: NDArray[np.integer]
    trained_users: NDArray[np.bool_]
    tables: dict[str, Vocabulary]
    has_timestamps: bool

    @classmethod
    def fit(
        cls, data: Dataset, train: Interactions, options: TwoTowerConfig, tables: Mapping[str, EmbeddingTable]
    ) -> TowerInputs:
        """The inputs of a model of ``train``.

        Args:
            data: users, items and their columns.
            train: the training interactions; transforms are fitted on their items and users.
            options: ``features``, and which columns enter.
            tables: pretrained item tables by name.
        """
        features = options.features
        item_counts, trained_users = train.item_counts(data.n_items), train.user_counts(data.n_users) > 0
        return cls(
            data.items.vocabulary,
            data.users.vocabulary,
            FeatureSet.fit(chosen(data.items, "item", options), np.flatnonzero(item_counts), features),
            FeatureSet.fit(chosen(data.users, "user", options), np.flatnonzero(trained_users), features),
            item_counts,
            trained_users,
            {_TABLE + name: table.vocabulary for name, table in tables.items()},
            data.has_timestamps,
        )

    def grown(self, data: Dataset, train: Interactions, options: TwoTowerConfig) -> TowerInputs:
        """The inputs with the new items, users, columns and interactions of a fine-tuning.

        Args:
            data: users, items and columns, old and new.
            train: old and new interactions.
            options: which columns enter.
        """
        item_ids, user_ids = data.items.vocabulary.ids, data.users.vocabulary.ids
        items, users = self.items.extended(item_ids), self.users.extended(user_ids)
        return TowerInputs(
            items,
            users,
            self.item_features.grown(chosen(data.items, "item", options)),
            self.user_features.grown(chosen(data.users, "user", options)),
            counted(self.item_counts, items.rows(item_ids)[train.item], len(items)),
            counted(self.trained_users, users.rows(user_ids)[train.user], len(users)) > 0,
            self.tables,
            self.has_timestamps,
        )

    @property
    def trained_items(self) -> NDArray[np.bool_]:
        """Bool [I]: whether the item has a training interaction."""
        return np.asarray(self.item_counts > 0)

    def item_rows(self, items: EntityTable) -> NDArray[np.integer]:
        """The row of each of ``items`` in the id table; MISSING for those without training interactions."""
        rows: NDArray[np.integer] = _rows(self.items, self.trained_items, items).numpy()
        return rows

    def popularity(self, items: EntityTable) -> NDArray[np.float32]:
        """float32 [n]: `log_popularity` of ``items``; 0, the average, for those without training interactions."""
        found: NDArray[np.float32] = np.append(log_popularity(self.item_counts), np.float32(0))[self.item_rows(items)]
        return found

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
        known: NDArray[np.bool_] = self.item_rows(items) != MISSING
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
        trained: dict[str, NDArray[np.generic]] = {
            "items": self.item_counts.astype(np.int64),
            "users": self.trained_users.astype(np.uint8),
        }
        save_file(trained, directory / "trained.safetensors")

    @classmethod
    def load(cls, directory: Path) -> TowerInputs:
        raw = read_json(directory / "features.json")
        tables = [_stored(directory / "features.json", name) for name in raw["tables"]]
        trained = load_file(directory / "trained.safetensors")
        vocabularies = {side: Vocabulary.load(directory / f"{side}.parquet") for side in ("items", "users")}
        for side, vocabulary in vocabularies.items():
            if trained[side].shape != (len(vocabulary),):
                raise ArtifactError(
                    f"{directory / 'trained.safetensors'} counts {trained[side].shape} {side}, and the vocabulary has "
                    f"{len(vocabulary)}; train again"
                )
        return cls(
            vocabularies["items"],
            vocabularies["users"],
            FeatureSet.from_dict(raw["items"]),
            FeatureSet.from_dict(raw["users"]),
            trained["items"],
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


def counted(
    before: NDArray[np.integer] | NDArray[np.bool_], rows: NDArray[np.integer], size: int
) -> NDArray[np.integer]:
    """int64 [size]: how often each row occurs in ``rows``; rows that do not occur keep their count of ``before``.

    Example:
        >>> counted(np.array([4, 1]), np.array([1, 1, 2]), 3).tolist()
        [4, 2, 1]
    """
    counts = np.bincount(rows, minlength=size)
    return np.where(counts > 0, counts, np.concatenate([before, np.zeros(size - len(before), np.int64)]))
