"""User vectors that are kept between requests, because encoding a history takes most of the time of an answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.engine import Vectors
from recsys.retrieval.retriever import EncodedUsers
from recsys.service.live_histories import LiveHistories
from recsys.service.questions import Id, Lookup

_BYTES = 64 * 2**20

_Row = tuple[NDArray[np.float32], bool, bool]
"""A dense vector, whether it is valid, and whether the engine knows nothing of the user."""


class VectorCache:
    """Keeps the vectors of users by key, the oldest leave first; vectors with a sparse part are not kept.

    Args:
        most: bytes of the vectors.
    """

    def __init__(self, most: int = _BYTES) -> None:
        self._most, self._kept = most, dict[Hashable, _Row]()

    def get(self, keys: Sequence[Hashable | None], encode: Callable[[Rows], EncodedUsers]) -> EncodedUsers:
        """The vectors of users by their keys.

        Args:
            keys: [U]; None is computed and not kept.
            encode: the vectors of the users at the given positions.
        """
        found = [None if key is None else self._kept.get(key) for key in keys]
        new = np.array([position for position, row in enumerate(found) if row is None], np.int64)
        if len(new) == len(keys):
            encoded = encode(new)
            self._keep(keys, encoded)
            return encoded
        rows = {position: row for position, row in enumerate(found) if row is not None}
        if len(new):
            encoded = encode(new)
            self._keep([keys[position] for position in new], encoded)
            rows |= dict(zip(new.tolist(), _rows(encoded), strict=True))
        vectors, valid, unknown = zip(*(rows[position] for position in range(len(keys))), strict=True)
        return EncodedUsers(Vectors(np.stack(vectors), valid=np.array(valid)), np.array(unknown))

    def _keep(self, keys: Sequence[Hashable | None], encoded: EncodedUsers) -> None:
        if encoded.vectors.dense is None or encoded.vectors.sparse is not None:
            return
        size = encoded.vectors.dense[:1].nbytes + 300
        for key, row in zip(keys, _rows(encoded), strict=True):
            if key is not None:
                self._kept[key] = row
        while len(self._kept) * size > self._most:
            del self._kept[next(iter(self._kept))]


def cache_key(each: Lookup, live: LiveHistories) -> tuple[Id, int] | None:
    """What the vector of a user depends on besides the model; None where the question says more than an id."""
    question = each.question
    if question.user_id is None or each.history is not None or each.attributes is not None or question.at is not None:
        return None
    return question.user_id, live.changes(question.user_id)


def _rows(encoded: EncodedUsers) -> list[_Row]:
    dense = encoded.vectors.dense
    assert dense is not None, "only dense vectors are kept"
    valid = np.ones(len(dense), bool) if encoded.vectors.valid is None else encoded.vectors.valid
    return [(row.copy(), *flags) for row, *flags in zip(dense, valid.tolist(), encoded.unknown.tolist(), strict=True)]
