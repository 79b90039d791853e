"""User vectors that are kept between requests, because encoding a history takes most of the time of an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.engine import Vectors
from recsys.retrieval.recipients.asked import Id
from recsys.retrieval.retriever import EncodedUsers
from recsys.service.live_histories import LiveHistories
from recsys.service.questions import Lookup

_BYTES = 64 * 2**20

_Key = tuple[Id, int]
"""A user, and how often the history was extended."""
_Row = tuple[NDArray[np.float32], bool, bool]
"""A dense vector, whether it is valid, and whether the engine knows nothing of the user."""


class VectorCache:
    """Keeps the newest vector of each user, the oldest leave first; vectors with a sparse part are not kept.

    Args:
        most: bytes of the vectors.
    """

    def __init__(self, most: int = _BYTES) -> None:
        self._most, self._kept = most, dict[Id, tuple[int, _Row]]()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, keys: Sequence[_Key | None], encode: Callable[[Rows], EncodedUsers]) -> EncodedUsers:
        """The vectors of users by their keys.

        Args:
            keys: [U]; None is computed and not kept.
            encode: the vectors of the users at the given positions.
        """
        found = [self._row(key) for key in keys]
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

    def _row(self, key: _Key | None) -> _Row | None:
        """The vector of a user whose history is still what it was made from."""
        if key is None:
            return None
        changes, row = self._kept.get(key[0], (-1, None))
        return row if changes == key[1] else None

    def _keep(self, keys: Sequence[_Key | None], encoded: EncodedUsers) -> None:
        if encoded.vectors.dense is None or encoded.vectors.sparse is not None:
            return
        size = encoded.vectors.dense[:1].nbytes + 300
        for key, row in zip(keys, _rows(encoded), strict=True):
            if key is not None:
                self._kept.pop(key[0], None)  # so that it is the newest
                self._kept[key[0]] = key[1], row
        while len(self._kept) * size > self._most:
            del self._kept[next(iter(self._kept))]


def cache_key(each: Lookup, live: LiveHistories) -> _Key | None:
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
