"""Nearest neighbours by content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recsys.atomic import write_json
from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind, split_tags
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.embedding_table import EmbeddingTable, unit_rows
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.storage import load_arrays, save_arrays
from recsys.errors import ArtifactError, ConfigError
from recsys.files.stored_json import read_object


class ContentKNNConfig(EngineConfig):
    """Options of the content vectors and of the user profile.

    Args:
        table: a pretrained item table; None takes ``columns``.
        columns: categorical and tags columns as one multi-hot vector; none takes all columns of these kinds.
        idf: weighs a tag by ``log(I / count)`` over the training items, so that rare tags count more.
        centred: subtracts the mean of the training items' vectors, a component that all vectors of a text model share;
            not done where the table has no training item.
        decay: weight of one step back in time when a user's history is summed; 1 ignores the order.
    """

    table: str | None = None
    columns: tuple[str, ...] = ()
    idf: bool = True
    centred: bool = False
    decay: float = Field(1.0, gt=0, le=1)

    def uses_tables(self) -> tuple[str, ...]:
        return () if self.table is None else (self.table,)


class ContentKNN(Engine):
    r"""Scores an item by the decayed sum of its cosines to the items of the history, by content alone.

    .. math:: u = \sum_j d^{\,n-j} v_j / |v_j|

    is the user's vector, scaled to length one, with the content vectors v of the n items of the history and decay d.
    Interactions only decide which items ``idf`` and ``centred`` are computed from, so an item without interactions is
    scored like any other. Use it as the baseline for cold items.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> ContentKNN(columns=["genre"]).fit(data).supports_cold_items
        True
    """

    kind = "content_knn"
    Config = ContentKNNConfig
    config: ContentKNNConfig
    supports_cold_items = True

    source: Vocabulary
    """Ids of the table, or the names of the tags."""
    weights: NDArray[np.float32]
    """[n, D]: the unit vectors of the table's ids, or [n]: the weight of each tag."""

    mean: NDArray[np.float32] = np.zeros(0, np.float32)
    separators: Mapping[str, str] = MappingProxyType({})
    _held: tuple[EntityTable, NDArray[np.float32], NDArray[np.bool_]] | None = None

    given_table: EmbeddingTable | None = None
    """The table, where it was given as such and not by name."""

    def __init__(self, config: EngineConfig | None = None, /, **options: object) -> None:
        table = options.get("table")
        if isinstance(table, EmbeddingTable):
            self.given_table, options["table"] = table, "table"
        super().__init__(config, **options)

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self._held = None
        trained = np.flatnonzero(train.item_counts(data.n_items))
        if self.config.table is not None:
            table = self.given_table or context.table(self.config.table, self.kind)
            self.source, self.weights = table.vocabulary, unit_rows(table.vectors)
        else:
            self.separators = self._separators(data.items)
            tags = self._tags(data.items.take(trained))
            names, counts = np.unique([tag for row in tags for tag in row], return_counts=True)
            self.source = Vocabulary(names.astype(object))
            rarity = np.log(max(len(trained), 2) / counts) if self.config.idf else np.ones(len(names))
            self.weights = np.maximum(rarity, 1e-6).astype(np.float32)
        self.mean = np.zeros(self._dim, np.float32)
        if self.config.centred:
            vectors, valid = self._vectors(data.items.take(trained))
            if valid.any():
                self.mean = vectors[valid].mean(0)

    def user_vectors(self, request: Request) -> Vectors:
        vectors, valid = self._catalogue(request.items)
        histories = request.histories.remap_items(np.where(valid, np.arange(len(valid)), MISSING))
        weights = self.config.decay ** histories.steps_ago().astype(np.float32)
        summed = histories.to_csr(len(valid), weights) @ vectors
        return Vectors(dense=unit_rows(summed.astype(np.float32)), valid=histories.lengths > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        vectors, valid = self._catalogue(items)
        return Vectors(dense=vectors, valid=valid)

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.config, self.source, {"weights": self.weights, "mean": self.mean})
        write_json(directory / "separators.json", dict(self.separators))

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, source, arrays = load_arrays(directory, ContentKNNConfig)
        engine = cls(config)
        engine.source, engine.weights, engine.mean = source, arrays["weights"], arrays["mean"]
        engine.separators = _read_separators(directory / "separators.json")
        return engine

    @property
    def _dim(self) -> int:
        return self.weights.shape[1] if self.weights.ndim == 2 else len(self.weights)

    def _catalogue(self, items: EntityTable) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """As `_vectors`, cached for the next block of users, which is scored against the same items."""
        if self._held is None or self._held[0] is not items:
            self._held = (items, *self._vectors(items))
        return self._held[1:]

    def _vectors(self, items: EntityTable) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Unit vectors [n, D] of ``items``, and whether each has content [n]."""
        if self.config.table is not None:
            rows = self.source.rows(items.vocabulary.ids)
            vectors = self.weights[np.maximum(rows, 0)]
        else:
            vectors = np.zeros((len(items), len(self.source)), np.float32)
            tags = self._tags(items)
            owner = np.repeat(np.arange(len(items)), [len(row) for row in tags])
            found = self.source.rows(np.array([tag for row in tags for tag in row], object))
            in_source = found >= 0
            vectors[owner[in_source], found[in_source]] = self.weights[found[in_source]]
            rows = np.where(vectors.any(1), 0, MISSING)
        if self.config.centred and len(self.mean):
            vectors = vectors - self.mean
        return np.where((rows >= 0)[:, None], unit_rows(vectors), 0).astype(np.float32), rows >= 0

    def _separators(self, items: EntityTable) -> dict[str, str]:
        """Column -> the separator of its tags; empty for a categorical column."""
        kinds = items.schema.columns
        names: Sequence[str] = self.config.columns or items.schema.names(Kind.CATEGORICAL, Kind.TAGS)
        wrong = [name for name in names if name not in kinds or kinds[name].kind not in (Kind.CATEGORICAL, Kind.TAGS)]
        if wrong or not names:
            raise ConfigError(
                f"content_knn needs a table, or categorical or tags columns of the items; {wrong or 'nothing'} "
                f"is none of {items.schema.names(Kind.CATEGORICAL, Kind.TAGS)}"
            )
        return {name: kinds[name].separator if kinds[name].kind is Kind.TAGS else "" for name in names}

    def _tags(self, items: EntityTable) -> list[list[str]]:
        """``column=tag`` of each item, each once."""
        found: list[list[str]] = [[] for _ in range(len(items))]
        for name, separator in self.separators.items():
            if name not in items.columns:
                continue
            cells = items.columns[name]
            for row in np.flatnonzero(cells.notna().to_numpy()):
                tags = split_tags(str(cells.iloc[row]), separator)
                found[row] += [f"{name}={tag}" for tag in dict.fromkeys(tags)]
        return found


def _read_separators(path: Path) -> dict[str, str]:
    """Column -> separator, as `ContentKNN.save` wrote them.

    Raises:
        ArtifactError: the file holds something else.
    """
    found = read_object(path)
    if not all(isinstance(separator, str) for separator in found.values()):
        raise ArtifactError(f"{path} holds separators that are no texts; train again")
    return found
