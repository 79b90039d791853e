"""A content-addressed cache of arrays on disk: unchanged content is not computed again."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recsys.atomic import read_json, write_json
from recsys.data.vocabulary import MISSING, Rows
from recsys.errors import ArtifactError
from recsys.files.stored_json import read_object

_LOG = logging.getLogger("recsys.content")
_KEY, _DIGEST = 16, 8
_ENTRY = _KEY + _DIGEST
"""Bytes of an entry of ``keys.bin``: a key, and the digest of its record."""


def cache_folder() -> Path:
    """The cache that all runs share: ``$RECSYS_CACHE_DIR/content``, by default under ``~/.cache``."""
    return Path(os.environ.get("RECSYS_CACHE_DIR", Path.home() / ".cache" / "recsys")) / "content"


def content_key(content: str | bytes) -> bytes:
    """The cache key of ``content``: a 16-byte BLAKE2b digest."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, digest_size=_KEY).digest()


R = TypeVar("R")
Make = Callable[[Rows], NDArray[np.generic]]
"""Computes the records at positions in a sequence of keys."""


class BlockMap(Protocol):
    """Where blocks of positions are computed: `in_turn`, `recsys.content.processes.Processes`, or over a cluster."""

    def __call__(self, make: Callable[[Rows], R], blocks: Sequence[Rows]) -> Iterator[tuple[int, R]]:
        """Applies ``make`` to ``blocks``: the number of each block and its result, in any order.

        Other processes get ``make`` pickled.
        """
        ...


def in_turn(make: Callable[[Rows], R], blocks: Sequence[Rows]) -> Iterator[tuple[int, R]]:
    """The `BlockMap` of this process: one block after the other."""
    return enumerate(map(make, blocks))


