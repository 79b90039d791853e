"""Intrinsic quality of embeddings: neighbours against tags, alignment with behaviour, uniformity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.embedding_table import EmbeddingTable, rank_neighbours, unit_rows
from recsys.seeding import stream

_BLOCK = 256
_MAX_TAGGED = 50_000
"""At most this many tagged items are ranked; a larger catalogue is sampled."""
_AGAINST_TAGS = tuple(
    f"{measure}{chance}" for measure in ("agreement", "recall_at_1", "r_precision") for chance in ("", "_chance")
)


@dataclass(frozen=True)
class EmbeddingQuality:
    """Result of `embedding_quality`; a value is None where the data has no item or pair to measure it on.

    Agreement, recall@1 and R-precision rank the other tagged items by cosine with each query item; ``_chance`` is the
    expected value for a random order.

    Args:
        agreement: mean Jaccard similarity of an item's tags and those of its ten nearest neighbours.
        agreement_chance: the same with a random other item.
        recall_at_1: share of items whose nearest neighbour has a tag in common with them.
        recall_at_1_chance: share of the other items that have a tag in common.
        r_precision: share of relevant items among the R nearest; the R other items with all of an item's tags are
            relevant.
        r_precision_chance: R divided by the number of other items.
        alignment: mean squared distance of the unit vectors of consecutive items of a user; lower is better.
        uniformity: log of the mean of exp(-2 d^2) over random pairs at distance d; lower is better, at least -4.
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
    r"""Intrinsic quality of ``table`` against tags and behaviour.

    Alignment :math:`E \lVert x - x^+ \rVert^2` and uniformity :math:`\log E e^{-2 \lVert x - y \rVert^2}` of unit
    vectors are those of Wang & Isola (2020), with consecutive items of a user as the positive pairs.

    Args:
        table: embeddings of some of ``items``.
        items: [I] the ids of the rows of ``tags`` and ``events``.
        tags: [I] the tags of each item; items without tags are left out of the tag measures.
        events: interactions in time order; take those that the table was not trained on.
        seed: of the random query items and pairs.
        neighbours: how many nearest neighbours ``agreement`` averages over.
        sample: largest number of query items; their neighbours are ranked among all tagged items.
    """
    rows = items.rows(table.vocabulary.ids)
    known = rows != MISSING
    unit = unit_rows(table.vectors[known])
    place = np.full(len(items), MISSING)
    place[rows[known]] = np.arange(known.sum())
    item_tags = [tags[row] for row in rows[known]]
    tagged = np.flatnonzero([len(row) > 0 for row in item_tags])
    if len(tagged) > _MAX_TAGGED:
        tagged = np.sort(stream(seed, "tagged items").choice(tagged, _MAX_TAGGED, replace=False))
    queries = np.arange(len(tagged))
    if len(queries) > sample:
        queries = np.sort(stream(seed, "asked items").choice(len(tagged), sample, replace=False))
    tag_measures = _against_tags(unit[tagged], _tag_matrix([item_tags[row] for row in tagged]), queries, neighbours)
    geometry = {"alignment": _alignment(unit, place, events), "uniformity": _uniformity(unit, seed)}
    return EmbeddingQuality(**dict(zip(_AGAINST_TAGS, tag_measures, strict=True)), **geometry)


def _tag_matrix(tags: Sequence[Sequence[str]]) -> sp.csr_array:
    """float32 [n, T], 1 where an item carries a tag."""
    names = {name: column for column, name in enumerate(sorted({tag for row in tags for tag in row}))}
    pairs = {(row, names[tag]) for row, own in enumerate(tags) for tag in own}
    row, column = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    return sp.csr_array((np.ones(len(row), np.float32), (row, column)), shape=(len(tags), len(names)))


def _against_tags(
    unit: NDArray[np.float32], carries: sp.csr_array, queries: Rows, neighbours: int
) -> Sequence[float | None]:
    """Agreement, recall@1 and R-precision of the rows ``queries``, each with its chance."""
    if len(unit) < 2:
        return [None] * 6
    size = min(_BLOCK, max(1, 2**22 // len(unit)))
    starts = range(0, len(queries), size)
    blocks = [_block(unit, carries, queries[start : start + size], neighbours) for start in starts]
    return [_mean(column) for column in np.concatenate(blocks, 1)]


def _block(unit: NDArray[np.float32], carries: sp.csr_array, queries: Rows, neighbours: int) -> NDArray[np.float64]:
    """float64 [6, b]: each measure of each query, before the mean.

    NaN where R-precision is undefined: no other item has all of the query's tags.
    """
    others = len(unit) - 1
    here = np.arange(len(queries))
    order = rank_neighbours(unit[queries] @ unit.T, queries, others)
    size = np.asarray(carries.sum(1)).ravel()
    common = (carries[queries] @ carries.T).toarray().astype(np.float64)
    jaccard = common / (size[queries][:, None] + size - common)
    has_all = common >= size[queries][:, None]
    for matrix in (common, jaccard, has_all):
        matrix[here, queries] = 0
    relevant = has_all.sum(1)
    hits = np.cumsum(np.take_along_axis(has_all, order, 1), 1)[here, np.maximum(relevant, 1) - 1]
    return np.stack(
        [
            np.take_along_axis(jaccard, order[:, :neighbours], 1).mean(1),
            jaccard.sum(1) / others,
            common[here, order[:, 0]] > 0,
            (common > 0).sum(1) / others,
            np.where(relevant > 0, hits / np.maximum(relevant, 1), np.nan),
            np.where(relevant > 0, relevant / others, np.nan),
        ]
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    """The mean of the values that are not NaN; None where there is none."""
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
