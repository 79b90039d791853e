"""How good a table of embeddings is by itself, before any model uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.embeddings import EmbeddingTable
from recsys.seeding import stream

_BLOCK = 256
_MANY = 50_000
"""Of a larger catalogue so many tagged items, drawn at random, are ranked."""
_AGAINST_TAGS = tuple(
    f"{measure}{chance}" for measure in ("agreement", "recall_at_1", "r_precision") for chance in ("", "_chance")
)


@dataclass(frozen=True)
class EmbeddingQuality:
    """What `embedding_quality` measures; None where there is nothing to measure it on.

    The three of tags rank the other tagged items by cosine; ``_chance`` is what a random order would come to.

    Args:
        agreement: mean Jaccard likeness of an item's tags and those of its ten nearest neighbours.
        agreement_chance: the same for any other item.
        recall_at_1: share of items whose nearest neighbour has a tag in common with them.
        recall_at_1_chance: the same for any other item.
        r_precision: of the R nearest of an item, R being how many items carry all of its tags, the share that do.
        r_precision_chance: R over the number of others.
        alignment: mean squared distance of two items that a user chose in a row, of unit vectors; less is better.
        uniformity: log of the mean of exp(-2 d^2) over random pairs; less is better, -4 is the limit.
    """

    agreement: float | None
    agreement_chance: float | None
    recall_at_1: float | None
    recall_at_1_chance: float | None
    r_precision: float | None
    r_precision_chance: float | None
    alignment: float | None
    uniformity: float | None


def embedding_quality(
    table: EmbeddingTable,
    items: Vocabulary,
    tags: Sequence[Sequence[str]],
    events: Interactions,
    seed: int = 0,
    neighbours: int = 10,
    sample: int = 2000,
) -> EmbeddingQuality:
    """Measures ``table`` against tags and behaviour (alignment and uniformity: Wang & Isola, 2020).

    Args:
        table: embeddings of some of ``items``.
        items: [I] the ids that ``tags`` and ``events`` name by row.
        tags: [I] what each item carries; items without tags are left out of the tag measures.
        events: what users chose, in order; what the table was not learnt from is the honest choice.
        seed: draws the items that are asked and the random pairs.
        neighbours: of each item.
        sample: at most so many items are asked for their neighbours, among all.
    """
    rows = items.rows(table.vocabulary.ids)
    kept = rows != MISSING
    unit = table.vectors[kept] / np.maximum(np.linalg.norm(table.vectors[kept], axis=1, keepdims=True), 1e-12)
    place = np.full(len(items), MISSING)
    place[rows[kept]] = np.arange(kept.sum())
    own = [tags[row] for row in rows[kept]]
    tagged = np.flatnonzero([len(row) > 0 for row in own])
    if len(tagged) > _MANY:
        tagged = np.sort(stream(seed, "tagged items").choice(tagged, _MANY, replace=False))
    asked = np.arange(len(tagged))
    if len(asked) > sample:
        asked = np.sort(stream(seed, "asked items").choice(len(tagged), sample, replace=False))
    likeness = _against_tags(unit[tagged], _held([own[row] for row in tagged]), asked, neighbours)
    geometry = {"alignment": _alignment(unit, place, events), "uniformity": _uniformity(unit, seed)}
    return EmbeddingQuality(**dict(zip(_AGAINST_TAGS, likeness, strict=True)), **geometry)


def _held(tags: Sequence[Sequence[str]]) -> sp.csr_array:
    """float32 [n, T], 1 where an item carries a tag."""
    names = {name: column for column, name in enumerate(sorted({tag for row in tags for tag in row}))}
    pairs = {(row, names[tag]) for row, own in enumerate(tags) for tag in own}
    row, column = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    return sp.csr_array((np.ones(len(row), np.float32), (row, column)), shape=(len(tags), len(names)))


def _against_tags(
    unit: NDArray[np.float32], held: sp.csr_array, asked: NDArray[np.int64], neighbours: int
) -> Sequence[float | None]:
    """Agreement, recall@1 and R-precision of the rows ``asked``, each with its chance."""
    if len(unit) < 2:
        return [None] * 6
    size = min(_BLOCK, max(1, 2**22 // len(unit)))
    blocks = [_block(unit, held, asked[start : start + size], neighbours) for start in range(0, len(asked), size)]
    return [_mean(column) for column in np.concatenate(blocks, 1)]


def _block(
    unit: NDArray[np.float32], held: sp.csr_array, asked: NDArray[np.int64], neighbours: int
) -> NDArray[np.float64]:
    """float64 [6, b], what `_against_tags` takes the mean of; an item whose tags nobody else has in full has no R."""
    others = len(unit) - 1
    here = np.arange(len(asked))
    similarity = unit[asked] @ unit.T
    similarity[here, asked] = -np.inf
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]
    size = np.asarray(held.sum(1)).ravel()
    common = (held[asked] @ held.T).toarray().astype(np.float64)
    likeness = common / (size[asked][:, None] + size - common)
    alike = common >= size[asked][:, None]
    for matrix in (common, likeness, alike):
        matrix[here, asked] = 0
    relevant = alike.sum(1)
    hits = np.cumsum(np.take_along_axis(alike, order, 1), 1)[here, np.maximum(relevant, 1) - 1]
    return np.stack(
        [
            np.take_along_axis(likeness, order[:, :neighbours], 1).mean(1),
            likeness.sum(1) / others,
            common[here, order[:, 0]] > 0,
            (common > 0).sum(1) / others,
            np.where(relevant > 0, hits / np.maximum(relevant, 1), np.nan),
            np.where(relevant > 0, relevant / others, np.nan),
        ]
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    """Of those that are there; None where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _alignment(unit: NDArray[np.float32], place: NDArray[np.int64], events: Interactions) -> float | None:
    same = np.asarray(events.user[1:] == events.user[:-1])
    left, right = place[events.item[:-1][same]], place[events.item[1:][same]]
    both = (left >= 0) & (right >= 0)
    if not both.any():
        return None
    counts = sp.coo_array((np.ones(both.sum()), (left[both], right[both])), shape=(len(unit), len(unit)))
    counts.sum_duplicates()
    distance = np.square(unit[counts.row] - unit[counts.col]).sum(1)
    return float((distance * counts.data).sum() / counts.data.sum())


def _uniformity(unit: NDArray[np.float32], seed: int) -> float | None:
    if len(unit) < 2:
        return None
    pairs = stream(seed, "random pairs").integers(0, len(unit), (2, 100_000))
    apart = pairs[:, pairs[0] != pairs[1]]
    distance = np.square(unit[apart[0]] - unit[apart[1]]).sum(1)
    return float(np.log(np.exp(-2 * distance).mean()))
