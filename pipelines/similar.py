"""similar: the items whose vectors point the way an item's does."""

from __future__ import annotations

from itertools import chain

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipelines.config import RunConfig
from pipelines.titles import titles
from pipelines.workspace import Workspace
from recsys.choices import nearest
from recsys.data.entities import EntityTable
from recsys.engine import Vectors
from recsys.errors import DataError
from recsys.registry.bundle import Bundle


def similar_items(config: RunConfig, workspace: Workspace, title: str, k: int, engine: str | None) -> str:
    """The item that ``title`` names and the ``k`` nearest to it by cosine, one a line.

    Raises:
        DataError: no item is called like that.
        ArtifactError: the engine has no bundle yet.
    """
    name = engine or config.candidate
    bundle = Bundle.load(workspace.bundle(name))
    items = workspace.load_dataset().items
    row = find_item(items, title)
    similarity = cosine_to(bundle.engine.item_vectors(items), row)
    similarity[row] = -np.inf
    best = np.argsort(-similarity, kind="stable")[: min(k, len(items) - 1)]
    shown = titles(items)
    lines = [f"nearest to {shown[row]} by {name}:"]
    return "\n".join(lines + [f"{similarity[other]:8.3f}  {shown[other]}" for other in best])


def find_item(items: EntityTable, text: str) -> int:
    """The row of the item whose title or id is ``text``, else the first whose title holds it."""
    shown, wanted = titles(items), text.casefold()
    matches = (
        (row for row, key in enumerate(items.vocabulary.ids) if str(key) == text),
        (row for row, title in enumerate(shown) if title.casefold() == wanted),
        (row for row, title in enumerate(shown) if wanted in title.casefold()),
    )
    for row in chain.from_iterable(matches):
        return row
    raise DataError(f"no item has the id or title {text!r}{nearest(text, shown)}")


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
