"""Vocabularies: the bijection between external ids and row numbers; and what is counted over rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.atomic import atomic_path
from recsys.digest import short_digest
from recsys.errors import ArtifactError, DataError

MISSING = -1
"""The row of an id that a vocabulary does not hold."""

BLOCK = 1 << 21
"""Interactions that are looked at together, where a copy of all of them would be too large."""

Ids = NDArray[Any]
"""External ids: int64, or an object array of str."""

Rows = NDArray[np.int64]


def places(counts: NDArray[np.integer]) -> Rows:
    """int64: the places 0, 1, ... within each of several runs that have ``counts`` [n] entries, run after run.

    Example:
        >>> places(np.array([3, 0, 2])).tolist()
        [0, 1, 2, 0, 1]
    """
    ends = np.cumsum(counts)
    found: Rows = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
    return found


def user_blocks(user: NDArray[np.integer], size: int = BLOCK) -> Iterator[slice | NDArray[np.int64]]:
    """Ascending positions in ``user`` [E] of consecutive users with about ``size`` interactions together, user by user.

    Positions of MISSING are in no block. Rows are looked at twice, whatever their number, and 4 bytes a row are held.

    Example:
        >>> [block.tolist() for block in user_blocks(np.array([2, 0, 1, 0, 2]), size=3)]
        [[1, 2, 3], [0, 4]]
    """
    if len(user) <= size:
        yield np.flatnonzero(user >= 0) if len(user) and user.min() < 0 else slice(None)
        return
    if user.max() < 0:
        return
    counts = np.zeros(int(user.max()) + 1, np.int64)
    for start in range(0, len(user), size):
        part = user[start : start + size]
        counts += np.bincount(part[part >= 0], minlength=len(counts))
    block = np.maximum(np.cumsum(counts) - 1, 0) // size
    number = np.cumsum(np.diff(block, prepend=block[0]) > 0)
    n_blocks = int(number[-1]) + 1
    number = np.append(number, n_blocks).astype(np.min_scalar_type(n_blocks))  # the last is that of MISSING
    ends = np.cumsum(np.bincount(number[:-1], counts, n_blocks + 1)).astype(np.int64)
    filled, positions = np.append(0, ends[:-1]), np.empty(len(user), position_type(len(user)))
    for start in range(0, len(user), size):
        numbers = number[user[start : start + size]]
        sizes = np.bincount(numbers, minlength=n_blocks + 1)
        positions[ranges(filled, sizes)] = start + np.argsort(numbers, kind="stable")
        filled += sizes
    for part in np.split(positions, ends[:-1])[:-1]:
        yield part.astype(np.int64)


def position_type(n: int) -> type[np.int32 | np.int64]:
    """The smallest type of positions among ``n``, one past the last included."""
    return np.int32 if n < 2**31 else np.int64


def row_counts(rows: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """int64 [n]: how often each row occurs; in blocks, as NumPy counts a copy of 8 bytes each."""
    found = np.zeros(n, np.int64)
    for start in range(0, len(rows), BLOCK):
        found += np.bincount(rows[start : start + BLOCK], minlength=n)
    return found


def ranges(start: NDArray[np.integer], counts: NDArray[np.integer]) -> Rows:
    """int64: ``counts[i]`` integers from ``start[i]`` on, for each i, end to end.

    Example:
        >>> ranges(np.array([7, 0]), np.array([2, 3])).tolist()
        [7, 8, 0, 1, 2]
    """
    return np.repeat(start, counts) + places(counts)


def as_ids(values: Iterable[object]) -> Ids:
    """``values`` as int64 when all are integers, else as an object array of str.

    Raises:
        DataError: a value is missing, or strings and integers are mixed.

    Example:
        >>> as_ids([np.int64(7), 3]).tolist()
        [7, 3]
    """
    array = values if isinstance(values, np.ndarray) else pd.Series(list(values), dtype=object).to_numpy()
    if array.dtype.kind in "iu" and (array.size == 0 or array.max() <= np.iinfo(np.int64).max):
        return array.astype(np.int64, copy=False)
    kinds = {type(value) for value in array.tolist()}
    if any(issubclass(kind, np.generic) for kind in kinds):  # of a list of cells of an array
        return as_ids([value.item() if isinstance(value, np.generic) else value for value in array.tolist()])
    if kinds <= {int}:
        try:
            return array.astype(np.int64)
        except OverflowError as error:
            raise DataError("an integer id does not fit in 64 bits; give such ids as strings") from error
    if kinds <= {str}:
        return array.astype(object)
    raise DataError(f"ids must be all integers or all strings, found {sorted(k.__name__ for k in kinds)}")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Bijection between external ids and rows 0..n-1: ``ids[row]`` is the id of ``row``.

    Args:
        ids: [n], unique; int64 or an object array of str.

    Example:
        >>> v = Vocabulary.of(["pear", "apple", "pear"])
        >>> v.ids.tolist(), v.rows(["pear", "fig"]).tolist()
        (['apple', 'pear'], [1, -1])
    """

    ids: Ids

    @classmethod
    def of(cls, ids: Iterable[object]) -> Vocabulary:
        """The distinct ``ids`` in ascending order."""
        return cls(np.unique(as_ids(ids)))

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", as_ids(self.ids))
        if not self._index.is_unique:
            twice = self._index[self._index.duplicated()][0]
            raise DataError(f"the id {twice!r} occurs twice in one vocabulary; ids must be unique")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _index(self) -> pd.Index[Any]:
        return pd.Index(self.ids, dtype=self.ids.dtype)

    @property
    def holds_integers(self) -> bool:
        return self.ids.dtype.kind == "i"

    def rows(self, ids: Iterable[object]) -> Rows:
        """The rows [n] of ``ids`` [n], MISSING where unknown; an id of the other type is unknown."""
        array = as_ids(ids)
        if len(array) and (array.dtype.kind == "i") != self.holds_integers:
            return np.full(len(array), MISSING, dtype=np.int64)
        return self._index.get_indexer(pd.Index(array, dtype=array.dtype)).astype(np.int64)

    def row(self, key: int | str) -> int:
        """The row of one id, MISSING where unknown; faster than `rows` of one.

        Example:
            >>> Vocabulary.of(["pear", "fig"]).row("pear"), Vocabulary.of([3, 8]).row("3")
            (1, -1)
        """
        if isinstance(key, str) == self.holds_integers:
            return MISSING
        try:
            place = self._index.get_loc(key)
            assert isinstance(place, int), "ids are unique"
            return place
        except (KeyError, OverflowError):
            return MISSING

    def extended(self, ids: Iterable[object]) -> Vocabulary:
        """This vocabulary with the ids that it lacks appended in ascending order; existing rows do not change."""
        new = as_ids(ids)
        if not len(self):
            return Vocabulary.of(new)
        if not len(new):
            return self
        if (new.dtype.kind == "i") != self.holds_integers:
            raise DataError("integer and string ids cannot join in one vocabulary; convert one of the tables")
        fresh = np.unique(new[self.rows(new) == MISSING])
        return Vocabulary(np.concatenate([self.ids, fresh])) if len(fresh) else self

    def same_as(self, other: Vocabulary) -> bool:
        """Whether both map the same ids to the same rows."""
        return self is other or (self.ids.dtype == other.ids.dtype and np.array_equal(self.ids, other.ids))

    @cached_property
    def fingerprint(self) -> str:
        """A digest of ids and their order."""
        ids = np.ascontiguousarray(self.ids).tobytes() if self.holds_integers else repr(self.ids.tolist())
        return short_digest([self.ids.dtype.kind, ids])

    def save(self, path: Path) -> None:
        """One Parquet column ``id``."""
        dtype = "int64" if self.holds_integers else "str"
        with atomic_path(path) as beside:
            pd.DataFrame({"id": pd.Series(self.ids, dtype=dtype)}).to_parquet(beside, index=False)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """What `save` wrote.

        Raises:
            ArtifactError: the file is missing or damaged.
        """
        try:
            column = pd.read_parquet(path, columns=["id"])["id"]
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactError(f"{path} is not a vocabulary ({error})") from error
        return cls(column.to_numpy() if column.dtype.kind == "i" else column.to_numpy(dtype=object))
