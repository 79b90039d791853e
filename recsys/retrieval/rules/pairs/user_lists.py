"""Lists of items for single users, as pairs of user and item: who may get what, and who must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BeforeValidator

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Ids, Rows, Vocabulary, ranges
from recsys.retrieval.rules.id_lists import ids_in_type, read_pair_file, typed_rows

_Pairs = tuple[tuple[int | str, int | str], ...]


def _as_pairs(given: object) -> object:
    if not isinstance(given, pd.DataFrame):
        return given
    if missing := [name for name in ("user_id", "item_id") if name not in given]:
        raise ValueError(f"the frame lacks the column {missing[0]!r}; it has: {', '.join(map(str, given.columns))}")
    return tuple(zip(given["user_id"].tolist(), given["item_id"].tolist(), strict=True))


PairList = Annotated[Path | _Pairs, BeforeValidator(_as_pairs)]
"""Pairs of user and item: a CSV or Parquet file or a DataFrame with ``user_id`` and ``item_id``, or pairs of ids."""


@dataclass(frozen=True, eq=False)
class UserLists:
    """Items of single users, found by the user's id, so that users whom the data does not have may be named.

    Args:
        users: [N] the users who have a list, maybe an empty one.
        lists: [N] item rows, each ascending.
        told: what was passed over, one line each.
    """

    users: Vocabulary
    lists: Histories
    told: tuple[str, ...]

    @classmethod
    def of(cls, data: Dataset, pairs: Path | _Pairs, rule: str) -> UserLists:
        """The lists that ``pairs`` hold; items that are not in the data are passed over and counted.

        Args:
            data: the users and items.
            pairs: see `PairList`.
            rule: the key that names them, for messages.

        Raises:
            DataError: the file cannot be read or lacks a column, or an id is of another type than those of the data.

        Example:
            >>> from recsys.data.synthetic.worlds import BlockTaste
            >>> data = BlockTaste(users=30).dataset()
            >>> lists = UserLists.of(data, (("u001", 102), ("u001", 101), ("u002", 9999)), "recommend.rules.exclusions")
            >>> lists.rows_of(["u001", "u000"]).lengths.tolist(), lists.told
            ([2, 0], ('1 id is not in the data and passed over, of recommend.rules.exclusions: 9999',))
        """
        is_file, sides = isinstance(pairs, Path), (data.users.vocabulary, data.items.vocabulary)
        given: list[list[int | str]] = [[], []]
        for side, ids in enumerate(
            read_pair_file(pairs, rule) if isinstance(pairs, Path) else zip(*pairs, strict=True)
        ):
            given[side] += ids
        users, keys = (ids_in_type(side, ids, is_file, rule) for side, ids in zip(sides, given, strict=True))
        items = typed_rows(data.items.vocabulary, keys, rule)
        integers = data.users.vocabulary.holds_integers
        fitting = np.array([isinstance(key, int) == integers for key in users], bool)
        known = [key for key, fits in zip(users, fitting, strict=True) if fits]
        vocabulary = Vocabulary.of(known) if known else Vocabulary(data.users.vocabulary.ids[:0])
        rows = items.rows[fitting]
        owner = vocabulary.rows(known) if known else np.zeros(0, np.int64)
        unique = np.unique(np.stack([owner, rows], 1)[rows != MISSING], axis=0)
        lengths = np.bincount(unique[:, 0], minlength=len(vocabulary))
        return cls(vocabulary, _ragged(lengths, unique[:, 1]), items.told)

    def named(self, ids: Ids | Sequence[int | str]) -> Rows:
        """int64 [U]: the row of each user among those who have a list; MISSING of the others."""
        if len({isinstance(key, str) for key in ids}) > 1:  # ids beside names of anonymous users
            return np.array([self.users.row(key) for key in ids], np.int64)
        return self.users.rows(ids)

    def rows_of(self, ids: Ids | Sequence[int | str]) -> Histories:
        """[U] the item rows of each of the users ``ids``; empty for those who have no list."""
        return taken(self.lists, self.named(ids))


def taken(lists: Histories, rows: Rows) -> Histories:
    """The lists at ``rows``; an empty one for each MISSING."""
    start = np.append(lists.offsets[:-1], 0)[rows]
    stop = np.append(lists.offsets[1:], 0)[rows]
    lengths = stop - start
    return _ragged(lengths, lists.items[ranges(start, lengths)])


def _ragged(lengths: Rows, items: NDArray[np.integer]) -> Histories:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = len(items)
    return Histories(offsets, items.astype(np.int32), np.zeros(n, np.int64), np.ones(n, np.float32))