class ContentCache:
    """An append-only map from keys to arrays of one shape, read through a memory map.

    Records are written before their keys: records of a killed process have no key and are overwritten. With each key
    stands a digest of its record, against which `through` and `check` hold what is read.

    Args:
        directory: of the cache; created if it does not exist.
        shape: of a record; None takes that of the first records.
        dtype: of a record.

    Raises:
        ArtifactError: the folder holds records of another shape.
    """

    def __init__(self, directory: Path, shape: tuple[int, ...] | None = None, dtype: DTypeLike = np.float32) -> None:
        self.directory, self.dtype = directory, np.dtype(dtype)
        self.shape: tuple[int, ...] = shape or ()
        self._places: dict[bytes, int] = {}
        self._digests: list[bytes] = []
        directory.mkdir(parents=True, exist_ok=True)
        self._layout = directory / "layout.json"
        if self._is_damaged():
            self._clear()
        if self._layout.exists():
            self._check_shape(tuple(read_json(self._layout)["shape"]), shape)
        self._refresh()

    def _is_damaged(self) -> bool:
        """Whether the layout cannot be read, is missing beside records, or keys have no records."""
        keys, records = (self._size(name) for name in ("keys.bin", "records.bin"))
        if not self._layout.exists():
            return keys >= _ENTRY
        try:
            shape = read_object(self._layout, "shape")["shape"]
        except ArtifactError:
            return True
        if not isinstance(shape, list) or not all(isinstance(size, int) and size > 0 for size in shape):
            return True
        return records < keys // _ENTRY * math.prod(shape) * self.dtype.itemsize

    def _clear(self) -> None:
        _LOG.warning(
            "the content cache in %s is damaged; it is emptied, and its content computed again", self.directory
        )
        with self._locked():
            for path in (self.directory / "keys.bin", self.directory / "records.bin", self._layout):
                path.unlink(missing_ok=True)

    def _size(self, name: str) -> int:
        path = self.directory / name
        return path.stat().st_size if path.exists() else 0

    def rows(self, keys: Sequence[bytes]) -> Rows:
        """int64 [n]: the row of each key's record, MISSING if there is none."""
        return np.fromiter((self._places.get(key, MISSING) for key in keys), np.int64, len(keys))

    def records(self) -> NDArray[np.generic]:
        """[N, *shape], mapped read-only; as they stand, see `check`."""
        if not self._places:
            return np.zeros((0, *self.shape), self.dtype)
        mapped = np.memmap(self.directory / "records.bin", self.dtype, "r")
        return np.asarray(mapped[: len(self._places) * math.prod(self.shape)]).reshape(-1, *self.shape)

    def check(self, keys: Sequence[bytes]) -> None:
        """Empties the cache, with a warning, if the record of one of ``keys`` is not as it was written."""
        records = self.records()
        if any(_digest(records[row]) != self._digests[row] for row in set(self.rows(keys).tolist()) - {MISSING}):
            self._clear()
            self._refresh()

    def add(self, keys: Sequence[bytes], records: NDArray[np.generic]) -> None:
        """Appends ``records`` [n, *shape] with distinct ``keys`` [n]; existing keys keep their records."""
        assert len(records) == len(keys), "one record a key"
        with self._locked():
            if not self._layout.exists():
                self.shape = records.shape[1:]
                write_json(self._layout, {"shape": list(self.shape)})
            self._check_shape(tuple(read_json(self._layout)["shape"]), records.shape[1:])
            self._refresh()
            fresh = [place for place, key in enumerate(keys) if key not in self._places]
            block = np.ascontiguousarray(records[fresh], self.dtype)
            _write_at(self.directory / "records.bin", len(self._places) * self._bytes, block.tobytes())
            entries = [keys[place] + _digest(row) for place, row in zip(fresh, block, strict=True)]
            _write_at(self.directory / "keys.bin", len(self._places) * _ENTRY, b"".join(entries))
            self._refresh()

    def through(
        self, keys: Sequence[bytes], make: Make, order: Rows | None = None, blocks: BlockMap = in_turn
    ) -> NDArray[np.generic]:
        """[n, *shape]: the record of each key; missing ones are computed, once for each distinct key, and stored.

        Args:
            keys: [n].
            make: computes the records at positions in ``keys``; called with at most 1024 positions, whose records are
                stored before the next call.
            order: the positions [n] in the order in which missing records are computed.
            blocks: where blocks of positions are computed; they are the same wherever that is.
        """
        self.check(keys)
        absent, seen = self.rows(keys) == MISSING, set[bytes]()
        todo = []
        for place in range(len(keys)) if order is None else order.tolist():
            if absent[place] and keys[place] not in seen:
                seen.add(keys[place])
                todo.append(place)
        cut = [np.array(todo[start : start + 1024]) for start in range(0, len(todo), 1024)]
        for number, made in blocks(make, cut):
            self.add([keys[place] for place in cut[number]], made)
        return self.records()[self.rows(keys)]

    @property
    def _bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def _check_shape(self, stored: tuple[int, ...], expected: tuple[int, ...] | None) -> None:
        if expected is not None and stored != expected:
            raise ArtifactError(f"{self.directory} holds records of shape {stored}, not {expected}; remove the folder")
        self.shape = stored

    def _refresh(self) -> None:
        """Reads the keys that were added since the last call; all keys if the folder was emptied in between."""
        path = self.directory / "keys.bin"
        whole = path.stat().st_size // _ENTRY if path.exists() else 0
        if whole < len(self._places):
            self._places, self._digests = {}, []
        known = len(self._places)
        if whole == known:
            return
        with path.open("rb") as file:
            file.seek(known * _ENTRY)
            raw = file.read((whole - known) * _ENTRY)  # another process may be appending more
        entries = [raw[at : at + _ENTRY] for at in range(0, len(raw), _ENTRY)]
        self._places.update({entry[:_KEY]: place for place, entry in enumerate(entries, known)})
        self._digests += [entry[_KEY:] for entry in entries]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock  # takes longer than this module

        with FileLock(self.directory / "lock"):
            yield


def _digest(record: NDArray[np.generic]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(record).tobytes(), digest_size=_DIGEST).digest()


def _write_at(path: Path, offset: int, block: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(descriptor, offset)
        with os.fdopen(os.dup(descriptor), "r+b") as file:
            file.seek(offset)
            file.write(block)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
