"""What an engine is: something that gives users and items vectors whose inner product orders items for users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout
from recsys.embeddings import EmbeddingTable
from recsys.tracking import Tracker


@dataclass(frozen=True, eq=False)
class Request:
    """A batch of askers; the same value in evaluation, batch recommendation and service.

    Args:
        users: [U] ids (known to the engine or not) and features of those who ask.
        items: [I] the items that ``histories`` name by row.
        histories: of U users, what each did strictly before ``at``.
        at: int64 [U], the moment asked about; None is now.
    """

    users: EntityTable
    items: EntityTable
    histories: Histories
    at: NDArray[np.int64] | None = None

    @classmethod
    def from_dataset(cls, data: Dataset, users: NDArray[np.integer], history: Interactions | None = None) -> Request:
        """The users at distinct rows ``users`` [U], with their part of ``history`` (default: all interactions)."""
        seen = data.interactions if history is None else history
        return cls(data.users.take(users), data.items, Histories.from_interactions(seen, users))

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: NDArray[np.integer] | slice) -> Request:
        """The askers at ``rows``."""
        at = None if self.at is None else self.at[rows]
        return Request(self.users.take(rows), self.items, self.histories.take(rows), at)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of n users or items; the score of a user and an item is the sum of both inner products.

    Args:
        dense: float32 [n, D].
        sparse: [n, S], a CSR matrix, or an array where most entries are non-zero (a linear item-item model's items).
        valid: bool [n], False where the engine has no way to place the row; None when all are placed.
    """

    dense: NDArray[np.float32] | None = None
    sparse: sp.csr_array | NDArray[np.float32] | None = None
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        assert self.dense is not None or self.sparse is not None, "a vector has a dense part, a sparse part or both"

    def __len__(self) -> int:
        part = self.dense if self.dense is not None else self.sparse
        assert part is not None
        return int(part.shape[0])

    def take(self, rows: NDArray[np.integer] | slice) -> Vectors:
        return Vectors(
            None if self.dense is None else self.dense[rows],
            None if self.sparse is None else self.sparse[rows],
            None if self.valid is None else self.valid[rows],
        )

    def scores(self, items: Vectors) -> NDArray[np.float32]:
        """float32 [n, I]: the score of every item of ``items`` for every row of this."""
        result: NDArray[np.float32] | None = None
        if self.dense is not None and items.dense is not None:
            result = self.dense @ items.dense.T
        if self.sparse is not None and items.sparse is not None:
            product: Any = self.sparse @ items.sparse.T
            wide = product.toarray() if sp.issparse(product) else np.asarray(product)
            result = wide if result is None else np.add(result, wide, out=result)
        assert result is not None, "users and items must share a part"
        return result.astype(np.float32, copy=False)


@dataclass(frozen=True)
class Resources:
    """What an engine may use beside its config and its training interactions.

    Args:
        seed: gives every random stream of the engine.
        validation: chooses the epoch to stop at; None trains the full number of epochs.
        epochs: overrides the number of epochs (a refit uses what validation chose).
        tables: pretrained embeddings by name.
        directory: where an engine may keep checkpoints and resume from them; None keeps none.
        parts: fitted engines by name, for an engine that is made of others.
        filter_seen: whether lists leave out what a user's history holds: those of validation, of the report and of
            the batch. An engine may then learn to rank what is new alone. Where there is a ``validation``, as it says.
    """

    seed: int = 0
    validation: Holdout | None = None
    epochs: int | None = None
    tables: dict[str, EmbeddingTable] = field(default_factory=dict)
    directory: Path | None = None
    parts: Mapping[str, Engine] = field(default_factory=dict)
    filter_seen: bool = True

    def __post_init__(self) -> None:
        if self.validation is not None:
            object.__setattr__(self, "filter_seen", self.validation.filter_seen)


class Engine(Protocol):
    """Everything that recommends. Built as ``ENGINES[kind](config, resources)``."""

    kind: ClassVar[str]
    Config: ClassVar[type[Config]]
    supports_cold_users: ClassVar[bool]
    """Whether a user that training never saw is placed from the history or the features."""
    supports_cold_items: ClassVar[bool]
    """Whether an item without interactions is placed from its features."""
    config: Any
    """The options; a fit that chooses some on validation leaves what it chose here."""

    def __init__(self, config: Any, resources: Resources = ...) -> None: ...

    def fit(self, data: Dataset, train: Interactions, tracker: Tracker) -> None:
        """Learns from ``train`` alone; ``data`` gives the vocabularies and the features."""
        ...

    def user_vectors(self, request: Request) -> Vectors:
        """[U] vectors of those who ask."""
        ...

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        """[I] vectors of ``items``, items that training never saw included."""
        ...

    def save(self, directory: Path) -> None: ...

    @classmethod
    def load(cls, directory: Path) -> Self: ...


@runtime_checkable
class Pretrainer(Protocol):
    """An engine that leaves item embeddings for others to build on."""

    def item_table(self) -> EmbeddingTable: ...


@runtime_checkable
class EarlyStopped(Protocol):
    """An engine that chose its number of epochs on validation."""

    best_epoch: int | None
