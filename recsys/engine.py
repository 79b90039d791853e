"""The interface of engines: user vectors and item vectors whose inner product ranks the items for each user."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.configurable import Configurable, EngineConfig
from recsys.data.dataset import Dataset, check_dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError, check_kind
from recsys.fitted.options import TRIED, check_scores, explained, far_options
from recsys.tracking import ConsoleTracker, SilentTracker, Tracker


@dataclass(frozen=True, eq=False)
class Request:
    """A batch of users to compute vectors for, in evaluation, batch recommendation and serving alike.

    Args:
        users: [U] ids and features; the ids may be new to the engine.
        items: [I] items, whose rows ``histories`` holds.
        histories: of the U users, their interactions before ``at``.
        at: int64 [U], the time of the recommendation, as the histories' times; None: after the last of each history.
        also_seen: of the U users, items outside the histories that the seen filter masks too (`Dataset.non_likes`).

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> len(Request.from_dataset(BlockTaste(items=14).dataset(), np.array([0, 3])))
        2
    """

    users: EntityTable
    items: EntityTable
    histories: Histories
    at: NDArray[np.int64] | None = None
    also_seen: Histories | None = None

    @classmethod
    def from_dataset(cls, data: Dataset, users: NDArray[np.integer], history: Interactions | None = None) -> Request:
        """The users at distinct rows ``users`` [U], with their part of ``history`` (default: all interactions)."""
        histories = Histories.from_interactions(data.interactions if history is None else history, users)
        also_seen = data.also_seen(users, None if history is None else histories)
        return cls(data.users.take(users), data.items, histories, also_seen=also_seen)

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: NDArray[np.integer] | slice) -> Request:
        """The request of the users at ``rows``."""
        at = None if self.at is None else self.at[rows]
        also_seen = self.also_seen and self.also_seen.take(rows)
        return Request(self.users.take(rows), self.items, self.histories.take(rows), at, also_seen)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of n users or items; a score is the inner product of the dense parts plus that of the sparse parts.

    Args:
        dense: float32 [n, D].
        sparse: [n, S], a CSR matrix, or an array where most entries are non-zero (a linear item-item model's items).
        valid: bool [n], False where the engine has no vector for the row; None if all rows have one.

    Example:
        >>> users, items = Vectors(np.float32([[1, 2]])), Vectors(np.float32([[3, 0], [0, 1]]))
        >>> users.scores(items).tolist()
        [[3.0, 2.0]]
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

    def known(self) -> Vectors:
        """The valid ones."""
        return self if self.valid is None else self.take(np.flatnonzero(self.valid))

    def with_columns(self, columns: NDArray[np.float32]) -> Vectors:
        """The vectors with more dense components: ``columns`` [n, C], or one [n]."""
        dense = np.column_stack([columns] if self.dense is None else [self.dense, columns])
        return Vectors(dense, self.sparse, self.valid)

    def scores(self, items: Vectors) -> NDArray[np.float32]:
        """float32 [n, I]: the score of each of these n users for each of ``items``."""
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
class FitContext:
    """The inputs of a fit besides the options, the dataset and the training interactions.

    Args:
        seed: of every random stream of the engine.
        validation: the holdout for early stopping and for the weights of a hybrid; None trains all epochs.
        epochs: overrides the number of epochs; a refit uses the best number on validation.
        tables: pretrained item embeddings by name.
        directory: folder of checkpoints, from which a killed training resumes; None writes none.
        parts: fitted engines by name, for an ensemble.
        filter_seen: whether lists leave out seen items, which engines need not rank then; ``validation`` overrides it.
        tracker: logs metrics and progress.

    Example:
        >>> FitContext(seed=7).filter_seen
        True
    """

    seed: int = 0
    validation: Holdout | None = None
    epochs: int | None = None
    tables: Mapping[str, EmbeddingTable] = field(default_factory=dict)
    directory: Path | None = None
    parts: Mapping[str, Engine] = field(default_factory=dict)
    filter_seen: bool = True
    tracker: Tracker = field(default_factory=SilentTracker)

    def table(self, name: str, engine: str) -> EmbeddingTable:
        """The pretrained table ``name``, which the options of ``engine`` name.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.tables:
            known = ", ".join(sorted(self.tables)) or "none; add a [pretrain] section, or give the table itself"
            raise ConfigError(f"the engine {engine!r} needs the table {name!r}; pretrained tables: {known}")
        return self.tables[name]

    def __post_init__(self) -> None:
        if self.validation is not None:
            object.__setattr__(self, "filter_seen", self.validation.filter_seen)


