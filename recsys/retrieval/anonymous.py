"""Anonymous users: rows without features, under ids that no user of the dataset has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import numpy as np

from recsys.data.entities import EntityTable
from recsys.data.vocabulary import MISSING, Rows, Vocabulary


def with_anonymous(users: EntityTable, rows: Rows) -> EntityTable:
    """The users at ``rows``; each MISSING becomes an anonymous user, whose features are all missing.

    Args:
        users: the users of a dataset.
        rows: [U] distinct rows of ``users``, and MISSING any number of times.

    Returns:
        A table of U users. Anonymous users have ids that are not in ``users``, so an engine cannot take one for a
        user that it was trained on.

    Example:
        >>> users = EntityTable.bare(Vocabulary.of([3, 8]))
        >>> with_anonymous(users, np.array([MISSING, 1, MISSING])).vocabulary.ids.tolist()
        [-1, 8, -2]
    """
    known = rows != MISSING
    columns = users.columns.reindex(np.where(known, rows, len(users))).reset_index(drop=True)
    ids = np.empty(len(rows), users.vocabulary.ids.dtype)
    ids[known] = users.vocabulary.ids[rows[known]]
    ids[~known] = _unused_ids(users.vocabulary, int((~known).sum()))
    return EntityTable(Vocabulary(ids), columns, users.schema)


def _unused_ids(vocabulary: Vocabulary, n: int) -> list[object]:
    """``n`` ids that are not in ``vocabulary``, of the type of its ids.

    Integers count down from the lowest id of the vocabulary, or from 0, and go on from 2^63 - 1 after -2^63.
    """
    candidates: Iterator[object] = (f"\x00anonymous {number}" for number in count())
    if vocabulary.holds_integers:
        lowest = int(vocabulary.ids.min(initial=0))
        candidates = ((lowest - step + 2**63) % 2**64 - 2**63 for step in count(1))
    found: list[object] = []
    while len(found) < n:
        batch = list(islice(candidates, n - len(found)))
        found += [name for name, row in zip(batch, vocabulary.rows(batch), strict=True) if row == MISSING]
    return found
