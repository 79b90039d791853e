"""Append-only files of JSON lines, each with a checksum, so that what a crash tore is found and healed."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from recsys.atomic import atomic_path, make_parents
from recsys.errors import ArtifactError

Record = Mapping[str, object]
_MODE = 0o600
"""The files hold ids of users: nobody else reads them."""


class JsonLog:
    """An append-only file.

    Args:
        path: of the file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        make_parents(path)
        if path.is_dir():
            raise ArtifactError(f"{path} is a folder, where the service writes a file; move it away")
        self.path = path
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)

    def append(self, records: Iterable[Record], sync: bool = True) -> None:
        """Writes records; with ``sync`` they are on the disk when it returns.

        Raises:
            OSError: the disk refuses; the file is then as before.
        """
        data = b"".join(line(record) for record in records)
        size = os.fstat(self._file).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            if sync:
                os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def heal(self) -> int:
        """Cuts off a last line that has no end, which a crash left; returns its bytes."""
        size = os.fstat(self._file).st_size
        end = _last_line_end(self._file, size)
        if end < size:
            os.ftruncate(self._file, end)
        return size - end

    def replay(self) -> Iterator[dict[str, object]]:
        """The records of the file; lines at its end that a crash tore, which nobody was told of, are cut off.

        Raises:
            ArtifactError: a line before the last good one is damaged, so that the file was changed by something else.
        """
        bad, good_end, position = 0, 0, 0
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                position += len(raw)
                record = parsed(raw)
                if record is None:
                    bad = bad or number
                    continue
                if bad:
                    raise ArtifactError(
                        f"line {bad} of {self.path} is damaged, and good lines follow it; restore the file, or take "
                        "the line out"
                    )
                good_end = position
                yield record
        if bad:
            os.ftruncate(self._file, good_end)
            os.fsync(self._file)

    def replace(self, records: Iterable[Record]) -> None:
        """Replaces the content of the file, atomically."""
        with atomic_path(self.path) as beside:
            with beside.open("wb") as file:
                file.writelines(line(record) for record in records)
            beside.chmod(_MODE)
        os.close(self._file)
        self._file = self._open()

    def close(self) -> None:
        os.close(self._file)


def line(record: Record) -> bytes:
    """One line: the JSON object with the CRC-32 of its other members as its last."""
    body = _body(record)
    return f'{body[:-1]}{", " if record else ""}"crc": {zlib.crc32(body.encode())}}}\n'.encode()


def parsed(raw: bytes) -> dict[str, object] | None:
    """The record of a line; None where it is torn or changed."""
    try:
        record = json.loads(raw)
        crc = record.pop("crc")
        good = raw.endswith(b"\n") and zlib.crc32(_body(record).encode()) == crc
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return record if good else None


def read_log(path: Path) -> Iterator[dict[str, object]]:
    """The records of a file that a service may be writing to at this moment: a torn last line is passed over.

    Raises:
        ArtifactError: there is no such file, or another line is damaged.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file; name the exposures.jsonl of a service")
    bad = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            record = parsed(raw)
            if bad:
                raise ArtifactError(f"line {bad} of {path} is damaged; restore the file, or take the line out")
            if record is None:
                bad = number
            else:
                yield record


def _body(record: Record) -> str:
    return json.dumps(record, allow_nan=False)


def _last_line_end(file: int, size: int) -> int:
    """The position behind the last line end."""
    while size > 0:
        start = max(0, size - 2**16)
        found = os.pread(file, size - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0
