"""Tables of texts, and embedding tables of the rows that have content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.content.embedder import C, Embedder
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable, Floats


def text_table(**columns: Sequence[str | None]) -> EntityTable:
    """A table of texts with ids 0 to n - 1, for texts that are not in a dataset.

    Args:
        **columns: name -> the text of each row, or None.

    Example:
        >>> text_table(title=["Alien", "Heat"], plot=["A ship in space.", None]).columns["title"].tolist()
        ['Alien', 'Heat']
    """
    frame = pd.DataFrame(columns, dtype="str")
    return EntityTable(Vocabulary(np.arange(len(frame))), frame, Schema.of(dict.fromkeys(columns, "text")))


def content_table(
    embedder: Embedder[C],
    table: EntityTable,
    present: NDArray[np.bool_],
    vectors: Floats,
    provenance: Mapping[str, object],
) -> EmbeddingTable:
    """The `EmbeddingTable` of the rows that have content.

    Args:
        embedder: the embedder of the vectors.
        table: [n] rows.
        present: bool [n], whether a row has content.
        vectors: float32 [m, D] of the m present rows.
        provenance: added to embedder, fingerprint, columns, seed, data and the number of missing rows.
    """
    common = {
        "embedder": embedder.kind,
        "fingerprint": embedder.fingerprint,
        "columns": list(embedder.config.columns),
        "seed": embedder.context.seed,
        "data": table.fingerprint,
        "missing": int((~present).sum()),
    }
    ids = Vocabulary(table.vocabulary.ids[present])
    return EmbeddingTable(ids, np.ascontiguousarray(vectors), {**common, **provenance})


def inherited(base: EmbeddingTable) -> dict[str, object]:
    """The provenance of a table computed from ``base``: the entries of ``base``, and all of them under ``base``.

    Example:
        >>> from recsys.content import HashingEmbedder
        >>> table = HashingEmbedder(dim=8).fit_transform(text_table(title=["Alien"]))
        >>> sorted(inherited(table)), inherited(table)["base"]["embedder"]
        (['base', 'columns', 'data', 'missing', 'seed'], 'hashing')
    """
    own = {key: value for key, value in base.provenance.items() if key not in ("embedder", "fingerprint")}
    return {**own, "base": base.provenance}


def present_rows(values: Sequence[object]) -> NDArray[np.bool_]:
    """Bool [n]: which of ``values`` is not None."""
    return np.fromiter((value is not None for value in values), bool, len(values))
