"""Similar items: find an item by id or title, and rank items by the cosine similarity of their vectors."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.embedding_table import rank_neighbours
from recsys.engine import VectorModel, Vectors
from recsys.errors import DataError
from recsys.tracking import one_line

_CLOSE = 3
"""So many close titles are named."""
_SQUARABLE = 1e15
"""Entries up to here have squares whose sum is finite in single precision."""


def find_item(items: EntityTable, text: str) -> int:
    """The first of `find_items`."""
    return find_items(items, text)[0]


def find_items(items: EntityTable, text: str) -> list[int]:
    """The rows of the items whose id is ``text``, else whose title is, else whose titles contain it.

    Titles are compared without regard to case. A blank text is a part of no title.

    Raises:
        DataError: no id or title matches.
    """
    shown, wanted = items.titles(), text.casefold()
    matches = (
        (row for row, key in enumerate(items.vocabulary.ids) if str(key) == text),
        (row for row, title in enumerate(shown) if title.casefold() == wanted),
        (row for row, title in enumerate(shown) if wanted.strip() and wanted in title.casefold()),
    )
    for found in matches:
        if rows := list(found):
            return rows
    raise DataError(f"no item has the id or title {text!r}; {_close(items, shown, wanted)}")


def _close(items: EntityTable, shown: list[str], wanted: str) -> str:
    """What to ask for instead: the items whose titles are closest to ``wanted``, or share a word with it, by id."""
    by_title = {title.casefold(): row for row, title in reversed(list(enumerate(shown)))}
    words = set(wanted.split())
    sharing = sorted(by_title, key=lambda title: -len(words & set(title.split())))
    close = [*get_close_matches(wanted, by_title, n=_CLOSE, cutoff=0.5), *sharing[:_CLOSE]]
    close = [title for title in dict.fromkeys(close) if title in close[:_CLOSE] and _alike(wanted, title, words)]
    keys = [one_line(str(key)) for key in items.vocabulary.ids]
    if not close:
        some = [keys[row] for row in range(min(_CLOSE, len(items)))]
        return f"ask by a part of the title or by the id, as {', '.join(some)}"
    rows = [by_title[title] for title in close]
    listed = [f"{one_line(shown[row])!r}" + (f" (id {keys[row]})" * (shown[row] != keys[row])) for row in rows]
    return f"did you mean {', '.join(listed)}? An item is asked for by its title, a part of it or its id"


def _alike(wanted: str, title: str, words: set[str]) -> bool:
    return bool(words & set(title.split())) or bool(get_close_matches(wanted, [title], cutoff=0.5))


def squarable(vectors: Vectors) -> Vectors:
    """The vectors, all divided by their largest entry where squares of entries would be infinite; cosines are the same.

    Example:
        >>> squarable(Vectors(np.float32([[1e30, 0], [0, 2e30]]))).dense.tolist()
        [[0.5, 0.0], [0.0, 1.0]]
    """
    parts = [part for part in (vectors.dense, vectors.sparse) if part is not None and 0 not in part.shape]
    largest = max((float(abs(part).max()) for part in parts), default=0.0)
    if not largest > _SQUARABLE:
        return vectors
    dense, sparse = (None if part is None else part / np.float32(largest) for part in (vectors.dense, vectors.sparse))
    return Vectors(dense, sparse, vectors.valid)


class Neighbours:
    """Cosine neighbours of the rows of a table, with all that does not depend on the row computed once.

    Products of dense parts are summed in double precision and alike for every row, so that equal vectors are equally
    similar and near ties have one order wherever they are asked for.

    Args:
        vectors: [n]; rows that are not valid are no neighbours.

    Attributes:
        vectors: as given.
        valid: bool [n], which rows have one.
        length: float64 [n], of the vectors.

    Example:
        >>> rows, similarity = Neighbours(Vectors(np.float32([[1, 0], [0, 1], [2, 0]]))).of(0, k=2)
        >>> rows.tolist(), similarity.tolist()
        ([2, 1], [1.0, 0.0])
    """

    def __init__(self, vectors: Vectors) -> None:
        self.valid = np.ones(len(vectors), bool) if vectors.valid is None else vectors.valid
        self.vectors, self._dense = vectors, vectors.dense
        self._sparse = None if vectors.sparse is None else sp.csr_array(vectors.sparse)
        squares = np.zeros(len(vectors))
        if self._dense is not None:
            squares += np.einsum("nd,nd->n", self._dense, self._dense, dtype=np.float64)
        if self._sparse is not None:
            squares += np.ravel(self._sparse.multiply(self._sparse).sum(axis=1))
        self.length = np.sqrt(squares)

    def has(self, row: int) -> bool:
        """Whether the item at ``row`` has a vector."""
        return bool(self.valid[row])

    def cosines(self, row: int) -> NDArray[np.float64]:
        """float64 [n]: the cosine similarity of each vector and the one at ``row``; 0 where a vector is zero."""
        product = np.zeros(len(self.length))
        if self._dense is not None:
            product += np.einsum("nd,d->n", self._dense, self._dense[row], dtype=np.float64)
        if self._sparse is not None:
            product += np.ravel((self._sparse @ self._sparse[[row]].T).toarray())
        cosines: NDArray[np.float64] = product / np.maximum(self.length * self.length[row], 1e-12)
        return cosines

    def of(self, row: int, k: int, among: NDArray[np.bool_] | None = None) -> tuple[Rows, NDArray[np.float64]]:
        """The ``k`` rows whose vectors have the highest cosine similarity with the vector at ``row``.

        Args:
            row: a valid row; never returned itself.
            k: the number of rows; fewer where fewer are valid.
            among: bool [n], the rows that may be returned; None is all of them.

        Returns:
            Rows int64 [k], highest similarity first and equal ones by row, and their similarities float64 [k].
        """
        similarity, met = self.cosines(row), self.valid.copy() if among is None else self.valid & among
        met[row] = False
        similarity[~met] = -np.inf
        best = rank_neighbours(similarity[None], np.array([row]), min(k, int(met.sum())))[0]
        return best, similarity[best]


class SimilarityModel(VectorModel, Protocol):
    """A model that can tell how alike items are: a fitted engine or a bundle."""

    def similarity_vectors(self, items: EntityTable) -> Vectors:
        """[I] vectors whose cosines are the similarities."""


def most_similar_to(
    query: NDArray[np.float32], vectors: NDArray[np.float32], k: int
) -> tuple[Rows, NDArray[np.float32]]:
    """The ``k`` rows of ``vectors`` [n, D] with the highest cosine similarity with ``query`` [D]; see `Neighbours`.

    Example:
        >>> most_similar_to(np.float32([1, 0]), np.float32([[0, 1], [2, 0]]), k=1)[0].tolist()
        [1]
    """
    table, own = squarable(Vectors(vectors)).dense, squarable(Vectors(query[None])).dense
    assert table is not None, "the vectors are dense"
    assert own is not None, "the vectors are dense"
    length = np.linalg.norm(table, axis=1) * np.linalg.norm(own)
    similarity = table @ own[0] / np.maximum(length, 1e-12)
    best = np.argsort(-similarity, kind="stable")[:k]
    return best, similarity[best]
