"""Interactions of users with items: rows, times and weights, sorted by user and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.atomic import atomic_path
from recsys.data.vocabulary import BLOCK, ranges, row_counts, user_blocks
from recsys.digest import FileState, hashed, short_digest
from recsys.files.stored_array import check_column, load_column

_LARGEST_WEIGHT, _LARGEST_TIME = 1e36, 2**62
"""Far above what `recsys.data.ingest` takes, and below what overflows in sums and differences."""
_COLUMNS = {"user": np.int32, "item": np.int32, "time": np.int64, "weight": np.float32}
_Columns = dict[str, NDArray[np.integer | np.floating]]
_OPTIONAL: dict[str, type] = {"tie": np.int64, "event": np.int16}
_ALL = (*_COLUMNS, *_OPTIONAL)


@dataclass(frozen=True, eq=False)
class Interactions:
    """Interactions sorted by (user, time, tie, hash, weight), so that the order of the file does not matter.

    What is left of a tie is broken by a hash of user and item: if ties were ordered by item row,
    the row would predict which of several simultaneous items comes last, which leaks the target of leave-one-out.

    Args:
        user: int32 [E], rows of the user vocabulary.
        item: int32 [E], rows of the item vocabulary.
        time: int64 [E], seconds since 1970 UTC, or a position within the user (`Dataset.has_timestamps` says which).
        weight: float32 [E], positive; 1 where the data gives none. Of `Dataset.non_likes` 1 where the row may be learnt
            as a negative, else 0.
        tie: int64 [E], the order of a user's interactions at the same time, such as nanoseconds within the second;
            None where the data gives none.
        event: int16 [E], the position of the type in `recsys.data.dataset.Dataset.event_types`, -1 for none; None where
            types are not known. Nothing is learnt from it.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time: NDArray[np.int64]
    weight: NDArray[np.float32]
    tie: NDArray[np.int64] | None = None
    event: NDArray[np.int16] | None = None
    _files: ClassVar[FileState] = FileState(())
    """Of interactions that were loaded, the files, so that these are checked and hashed once a process."""

    @classmethod
    def of(
        cls,
        user: NDArray[np.integer],
        item: NDArray[np.integer],
        time: NDArray[np.integer | np.floating] | None = None,
        weight: NDArray[np.floating] | None = None,
        tie: NDArray[np.integer] | None = None,
        event: NDArray[np.int16] | None = None,
    ) -> Interactions:
        """Interactions in any order, sorted; without ``time`` the order within a user is that of a hash."""
        time = np.zeros(len(user), np.int64) if time is None else time
        weight, n = np.ones(len(user), np.float32) if weight is None else weight, len(user)
        tie = None if tie is None or not tie.any() else tie
        given: _Columns = {"user": user, "item": item, "time": time, "weight": weight}
        given |= {name: column for name, column in (("tie", tie), ("event", event)) if column is not None}
        made = cls(
            np.empty(n, np.int32),
            np.empty(n, np.int32),
            np.empty(n, np.int64),
            np.empty(n, np.float32),
            None if tie is None else np.empty(n, np.int64),
            None if event is None else np.empty(n, np.int16),
        )
        start = 0
        for block in user_blocks(user):  # so that the memory of a sort is that of a block
            parts = {name: column[block] for name, column in given.items()}
            parts["time"] = parts["time"].astype(np.int64, copy=False)
            end = start + len(order := _order(parts))
            for name, part in parts.items():
                getattr(made, name)[start:end] = part[order]
            start = end
        return made

    @classmethod
    def empty(cls) -> Interactions:
        return cls(*(np.empty(0, kind) for kind in _COLUMNS.values()))

    def __len__(self) -> int:
        return len(self.user)

    def __repr__(self) -> str:
        return f"Interactions: {len(self):,} rows"

    @property
    def has_weights(self) -> bool:
        """Whether the weights of two interactions differ."""
        return len(self) > 0 and bool((self.weight != self.weight[0]).any())

    def select(self, where: NDArray[np.bool_] | NDArray[np.integer] | slice) -> Interactions:
        """The interactions at a mask, ascending positions or a slice."""
        tie = None if self.tie is None else self.tie[where]
        event = None if self.event is None else self.event[where]
        return Interactions(self.user[where], self.item[where], self.time[where], self.weight[where], tie, event)

    def of_users(self, users: NDArray[np.integer]) -> Interactions:
        """The interactions of ``users``, ascending rows; found by search, without a look at those of others."""
        first, last = (np.searchsorted(self.user, np.asarray(users, np.int32), side) for side in ("left", "right"))
        return self.select(ranges(first, last - first))

    def blocks(self, size: int = BLOCK) -> Iterator[slice]:
        """Slices of consecutive users with about ``size`` interactions together."""
        start = 0
        while start < len(self):
            last = self.user[min(start + size, len(self)) - 1]
            stop = int(np.searchsorted(self.user, last, "right"))
            yield slice(start, stop)
            start = stop

    def before(self, moment: int) -> Interactions:
        """The interactions strictly before ``moment``."""
        return self.select(self.time < moment)

    def joined(self, other: Interactions) -> Interactions:
        """Both, sorted again; event types are known where they are of both."""
        return Interactions.of(
            np.concatenate([self.user, other.user]),
            np.concatenate([self.item, other.item]),
            np.concatenate([self.time, other.time]),
            np.concatenate([self.weight, other.weight]),
            None if self.tie is other.tie is None else np.concatenate([self.ties(), other.ties()]),
            None if self.event is None or other.event is None else np.concatenate([self.event, other.event]),
        )

    def ties(self) -> NDArray[np.int64]:
        """int64 [E]: ``tie``, zeros where the data gives none."""
        return np.zeros(len(self), np.int64) if self.tie is None else self.tie

    def offsets(self, n_users: int) -> NDArray[np.int64]:
        """int64 [n_users + 1]: user ``u`` owns positions ``offsets[u]`` to ``offsets[u + 1]``."""
        return np.concatenate([[0], np.cumsum(self.user_counts(n_users))]).astype(np.int64)

    def user_counts(self, n_users: int) -> NDArray[np.int64]:
        """int64 [n_users]: interactions of each user."""
        return row_counts(self.user, n_users)

    def positions(self, n_users: int) -> NDArray[np.int64]:
        """int64 [E]: the position of each interaction within its user, the oldest has 0."""
        return np.arange(len(self)) - self.offsets(n_users)[:-1][self.user]

    def item_counts(self, n_items: int) -> NDArray[np.int64]:
        """int64 [n_items]: interactions of each item."""
        return row_counts(self.item, n_items)

    def holds(self, pairs: Interactions) -> NDArray[np.bool_]:
        """Bool [P]: whether the user and item of each of ``pairs`` occur here; without a copy of all rows."""
        keys = pair_keys(pairs.user, pairs.item)
        wanted = np.unique(keys)
        met = np.zeros(len(wanted), bool)
        for start in range(0, len(self) if len(wanted) else 0, BLOCK):
            own = pair_keys(self.user[start : start + BLOCK], self.item[start : start + BLOCK])
            place = np.minimum(np.searchsorted(wanted, own), len(wanted) - 1)
            met[place[wanted[place] == own]] = True
        return met[np.searchsorted(wanted, keys)]

    def to_csr(self, n_users: int, n_items: int, weighted: bool = False) -> sp.csr_array:
        """float32 [n_users, n_items]; repeated pairs count once, or add their weights when ``weighted``."""
        offsets = self.offsets(n_users).astype(np.int32 if len(self) < 2**31 else np.int64)  # of the type of the rows
        values = np.array(self.weight) if weighted else np.ones(len(self), np.float32)
        matrix = sp.csr_array((values, np.array(self.item), offsets), (n_users, n_items))
        matrix.sum_duplicates()
        if not weighted:
            matrix.data[:] = 1
        return matrix

    def check(self, n_users: int, n_items: int, where: Path, any_sign: bool = False) -> None:
        """Checks what was read from ``where`` against tables of ``n_users`` users and ``n_items`` items.

        Args:
            n_users: of the table that ``user`` has rows of.
            n_items: of the table that ``item`` has rows of.
            where: the folder, for the message.
            any_sign: whether weights of zero and below are weights too.

        Raises:
            ArtifactError: a row does not exist, a weight is none, or users or times are not in their order.
        """

        def check() -> str:
            for start in range(0, len(self), BLOCK):
                # a block begins with the last row of the one before, so that no step between two rows is left out
                self._check_rows(slice(max(start - 1, 0), start + BLOCK), n_users, n_items, where, any_sign)
            return "good"

        self._files.once(f"rows of {n_users} users and {n_items} items, any sign: {any_sign}", check)

    def _check_rows(self, part: slice, n_users: int, n_items: int, where: Path, any_sign: bool) -> None:
        user, item, time, weight = self.user[part], self.item[part], self.time[part], self.weight[part]
        for name, rows, n in (("user", user, n_users), ("item", item, n_items)):
            outside = int(rows.min()) < 0 or int(rows.max()) >= n
            check_column(where / f"{name}.npy", outside, f"names {name} rows that do not exist, of {n:,}")
        least, most, path = float(weight.min()), float(weight.max()), where / "weight.npy"
        usual = least >= -_LARGEST_WEIGHT and most <= _LARGEST_WEIGHT  # NaN is neither
        check_column(path, not usual, "holds weights that are not finite or too large")
        check_column(path, not any_sign and least <= 0, "holds weights that are not positive")
        far = max(abs(int(time.min())), abs(int(time.max()))) > _LARGEST_TIME
        check_column(where / "time.npy", far, "holds times that are none")
        same = user[1:] == user[:-1]
        back = (user[1:] < user[:-1]).any()
        check_column(where / "user.npy", back, "is not sorted, so histories would be those of others")
        check_column(where / "time.npy", (same & (time[1:] < time[:-1])).any(), "does not ascend within a user")

    @cached_property
    def fingerprint(self) -> str:
        """A digest of every interaction."""
        columns = ((getattr(self, name), kind) for name, kind in self._kinds.items())
        return self._files.once(
            "interactions", lambda: short_digest(np.ascontiguousarray(column, kind).data for column, kind in columns)
        )

    @property
    def _kinds(self) -> dict[str, type]:
        """The columns that there are, and their types."""
        return _kinds(self.tie is not None, self.event is not None)

    def save(self, directory: Path) -> None:
        """One ``.npy`` a column."""
        with atomic_path(directory) as beside:
            beside.mkdir()
            for name in self._kinds:
                np.save(beside / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, directory: Path) -> Interactions:
        """What `save` wrote, memory-mapped read-only.

        Raises:
            ArtifactError: a column is missing, damaged or of another length.
        """
        files = FileState.of(*(path for name in _ALL if (path := directory / f"{name}.npy").exists()))
        user, item = (load_column(directory / f"{name}.npy", np.int32) for name in ("user", "item"))
        time, weight = load_column(directory / "time.npy", np.int64), load_column(directory / "weight.npy", np.float32)
        tie = load_column(directory / "tie.npy", np.int64) if (directory / "tie.npy").exists() else None
        event = load_column(directory / "event.npy", np.int16) if (directory / "event.npy").exists() else None
        for name, column in (("item", item), ("time", time), ("weight", weight), ("tie", tie), ("event", event)):
            length = len(user if column is None else column)
            other = f"has {length:,} rows, and user.npy {len(user):,}: they differ in length"
            check_column(directory / f"{name}.npy", length != len(user), other)
        found = cls(user, item, time, weight, tie, event)
        object.__setattr__(found, "_files", files)
        return found


