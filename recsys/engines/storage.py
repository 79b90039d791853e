"""Files of the engines without a network (config, vocabulary, arrays), and their vectors of items and histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path, read_json, write_json
from recsys.config import parse
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Request, Vectors
from recsys.errors import ArtifactError
from recsys.files.stored_csr import checked_csr

M = TypeVar("M", bound=BaseModel)
Arrays = Mapping[str, NDArray[Any]]


def save_arrays(directory: Path, config: BaseModel, items: Vocabulary, arrays: Arrays) -> None:
    """``config.json``, ``items.parquet`` and ``arrays.safetensors``."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "config.json", config.model_dump(mode="json"))
    items.save(directory / "items.parquet")
    with atomic_path(directory / "arrays.safetensors") as beside:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, beside)


def load_arrays(
    directory: Path, model: type[M], by_item: tuple[str, ...] = ()
) -> tuple[M, Vocabulary, dict[str, NDArray[Any]]]:
    """Config, vocabulary and arrays as `save_arrays` wrote them.

    Args:
        directory: of the engine.
        model: of the config.
        by_item: names of the arrays that have a row for each id of the vocabulary.

    Raises:
        ArtifactError: a part is missing or damaged, or an array of ``by_item`` has another number of rows.
    """
    config = parse(model, read_json(directory / "config.json"), str(directory / "config.json"))
    try:
        arrays = load_file(directory / "arrays.safetensors")
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{directory} does not hold an engine ({error})") from error
    items = Vocabulary.load(directory / "items.parquet")
    for name in by_item:
        if name not in arrays or arrays[name].shape[:1] != (len(items),):
            found = arrays[name].shape if name in arrays else "missing"
            raise ArtifactError(f"{directory}: the array {name!r} is {found}, and there are {len(items)} ids")
    return config, items, arrays


def csr_parts(matrix: sp.csr_array) -> dict[str, NDArray[Any]]:
    """A CSR matrix as arrays; `csr_from` reads them back."""
    return {
        "data": matrix.data,
        "indices": matrix.indices.astype(np.int32),
        "indptr": matrix.indptr.astype(np.int64),
        "shape": np.array(matrix.shape, np.int64),
    }


def csr_from(arrays: Arrays, size: int) -> sp.csr_array:
    """The square CSR matrix [size, size] of the arrays that `csr_parts` gave.

    Raises:
        ArtifactError: the indices are not those of such a matrix; products would read outside of its memory.
    """
    return checked_csr(arrays, (size, size))


def decayed_history(
    request: Request, items: Vocabulary, counts: NDArray[Any], decay: float, weighted: bool = False
) -> sp.csr_array:
    """float32 [U, I]: each user's items with the weight ``decay ** steps_ago``, in the columns of ``items``.

    Items that training never saw (not in ``items``, or with a count of 0 in ``counts`` [I]) are left out, but count as
    steps.

    Args:
        request: the users.
        items: the columns.
        counts: [I], the interactions of each in training.
        decay: of one step back in time.
        weighted: whether the weight is also that of the interaction, divided by the mean of the user's.
    """
    weights = decay ** request.histories.steps_ago().astype(np.float32)
    if weighted:
        histories = request.histories
        sums = np.bincount(histories.users(), histories.weights, len(histories))
        means = sums / np.maximum(histories.lengths, 1)
        weights = weights * (histories.weights / means[histories.users()]).astype(np.float32)
    known = replace(request.histories, weights=weights).remap_items(known_rows(request.items, items, counts))
    return known.to_csr(len(items), known.weights)


def history_vectors(request: Request, items: Vocabulary, counts: NDArray[Any], decay: float, weighted: bool) -> Vectors:
    """[U] users as rows of the user-item matrix: `decayed_history`, with `with_negatives`; valid with a history."""
    history = decayed_history(request, items, counts, decay, weighted)
    return Vectors(sparse=with_negatives(history, request, items, counts), valid=np.diff(history.indptr) > 0)


def with_negatives(history: sp.csr_array, request: Request, items: Vocabulary, counts: NDArray[Any]) -> sp.csr_array:
    """``history`` [U, I] minus 1 at the items that a user with a history has as negatives."""
    negatives = request.also_seen
    if negatives is None or not (negatives.weights > 0).any():
        return history
    has_history = np.diff(history.indptr) > 0
    kept = negatives.where((negatives.weights > 0) & has_history[negatives.users()])
    return sp.csr_array(history - kept.remap_items(known_rows(request.items, items, counts)).to_csr(len(items)))


def known_rows(items: EntityTable, vocabulary: Vocabulary, counts: NDArray[Any]) -> NDArray[np.int64]:
    """int64 [n]: the row of each of ``items`` in ``vocabulary``; MISSING also where training had no interaction."""
    rows = vocabulary.rows(items.vocabulary.ids)
    return np.where((rows >= 0) & (np.append(counts, 0)[rows] > 0), rows, -1)


def dense_vectors(
    items: EntityTable, vocabulary: Vocabulary, counts: NDArray[Any], factors: NDArray[np.float32]
) -> Vectors:
    """The rows of ``factors`` [I, D] that belong to ``items``; items that training never saw have no vector.

    Args:
        items: [n], in any order.
        vocabulary: [I], the ids of the rows of ``factors``.
        counts: [I], above zero where training had an interaction of the item.
        factors: float32 [I, D].
    """
    rows = known_rows(items, vocabulary, counts)
    valid = rows >= 0
    dense = np.zeros((len(rows), factors.shape[1]), np.float32)
    dense[valid] = factors[rows[valid]]
    return Vectors(dense=dense, valid=valid)


def seen_table(
    kind: str, config: BaseModel, items: Vocabulary, seen: NDArray[np.bool_], vectors: NDArray[np.float32]
) -> EmbeddingTable:
    """The embedding table of the items ``seen`` [I] in training: their rows of ``vectors`` [I, D], and provenance."""
    provenance = {"engine": kind, "config": config.model_dump(mode="json")}
    return EmbeddingTable(Vocabulary(items.ids[seen]), vectors[seen], provenance)
