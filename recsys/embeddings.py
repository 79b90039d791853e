"""Embedding tables: what every pretrainer leaves and every tower can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path, read_json, write_json
from recsys.data.vocabulary import Rows, Vocabulary
from recsys.errors import ArtifactError, DataError


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Vectors of the ids of a vocabulary, and where they come from.

    Args:
        vocabulary: [n] ids.
        vectors: float32 [n, D].
        provenance: how they were made and from which data fingerprint; JSON values.
    """

    vocabulary: Vocabulary
    vectors: NDArray[np.float32]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.vocabulary):
            raise DataError(f"{len(self.vocabulary)} ids need as many vectors, found shape {self.vectors.shape}")
        if not np.isfinite(self.vectors).all():
            row = int(np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))[0])
            raise DataError(f"the vector of id {self.vocabulary.ids[row]!r} holds a value that is not finite")

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    def align(self, vocabulary: Vocabulary) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Vectors [m, D] in the order of ``vocabulary`` [m], zero where absent, and whether each is present [m]."""
        rows = self.vocabulary.rows(vocabulary.ids)
        present = rows >= 0
        aligned = np.zeros((len(vocabulary), self.dim), np.float32)
        aligned[present] = self.vectors[rows[present]]
        return aligned, present

    def neighbours(self, row: int, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """The ``k`` rows nearest to ``row`` by cosine, itself left out, and their similarities; ties by lower row."""
        unit = self.vectors / np.maximum(np.linalg.norm(self.vectors, axis=1, keepdims=True), 1e-12)
        similarity = unit @ unit[row]
        similarity[row] = -np.inf
        order = np.argsort(-similarity, kind="stable")[: min(k, len(similarity) - 1)]
        return order.astype(np.int64), similarity[order].astype(np.float32)

    def save(self, directory: Path) -> None:
        with atomic_path(directory) as beside:
            beside.mkdir()
            self.vocabulary.save(beside / "ids.parquet")
            save_file({"vectors": np.ascontiguousarray(self.vectors)}, beside / "vectors.safetensors")
            write_json(beside / "provenance.json", dict(self.provenance))

    @classmethod
    def load(cls, directory: Path) -> EmbeddingTable:
        """What `save` wrote.

        Raises:
            ArtifactError: a part is missing or damaged.
        """
        provenance = read_json(directory / "provenance.json")
        try:
            vectors = load_file(directory / "vectors.safetensors")["vectors"]
        except (OSError, KeyError, SafetensorError) as error:
            raise ArtifactError(f"{directory} does not hold an embedding table ({error})") from error
        return cls(Vocabulary.load(directory / "ids.parquet"), vectors, provenance)