def pair_keys(users: NDArray[np.integer], items: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64 [E]: a number for each pair of user and item, ascending by user."""
    return users.astype(np.int64) << 32 | items


def _kinds(*optional: bool) -> dict[str, type]:
    """The types of the columns, given which of the optional ones there are."""
    more = {name: kind for (name, kind), there in zip(_OPTIONAL.items(), optional, strict=True) if there}
    return {**_COLUMNS, **more}


def _order(columns: _Columns) -> NDArray[np.int64]:
    """The order of interactions, int64 [n]: one sort by user and time, then of those alone that have both in common."""
    user, time = columns["user"], columns["time"]
    if not len(user):
        return np.empty(0, np.int64)
    first = int(time.min())
    span = int(time.max()) - first + 1
    if (int(user.max()) + 1) * span >= 2**63:
        return _full_order(columns)
    key = user.astype(np.int64) * span + (time - first)
    order = np.arange(len(key)) if (key[1:] >= key[:-1]).all() else np.argsort(key)
    key = key[order]
    same = key[1:] == key[:-1]
    if same.any():
        tied = np.append(same, False) | np.append(False, same)
        rows = order[tied]
        order[tied] = rows[_full_order({name: column[rows] for name, column in columns.items()})]
    return order


def _full_order(columns: _Columns) -> NDArray[np.int64]:
    user, item = columns["user"], columns["item"]
    last_to_first = [columns.get(name) for name in ("event", "weight", "item")]
    keys = [*last_to_first, hashed(user, item), columns.get("tie"), columns["time"], user]
    return np.lexsort([key for key in keys if key is not None])