class Engine(Configurable, ABC):
    """Base class of recommenders: user vectors and item vectors whose inner product ranks the items for each user.

    The constructor takes the options as keywords (``EASE(decay=0.9)``) or as a config (``ENGINES[kind](config)``).
    `fit` sets fitted attributes and leaves `config` as it is.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.popularity import Popularity
        >>> data = BlockTaste(items=14).dataset()
        >>> Popularity().fit(data).item_vectors(data.items).scores is not None
        True
    """

    Config: ClassVar[type[EngineConfig]]
    config: EngineConfig
    kind: ClassVar[str]
    """The name in `recsys.engines.ENGINES`, in TOML and in a bundle."""
    supports_cold_users: ClassVar[bool] = True
    """Whether a user who is not in train gets a vector, from the history or the features."""
    supports_cold_items: ClassVar[bool] = False
    """Whether an item without interactions gets a vector from its features."""
    epochs_: int | None = None
    """The best number of epochs on validation; None without early stopping."""
    curve_: Sequence[Mapping[str, float]] = ()
    """Loss and validation metric by epoch."""

    def fit(
        self,
        data: Dataset,
        train: Interactions | None = None,
        validation: Holdout | None = None,
        *,
        context: FitContext | None = None,
        seed: int | None = None,
        verbose: bool = False,
    ) -> Self:
        """Fits the engine to ``train``; the other interactions of ``data`` are not used.

        Args:
            data: users, items and their columns.
            train: the training interactions; by default all of ``data``.
            validation: the holdout for early stopping, for engines that train by epochs.
            context: the other inputs; ``validation``, ``seed`` and ``verbose`` override those in it.
            seed: of all random streams; by default that of ``context``, 0.
            verbose: prints progress.

        Returns:
            The engine itself.

        Raises:
            ConfigError: the options do not fit the data, take more memory than there is, or give scores that are not
                finite.
            DataError: the interactions are too few for the engine.
        """
        check_dataset(data)
        context = context or FitContext()
        context = context if validation is None else replace(context, validation=validation)
        tracker = ConsoleTracker() if verbose else context.tracker
        context = replace(context, seed=context.seed if seed is None else seed, tracker=tracker)
        train = data.interactions if train is None else train
        check_kind("train", train, Interactions, "give split.train, or nothing for all interactions of data")
        with explained(self.kind, self.config):
            self._fit(data, train, context)
        if any(far_options(self.config)) and len(train):
            request = Request.from_dataset(data, np.unique(train.user)[:TRIED], train)
            with np.errstate(all="ignore"):  # what overflows is told
                users = self.user_vectors(request).known()
                scores = users.scores(self.item_vectors(data.items.take(np.unique(train.item)[:TRIED])).known())
            check_scores(scores, self.kind, self.config, tracker)
        return self

    @abstractmethod
    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None: ...

    @abstractmethod
    def user_vectors(self, request: Request) -> Vectors:
        """[U] vectors of the users of ``request``."""

    @abstractmethod
    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        """[I] vectors of ``items``, which may be new to the engine.

        Args:
            items: ids and features. Rows that the engine has no vector for are not ``valid``.
            at: the time of the recommendation as in `Request`; item vectors of this library do not depend on it.
        """

    def similarity_vectors(self, items: EntityTable) -> Vectors:
        """[I] vectors whose cosines say how alike items are: those of the score without biases and popularity."""
        return self.item_vectors(items)

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Writes everything that `load` needs into ``directory``."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Reads the engine that `save` wrote.

        Raises:
            ArtifactError: a file is missing or damaged.
        """

    def ranks_seen_items(self) -> bool:
        """Whether lists may hold items of the history; not if the engine was trained to rank unseen items only."""
        return self.config.ranks_seen_items()

    def chosen_config(self) -> EngineConfig:
        """The options of a refit: `config` with the values selected on validation, such as the weights of a hybrid."""
        return self.config


class VectorModel(Protocol):
    """A model that can be ranked and evaluated: a fitted engine, a bundle or an engine with masked inputs."""

    @property
    def kind(self) -> str:
        """What reports call a model that is given no name, such as ``ease``."""

    def user_vectors(self, request: Request) -> Vectors:
        """[U] vectors of the users of ``request``."""

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        """[I] vectors of ``items``."""
