"""Embedding tables: a vector for each id, the output of embedders and pretraining and the input of other engines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path, write_json
from recsys.data.vocabulary import Rows, Vocabulary
from recsys.errors import ArtifactError, DataError
from recsys.files.stored_json import read_object

Floats = NDArray[np.float32]

_SHOWN = 5
"""Rows and dimensions that a notebook shows of a table."""


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Vectors of the ids of a vocabulary, and their provenance.

    Args:
        vocabulary: [n] ids.
        vectors: float32 [n, D].
        provenance: how they were computed, and the fingerprint of the data; JSON values.

    Raises:
        DataError: the number of vectors is not that of the ids, or a value is not finite.

    Example:
        >>> table = EmbeddingTable(Vocabulary.of([7, 8, 9]), np.eye(3, dtype=np.float32), {"embedder": "by hand"})
        >>> table
        EmbeddingTable(3 ids, 3 dimensions, embedder='by hand')
        >>> table.to_frame([9, 7])
             0    1    2
        9  0.0  0.0  1.0
        7  1.0  0.0  0.0
    """

    vocabulary: Vocabulary
    vectors: Floats
    provenance: Mapping[str, object]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.vocabulary):
            raise DataError(f"{len(self.vocabulary)} ids need as many vectors, found shape {self.vectors.shape}")
        if not np.isfinite(self.vectors).all():
            row = int(np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))[0])
            raise DataError(f"the vector of id {self.vocabulary.ids[row]!r} holds a value that is not finite")

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        source = [f"{key}={self.provenance[key]!r}" for key in ("embedder", "engine") if key in self.provenance]
        return f"EmbeddingTable({', '.join([f'{len(self)} ids', f'{self.dim} dimensions', *source])})"

    def _repr_html_(self) -> str:
        """The first ids and dimensions, for a notebook."""
        shown = EmbeddingTable(
            Vocabulary(self.vocabulary.ids[:_SHOWN]), self.vectors[:_SHOWN, :_SHOWN], self.provenance
        )
        return f"<p>{escape(repr(self))}</p>{shown.to_frame().to_html(float_format='{:.3f}'.format)}"

    @property
    def dim(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    def to_frame(self, ids: Iterable[object] | None = None) -> pd.DataFrame:
        """The vectors as a frame with a row for each id and a column for each dimension.

        Args:
            ids: the rows of the frame, in this order; None: all.

        Raises:
            DataError: an id is not in the table.
        """
        if ids is None:
            return pd.DataFrame(self.vectors, index=pd.Index(self.vocabulary.ids))
        wanted = list(ids)
        rows = self.vocabulary.rows(np.array(wanted, self.vocabulary.ids.dtype))
        if (rows < 0).any():
            raise DataError(f"the table has no vector of the id {wanted[int(np.argmin(rows))]!r}")
        return pd.DataFrame(self.vectors[rows], index=pd.Index(wanted))

    def align(self, vocabulary: Vocabulary) -> tuple[Floats, NDArray[np.bool_]]:
        """Vectors [m, D] of the ids of ``vocabulary`` [m], zero for ids that the table lacks, and which it has [m]."""
        rows = self.vocabulary.rows(vocabulary.ids)
        present = rows >= 0
        aligned = np.zeros((len(vocabulary), self.dim), np.float32)
        aligned[present] = self.vectors[rows[present]]
        return aligned, present

    def neighbours(self, row: int, k: int) -> tuple[Rows, Floats]:
        """The ``k`` rows with the highest cosine to ``row``, itself left out, and their cosines; ties by lower row."""
        unit = unit_rows(self.vectors)
        cosine = unit @ unit[row]
        order = rank_neighbours(cosine[None], np.array([row]), k)[0]
        return order, cosine[order].astype(np.float32)

    def save(self, directory: Path) -> None:
        """Writes ids, vectors and provenance into ``directory``, atomically."""
        with atomic_path(directory) as beside:
            beside.mkdir()
            self.vocabulary.save(beside / "ids.parquet")
            save_file({"vectors": np.ascontiguousarray(self.vectors)}, beside / "vectors.safetensors")
            write_json(beside / "provenance.json", dict(self.provenance))

    @classmethod
    def load(cls, directory: Path) -> EmbeddingTable:
        """Reads the folder that `save` wrote.

        Raises:
            ArtifactError: a part is missing or damaged.
        """
        provenance = read_object(directory / "provenance.json")
        try:
            vectors = load_file(directory / "vectors.safetensors")["vectors"]
        except (OSError, KeyError, SafetensorError) as error:
            raise ArtifactError(f"{directory} does not hold an embedding table ({error})") from error
        return cls(Vocabulary.load(directory / "ids.parquet"), vectors, provenance)


def row_norms(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Euclidean norms [n, 1] of ``vectors`` [n, D], at least 1e-12, so that zero vectors can be divided by theirs."""
    norms: NDArray[np.floating] = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return norms


def unit_rows(vectors: Floats) -> Floats:
    r"""Rows of unit Euclidean norm, :math:`x / \max(\lVert x \rVert, 10^{-12})`; a zero row stays zero.

    Args:
        vectors: [n, D].

    Example:
        >>> unit_rows(np.array([[3, 4], [0, 0]], np.float32)).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    unit: Floats = vectors / row_norms(vectors)
    return unit


def rank_neighbours(similarity: NDArray[np.floating], rows: Rows, k: int) -> Rows:
    """int64 [b, min(k, n - 1)]: the most similar rows of each query, without itself; ties by lower row.

    Args:
        similarity: [b, n], of b queries with all n rows; a query's similarity with itself is overwritten.
        rows: [b], the row of each query.
        k: number of neighbours.

    Example:
        >>> rank_neighbours(np.array([[1.0, 0.2, 0.7]]), np.array([0]), 2).tolist()
        [[2, 1]]
    """
    similarity[np.arange(len(rows)), rows] = -np.inf
    order = np.argsort(-similarity, axis=1, kind="stable")
    return order[:, : min(k, similarity.shape[1] - 1)].astype(np.int64, copy=False)


@runtime_checkable
class Pretrainer(Protocol):
    """An engine whose item embeddings can be the input of other engines."""

    def item_table(self) -> EmbeddingTable:
        """The embeddings of the items that have training interactions."""
