"""The interface of embedders, which map the texts or images of a table's rows to vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar, runtime_checkable

from recsys.config import Config
from recsys.configurable import Configurable
from recsys.content.cache import BlockMap, cache_folder, in_turn
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ArtifactError
from recsys.tracking import SilentTracker, Tracker

T = TypeVar("T")


class EmbedderConfig(Config):
    """Options of every embedder.

    Args:
        columns: the columns that are embedded, in this order; if empty, every column of the embedder's kind.
    """

    columns: tuple[str, ...] = ()


C = TypeVar("C", bound=EmbedderConfig)


@dataclass(frozen=True, eq=False)
class EmbedderContext:
    """The inputs of `Embedder.fit` and `Embedder.embed` besides the table and the options.

    Args:
        cache: folder of decoded images and encoded rows, keyed by content; runs can share it.
        images: folder that relative image paths start from.
        seed: of every random stream.
        train: training interactions, by rows of the table given to ``fit``; for embedders trained on interactions.
        tracker: logs missing and broken content, and the progress.
        blocks: where images are decoded and pretrained networks encode, a block of rows at a time: in this process, in
            several (`recsys.content.processes.Processes`), or over a cluster.

    In another process, which computes blocks, a context reports nothing and works in turn.
    """

    cache: Path = field(default_factory=cache_folder)
    images: Path = Path()
    seed: int = 0
    train: Interactions | None = None
    tracker: Tracker = field(default_factory=SilentTracker)
    blocks: BlockMap = in_turn

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "tracker": SilentTracker(), "blocks": in_turn}


class Embedder(Configurable, Generic[C]):
    """Base of embedders: ``SentenceEmbedder(columns=["title"]).fit_transform(table)`` is an `EmbeddingTable`.

    The constructor reads no file and loads no weights. `context` is that of the last call of `fit` or `embed`, which
    calls without a context use too; at first it is ``EmbedderContext()``.

    A subclass defines `kind`, ``Config``, `fingerprint` and `_embed`, and, if it is trained (`Learner`), `_fit`,
    ``save`` and ``restore``.
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
        """A digest of the pretrained weights and of every option that changes a vector, without the seed."""
        raise NotImplementedError

    def fit(self, table: EntityTable, context: EmbedderContext | None = None) -> Self:
        """Trains on the texts or images of ``table``; has no effect unless the embedder is a `Learner`.

        Raises:
            ConfigError: ``columns`` do not fit the table, a package or model is missing, or there is too little
                to train on.
        """
        self.context = context or self.context
        self._fit(table)
        return self

    def embed(self, table: EntityTable, context: EmbedderContext | None = None) -> EmbeddingTable:
        """Vectors of the rows of ``table`` that have something to embed; the other rows are absent from the result.

        Raises:
            ConfigError: ``columns`` do not fit the table, or a package or model is missing.
            ArtifactError: it is a `Learner` and is not fitted.
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
        """Checks that `fit` or ``restore`` has set ``value``, and returns it.

        Raises:
            ArtifactError: it is None: neither was called.
        """
        if value is None:
            raise ArtifactError(f"this {type(self).__name__} is not fitted; call fit or restore first")
        return value


@runtime_checkable
class Learner(Protocol):
    """An embedder that is trained, on the catalogue or on interactions, before it embeds."""

    def fit(self, table: EntityTable, context: EmbedderContext | None = None) -> Self:
        """See `Embedder.fit`."""
        ...

    def save(self, directory: Path) -> None:
        """Writes what was trained, so that rows added later get vectors of the same space."""
        ...

    def restore(self, directory: Path) -> None:
        """Reads what `save` wrote; the options must be the same.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        ...


@runtime_checkable
class HasWordVectors(Protocol):
    """An embedder of texts that computes their vectors from word vectors."""

    def word_vectors(self) -> EmbeddingTable:
        """One vector for each word of the vocabulary, after `Learner.fit` or `Learner.restore`."""
        ...
