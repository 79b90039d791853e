"""Which items resemble an item: find it by id or title, and compare vectors by cosine."""

from __future__ import annotations

from itertools import chain

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.choices import did_you_mean
from recsys.data.entities import EntityTable
from recsys.engine import Vectors
from recsys.errors import DataError

_NAMES = ("title", "name", "item_name", "product_title")


def find_item(items: EntityTable, text: str) -> int:
    """The row of the item whose title or id is ``text``, else the first whose title holds it."""
    shown, wanted = items.titles(), text.casefold()
    matches = (
        (row for row, key in enumerate(items.vocabulary.ids) if str(key) == text),
        (row for row, title in enumerate(shown) if title.casefold() == wanted),
        (row for row, title in enumerate(shown) if wanted in title.casefold()),
    )
    for row in chain.from_iterable(matches):
        return row
    raise DataError(f"no item has the id or title {text!r}{did_you_mean(text, shown)}")


def cosine_to(vectors: Vectors, row: int) -> NDArray[np.float64]:
    """float64 [n]: the cosine of each vector with that at ``row``; 0 where a vector is zero."""
    product, squares = np.zeros(len(vectors)), np.zeros(len(vectors))
    for part in (vectors.dense, vectors.sparse):
        if part is not None:
            matrix = sp.csr_array(part)
            product += np.ravel((matrix @ matrix[[row]].T).toarray())
            squares += np.ravel(matrix.multiply(matrix).sum(axis=1))
    length = np.sqrt(squares)
    cosine: NDArray[np.float64] = product / np.maximum(length * length[row], 1e-12)
    return cosine
