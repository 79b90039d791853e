"""The interface of embedders: from the texts or images of a table's rows to vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar, runtime_checkable

from recsys.config import Config
from recsys.configurable import Configurable
from recsys.content.cache import cache_folder
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ArtifactError
from recsys.tracking import SilentTracker, Tracker

T = TypeVar("T")


class EmbedderConfig(Config):
    """Options of every embedder.

    Args:
        columns: the columns that are embedded, in this order; none takes every column of the embedder's kind.
    """

    columns: tuple[str, ...] = ()


C = TypeVar("C", bound=EmbedderConfig)


@dataclass(frozen=True, eq=False)
class EmbedderContext:
    """What `Embedder.fit` and `Embedder.embed` use beside the table and the options.

    Args:
        cache: folder of decoded images and encoded rows, keyed by content; any number of runs share it.
        images: folder that relative image paths start from.
        seed: gives every random stream.
        train: training interactions, by rows of the table given to ``fit``; only embedders that learn from behaviour
            need them.
        tracker: logs missing and broken content, and the progress.
    """

    cache: Path = field(default_factory=cache_folder)
    images: Path = Path()
    seed: int = 0
    train: Interactions | None = None
    tracker: Tracker = field(default_factory=SilentTracker)


class Embedder(Configurable, Generic[C]):
    """Base of embedders: ``SentenceEmbedder(columns=["title"]).fit_transform(table)`` is an `EmbeddingTable`.

    Construction reads no file and loads no weights. `context` is the one of the last call of `fit` or `embed`; a call
    without a context goes on with it, at first with ``EmbedderContext()``.

    A subclass gives `kind`, ``Config``, `fingerprint` and `_embed`, and `_fit`, ``save`` and ``restore`` where it
    learns (see `Learner`).
    """

    config: C
    Config: ClassVar[type[Config]] = EmbedderConfig
    kind: ClassVar[str]
    """Its name in configurations and in `EMBEDDERS`."""
    learns: ClassVar[bool] = False
    """Whether it is a `Learner`."""

    def __init__(self, config: C | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.context = EmbedderContext()

    @property
    def fingerprint(self) -> str:
        """A digest of the pretrained weights and of every option that changes a vector; the seed is not in it."""
        raise NotImplementedError

    def fit(self, table: EntityTable, context: EmbedderContext | None = None) -> Self:
        """Learns from the texts or images of ``table``; without effect for an embedder that does not learn.

        Raises:
            ConfigError: ``columns`` do not fit the table, a package or model is not there, or nothing can be learnt.
        """
        self.context = context or self.context
        self._fit(table)
        return self

    def embed(self, table: EntityTable, context: EmbedderContext | None = None) -> EmbeddingTable:
        """Vectors of the rows of ``table`` that have something to embed; the other rows are absent from the result.

        Raises:
            ConfigError: ``columns`` do not fit the table, or a package or model is not there.
            ArtifactError: it is a `Learner` that has learnt nothing yet.
        """
        self.context = context or self.context
        return self._embed(table)

    def fit_transform(self, table: EntityTable, context: EmbedderContext | None = None) -> EmbeddingTable:
        """`fit` and then `embed` on one table."""
        return self.fit(table, context).embed(table)

    def _fit(self, table: EntityTable) -> None: ...

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        raise NotImplementedError

    def _fitted(self, value: T | None) -> T:
        """``value``, which `fit` or ``restore`` sets.

        Raises:
            ArtifactError: neither was called.
        """
        if value is None:
            raise ArtifactError(f"this {type(self).__name__} has learnt nothing yet; call fit or restore first")
        return value


@runtime_checkable
class Learner(Protocol):
    """An embedder that learns from the catalogue, or from behaviour, before it embeds."""

    def fit(self, table: EntityTable, context: EmbedderContext | None = None) -> Self:
        """See `Embedder.fit`."""
        ...

    def save(self, directory: Path) -> None:
        """Writes what was learnt, so that rows that come later are embedded alike."""
        ...

    def restore(self, directory: Path) -> None:
        """Reads what `save` wrote; the options must be the same.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        ...


@runtime_checkable
class HasWordVectors(Protocol):
    """An embedder whose texts are made of word vectors."""

    def word_vectors(self) -> EmbeddingTable:
        """A vector a known word, after `Learner.fit` or `Learner.restore`."""
        ...
