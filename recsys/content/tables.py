"""From vectors of rows to an `EmbeddingTable` of those rows that have content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.content.embedder import Embedder, EmbedderContext
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.embeddings import EmbeddingTable


def content_table(
    embedder: Embedder,
    context: EmbedderContext,
    table: EntityTable,
    present: NDArray[np.bool_],
    vectors: NDArray[np.float32],
    facts: Mapping[str, Any],
) -> EmbeddingTable:
    """The table of the rows at which ``present`` [n] holds.

    Args:
        embedder: who made the vectors.
        context: what it used.
        table: [n] rows.
        present: bool [n], whether a row has content.
        vectors: float32 [m, D] of the m present rows.
        facts: more for the provenance, beside embedder, fingerprint, columns, data and how many rows are missing.
    """
    provenance = {
        "embedder": embedder.kind,
        "fingerprint": embedder.fingerprint,
        "columns": list(context.columns),
        "data": table.fingerprint,
        "missing": int((~present).sum()),
        **facts,
    }
    return EmbeddingTable(Vocabulary(table.vocabulary.ids[present]), np.ascontiguousarray(vectors), provenance)


def present_rows(values: Sequence[object]) -> NDArray[np.bool_]:
    """Bool [n]: which of ``values`` is not None."""
    return np.fromiter((value is not None for value in values), bool, len(values))
