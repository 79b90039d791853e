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


@dataclass(frozen=True)
class EmbeddingQuality:
    """What `embedding_quality` measures.

    Args:
        agreement: mean Jaccard likeness of an item's tags and those of its ten nearest neighbours.
        chance: the same for ten random items.
        recall_at_1: share of items whose nearest neighbour has a tag in common with them.
        r_precision: of the R nearest of an item, R being how many items carry all of its tags, the share that do.
        alignment: mean squared distance of two items that a user chose in a row, of unit vectors; less is better.
        uniformity: log of the mean of exp(-2 d^2) over random pairs; less is better, -4 is the limit.
    """

    agreement: float
    chance: float
    recall_at_1: float
    r_precision: float
    alignment: float
    uniformity: float


def embedding_quality(
    table: EmbeddingTable,
    items: Vocabulary,
    tags: Sequence[Sequence[str]],
    train: Interactions,
    seed: int = 0,
    neighbours: int = 10,
) -> EmbeddingQuality:
    """Measures ``table`` against tags and behaviour (alignment and uniformity: Wang & Isola, 2020).

    Args:
        table: embeddings of some of ``items``.
        items: [I] the ids that ``tags`` and ``train`` name by row.
        tags: [I] what each item carries; items without tags are left out of the tag measures.
        train: what users chose, in order.
        seed: draws random pairs.
        neighbours: of each item.
    """
    rows = items.rows(table.vocabulary.ids)
    kept = rows != MISSING
    unit = table.vectors[kept] / np.maximum(np.linalg.norm(table.vectors[kept], axis=1, keepdims=True), 1e-12)
    place = np.full(len(items), MISSING)
    place[rows[kept]] = np.arange(kept.sum())
    tagged = np.flatnonzero([len(tags[row]) > 0 for row in rows[kept]])
    held = _held([tags[row] for row in rows[kept][tagged]])
    nearest = _nearest(unit[tagged])
    drawn = stream(seed, "random neighbours").integers(0, max(len(tagged), 1), (len(tagged), neighbours))
    agreement = _jaccard(held, nearest[:, :neighbours])
    return EmbeddingQuality(
        float(agreement.mean()),
        float(_jaccard(held, drawn).mean()),
        float((agreement[:, 0] > 0).mean()),
        _r_precision(held, nearest),
        _alignment(unit, place, train),
        _uniformity(unit, seed),
    )


def _held(tags: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """[n, T], 1 where an item carries a tag."""
    names = {name: column for column, name in enumerate(sorted({tag for row in tags for tag in row}))}
    held = np.zeros((len(tags), len(names)), np.float32)
    for row, own in enumerate(tags):
        held[row, [names[tag] for tag in own]] = 1
    return held


def _nearest(unit: NDArray[np.float32]) -> NDArray[np.int64]:
    """[n, n - 1]: all others, nearest first; ties by lower row."""
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :-1]


def _jaccard(held: NDArray[np.float32], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """[n, k]: tags in common over tags of either."""
    common = np.stack([(held * held[others[:, step]]).sum(1) for step in range(others.shape[1])], 1)
    size = held.sum(1)
    return np.asarray(common / (size[:, None] + size[others] - common), np.float64)


def _r_precision(held: NDArray[np.float32], nearest: NDArray[np.int64]) -> float:
    """Items whose tags nobody else has in full are left out."""
    common = held @ held.T
    alike = common >= held.sum(1)[:, None]
    np.fill_diagonal(alike, False)
    relevant = alike.sum(1)
    asked = np.flatnonzero(relevant)
    hits = [alike[row, nearest[row, : relevant[row]]].mean() for row in asked]
    return float(np.mean(hits)) if len(asked) else 0.0


def _alignment(unit: NDArray[np.float32], place: NDArray[np.int64], train: Interactions) -> float:
    same = np.asarray(train.user[1:] == train.user[:-1])
    left, right = place[train.item[:-1][same]], place[train.item[1:][same]]
    both = (left >= 0) & (right >= 0)
    counts = sp.coo_array((np.ones(both.sum()), (left[both], right[both])), shape=(len(unit), len(unit)))
    counts.sum_duplicates()
    distance = np.square(unit[counts.row] - unit[counts.col]).sum(1)
    return float((distance * counts.data).sum() / max(counts.data.sum(), 1))


def _uniformity(unit: NDArray[np.float32], seed: int) -> float:
    pairs = stream(seed, "random pairs").integers(0, len(unit), (2, 100_000))
    apart = pairs[:, pairs[0] != pairs[1]]
    distance = np.square(unit[apart[0]] - unit[apart[1]]).sum(1)
    return float(np.log(np.exp(-2 * distance).mean()))
