"""What an embedder is: something that gives the rows of a table vectors made from their texts or images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from recsys.config import Config
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.embeddings import EmbeddingTable
from recsys.tracking import SilentTracker, Tracker


@dataclass(frozen=True)
class EmbedderContext:
    """What an embedder may use beside its config.

    Args:
        cache: folder that keeps what was decoded and encoded, by content; any number of runs share it.
        columns: what is embedded; empty takes every column of the embedder's kind.
        images: folder that relative image paths start from.
        seed: gives every random stream.
        train: what users chose, in the rows of the table that `Learner.fit` sees; None where behaviour is not used.
        tracker: hears what was missing or broken, and how far the work is.
    """

    cache: Path
    columns: tuple[str, ...] = ()
    images: Path = Path()
    seed: int = 0
    train: Interactions | None = None
    tracker: Tracker = field(default_factory=SilentTracker)


def short_digest(facts: str) -> str:
    """The 16 hex digits that stand for ``facts`` in a fingerprint."""
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


class Embedder(Protocol):
    """Built as ``EMBEDDERS[kind](config, materials)``."""

    kind: ClassVar[str]
    Config: ClassVar[type[Config]]
    learns: ClassVar[bool]
    """Whether it is also a `Learner`."""

    def __init__(self, config: Any, context: EmbedderContext) -> None: ...

    @property
    def fingerprint(self) -> str:
        """A digest of the pretrained weights and of every option that changes a vector."""
        ...

    def embed(self, table: EntityTable) -> EmbeddingTable:
        """Vectors of the rows that have something to embed; rows without are absent from the result."""
        ...


@runtime_checkable
class Learner(Protocol):
    """An embedder that learns from the catalogue, or from behaviour, before it embeds."""

    def fit(self, table: EntityTable) -> None:
        """Learns from the texts or images of ``table``."""
        ...

    def save(self, directory: Path) -> None:
        """Keeps what was learnt, so that rows that come later are embedded alike."""
        ...

    def restore(self, directory: Path) -> None:
        """Takes back what `save` kept."""
        ...


@runtime_checkable
class HasWordVectors(Protocol):
    """An embedder whose texts are made of word vectors."""

    def word_vectors(self) -> EmbeddingTable:
        """A vector a known word, after `Learner.fit` or `Learner.restore`."""
        ...
