"""The bytes of a file, unpacked by what it holds and not by its name, within limits."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from recsys.data.ingest.reading.problem import Unreadable, damaged
from recsys.files.input_file import regular_size

_CHUNK = 1 << 22
SUSPICIOUS_BYTES, SUSPICIOUS_RATIO = 1 << 24, 200
"""Compressed files that unpack to over 16 MiB and over 200 times their size are refused: they can fill the memory."""

_FOREIGN = (
    (b"SQLite format 3", "an SQLite database", "export its tables as CSV"),
    (b"\x89HDF", "an HDF5 file", "write the table as Parquet"),
    (b"%PDF", "a PDF", "give the table as CSV or Parquet"),
    (b"\x80\x04\x95", "a pickle, which can run code when it is read", "write the table as Parquet"),
    (b"\x80\x05\x95", "a pickle, which can run code when it is read", "write the table as Parquet"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV"),
    (b"ORC", "an ORC file", "write the table as Parquet"),
    (b"Obj\x01", "an Avro file", "write the table as Parquet"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it, or compress it by gzip"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
)
_MARKUP = (b"<!doctype html", b"<html", b"<?xml")


def check_regular(path: Path) -> None:
    """Refuses what is no regular file, such as a pipe or a device, which may never end.

    Raises:
        Unreadable: the file does not exist or is not a regular file.
    """
    try:
        regular_size(path)
    except FileNotFoundError as error:
        missing = "the file does not exist" if error.errno else f"the path is not valid ({error})"
        raise Unreadable(missing, "check the path in [data]") from error
    except IsADirectoryError as error:
        raise Unreadable("a folder stands where a file is needed", "give the path of a file") from error
    except PermissionError as error:
        raise Unreadable("the file may not be read (permission denied)", "allow this user to read it") from error
    except OSError as error:
        remedy = "write the table to a file and give its path"
        raise Unreadable(str(error.strerror or error), remedy) from error


def head(path: Path, size: int = 64) -> bytes:
    """The first bytes of a regular file."""
    check_regular(path)
    with path.open("rb") as stream:
        return stream.read(size)


def unpacked(path: Path) -> bytes:
    """The bytes of a file; those of the only file inside it for gzip, bzip2, xz and zip, also inside each other.

    Raises:
        Unreadable: no regular file, a damaged or suspicious archive, or a format that is not read.
    """
    check_regular(path)
    with path.open("rb") as stream:
        start = stream.read(8)
        opener = _opener(start)
        if opener is None:
            stream.seek(0)
            data = stream.read()
            check_known(data)
            return data
        size = path.stat().st_size
        stream.seek(0)
        data = _limited(opener, stream, size)
    while (opener := _opener(data[:8])) is not None:
        data = _limited(opener, io.BytesIO(data), size)
    check_known(data)
    return data


@contextmanager
def open_unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a regular file as a stream, unpacked once if it is compressed; see `check_ratio` and `check_known`.

    Raises:
        Unreadable: no regular file.
    """
    start = head(path, 8)
    opener = _opener(start)
    with path.open("rb") as stream:
        if opener is None:
            yield stream
            return
        with opener(stream) as source:
            yield source


def is_packed(start: bytes) -> bool:
    """Whether a file that starts with these bytes is compressed or an archive."""
    return _opener(start) is not None


def _opener(start: bytes) -> Callable[[BinaryIO], BinaryIO] | None:
    if start.startswith(b"\x1f\x8b"):
        return lambda stream: cast(BinaryIO, gzip.open(stream, "rb"))
    if start.startswith(b"BZh"):
        return lambda stream: cast(BinaryIO, bz2.open(stream, "rb"))
    if start.startswith(b"\xfd7zXZ\x00"):
        return lambda stream: cast(BinaryIO, lzma.open(stream, "rb"))
    return _only_member if start.startswith(b"PK\x03\x04") else None


def _only_member(stream: BinaryIO) -> BinaryIO:
    archive = zipfile.ZipFile(stream)
    names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX/")]
    if any(name.startswith(("xl/", "content.xml")) for name in names):
        raise Unreadable("the file is a spreadsheet", "save the sheet as CSV")
    if len(names) != 1:
        listed = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        raise Unreadable(f"the zip holds {len(names)} files: {listed}", "unpack it, and give the path of one of them")
    if archive.getinfo(names[0]).flag_bits & 1:
        raise Unreadable("the zip is encrypted", "unpack it")
    return cast(BinaryIO, archive.open(names[0]))


def _limited(opener: Callable[[BinaryIO], BinaryIO], stream: BinaryIO, size: int) -> bytes:
    """What ``opener`` reads from ``stream``, unless it grows far beyond ``size``, the bytes of the file on disk."""
    found = bytearray()
    try:
        with opener(stream) as source:
            while chunk := source.read(_CHUNK):
                found += chunk
                check_ratio(len(found), size)
    except Unreadable:
        raise
    except Exception as error:  # unpackers raise many kinds of exceptions on damaged files
        raise damaged(error) from error
    return bytes(found)


def check_ratio(found: int, size: int) -> None:
    """Refuses a file that unpacks to a suspicious number of bytes.

    Args:
        found: the bytes so far.
        size: those of the file on disk.

    Raises:
        Unreadable: says so.
    """
    if found > max(SUSPICIOUS_BYTES, SUSPICIOUS_RATIO * size):
        raise Unreadable(
            f"{size:,} bytes unpack to over {found >> 20:,} MiB, which no table of interactions does",
            "if it is meant, unpack the file and give its path",
        )


def check_known(data: bytes) -> None:
    """Refuses formats that are not read, by the first bytes.

    Raises:
        Unreadable: names the format.
    """
    for magic, what, remedy in _FOREIGN:
        if data.startswith(magic):
            raise Unreadable(f"the file is {what}", remedy)
    if data[:64].lstrip().lower().startswith(_MARKUP):
        raise Unreadable("the file is a page of HTML or XML, as a failed download leaves it", "get the table itself")
