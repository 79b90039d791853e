"""The text of a file, unpacked, in chunks of whole lines, as far as it is plain; other files are read as one text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recsys.data.ingest.reading.columnar import FEATHER, OLD_FEATHER, PARQUET
from recsys.data.ingest.reading.content import check_known, check_ratio, is_packed, open_unpacked
from recsys.data.ingest.reading.json_lines import is_json

PEEK_BYTES = 1 << 17
"""At the start of a file, by which separator and names of columns are told."""
_LONGEST_LINE = 1 << 26


class NotPlainError(Exception):
    """The text is to be read as a whole."""


@dataclass(frozen=True)
class TextChunk:
    """Some lines of a text.

    Args:
        text: UTF-8; each line ends in a line feed, but for the last of the file, which may have none.
        first_line: its number, counted from 1.
        is_last: whether the file ends behind it.
    """

    text: bytes
    first_line: int
    is_last: bool


def peek(path: Path) -> tuple[bytes, bool]:
    """The lines at the start of a file, with line feeds, and whether these are all.

    Raises:
        NotPlainError: the file is no text, or in another encoding than UTF-8.
    """
    data, last = b"", True
    for data in _blocks(path, PEEK_BYTES):
        last = len(data) < PEEK_BYTES
        break
    if data.startswith((PARQUET, FEATHER, OLD_FEATHER)) or is_packed(data[:8]) or is_json(data[:1024]):
        raise NotPlainError
    check_known(data)
    if not last:
        data = data[: data.rfind(b"\n") + 1]
    return _checked(data.removeprefix(codecs.BOM_UTF8), b"\r" in data), last


def text_chunks(path: Path, size: int, quoted: bool) -> Iterator[TextChunk]:
    """The chunks of a file of about ``size`` bytes; each begins where a row does.

    Args:
        path: the file.
        size: of the blocks that are read.
        quoted: whether quotes have a meaning.

    Raises:
        NotPlainError: quotes that are not closed on their line, bytes that are no UTF-8, or mixed line ends.
    """
    pending, rest, line, returns = b"", b"", 1, False
    for block in _blocks(path, size):
        data = rest + block
        end = data.rfind(b"\n") + 1
        if not end:
            if len(data) > _LONGEST_LINE:
                raise NotPlainError
            rest = data
            continue
        data, rest = data[:end], data[end:]
        if not pending:
            data, returns = data.removeprefix(codecs.BOM_UTF8), b"\r" in data
        data = _checked(data, returns)
        if quoted and data.count(b'"') % 2:
            raise NotPlainError
        if pending:
            yield TextChunk(pending, line, is_last=False)
            line += pending.count(b"\n")
        pending = data
    if not pending:
        rest = rest.removeprefix(codecs.BOM_UTF8)
    yield TextChunk(pending + _checked(rest, returns), line, is_last=True)


def _checked(data: bytes, returns: bool) -> bytes:
    """The text with line feeds, where all lines end in them, or all (``returns``) in a carriage return before them."""
    if b"\0" in data or (b"\r" in data) != (returns and b"\n" in data):
        raise NotPlainError
    if not data.isascii():
        try:
            codecs.decode(data, "utf-8")
        except UnicodeDecodeError as error:
            raise NotPlainError from error
    if not returns:
        return data
    plain = data.replace(b"\r\n", b"\n")
    if b"\r" in plain or data.count(b"\n") != len(data) - len(plain):
        raise NotPlainError
    return plain


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    """What is in a file, unpacked, in blocks of ``size`` bytes."""
    on_disk, found = path.stat().st_size, 0
    with open_unpacked(path) as stream:
        while block := stream.read(size):
            while len(block) < size and (more := stream.read(size - len(block))):
                block += more
            found += len(block)
            check_ratio(found, on_disk)
            yield block
