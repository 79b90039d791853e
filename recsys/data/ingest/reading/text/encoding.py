"""Bytes of a text file as UTF-8 with line feeds."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence

from recsys.data.ingest.reading.problem import Unreadable, names_text

_UTF32 = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_MARKS = (*_UTF32, (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def as_utf8(data: bytes, encoding: str | None) -> tuple[bytes, str | None]:
    r"""``data`` as UTF-8 without a byte order mark, and the encoding that was found by a mark; None for UTF-8.

    A byte order mark takes precedence over ``encoding``, and so does a text that is UTF-8, see `garbled`.

    Lines end in ``\n``: ``\r\n`` is replaced where all lines end so, and ``\r`` where no line ends otherwise.

    Raises:
        Unreadable: the bytes are not of the encoding, with the line.
    """
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if data.startswith(codecs.BOM_UTF8) or garbled(data, encoding):
        encoding = None  # these are no texts of another encoding
    elif marked is not None and encoding is not None and not codecs.lookup(encoding).name.startswith(marked):
        encoding = None
    found = encoding or marked
    if found is None or codecs.lookup(found).name in ("utf-8", "utf-8-sig"):
        data = data.removeprefix(codecs.BOM_UTF8)
        _check_utf8(data)
    else:
        try:
            data = data.decode(found).removeprefix("\ufeff").encode("utf-8")
        except (UnicodeError, ValueError) as error:
            raise Unreadable(f"the file is not {found} ({error})", "name its encoding in data.encoding") from error
    _check_nul(data)
    return _line_feeds(data), None if encoding else found


def garbled(data: bytes, encoding: str | None) -> str:
    """How a text that is UTF-8 would be misread in another encoding of one byte a character; empty for other texts.

    Bytes beyond ASCII that are valid UTF-8 throughout are hardly ever a text of such an encoding.

    Args:
        data: the file.
        encoding: that was given.
    """
    if encoding is None or data.isascii() or any(data.startswith(mark) for mark, _ in _MARKS):
        return ""
    if data.startswith(codecs.BOM_UTF8) or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        return ""
    try:
        line = next(line for line in data.decode("utf-8").splitlines() if not line.isascii())
    except (UnicodeError, StopIteration):
        return ""
    if len(line.encode().decode(encoding, "replace")) < len(line.encode()):  # of several bytes a character
        return ""
    place = next(n for n, letter in enumerate(line) if not letter.isascii())
    shown = line[max(place - 10, 0) : place + 5]
    return f"{shown!r} would become {shown.encode().decode(encoding, 'replace')!r}"


def encoding_notes(parts: Sequence[tuple[str, str]], encoding: str | None) -> Iterator[tuple[str, str]]:
    """Found and remedy where parts of a table are UTF-8 although another encoding is given.

    Args:
        parts: the name of each part (empty for a single file), and how it would be misread; empty where it would not.
        encoding: that was given.
    """
    utf8 = [(name, wrong) for name, wrong in parts if wrong]
    if not utf8:
        return
    wrong = utf8[0][1]
    if len(parts) == 1:
        yield f"the file is UTF-8, not {encoding}, and read so: {wrong}", 'data.encoding = "utf-8" says so'
        return
    all_are = "all parts are" if len(utf8) == len(parts) else f"{len(utf8):,} of {len(parts):,} parts are"
    counted = "1 part is" if len(utf8) == 1 else all_are
    remedy = 'data.encoding = "utf-8" says so' if len(utf8) == len(parts) else "nothing is to be done"
    yield f"{counted} UTF-8, not {encoding}, and read so ({names_text([name for name, _ in utf8])}): {wrong}", remedy


def _check_utf8(data: bytes) -> None:
    try:
        codecs.decode(data, "utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if data[:400].count(b"\0") > len(data[:400]) // 4:
            raise Unreadable("the file is not UTF-8 but UTF-16", 'name it in data.encoding = "utf-16-le"') from error
        raise Unreadable(
            f"the file is not UTF-8 (byte {error.start}, line {line}: {data[error.start : error.start + 1]!r})",
            'name its encoding, as data.encoding = "cp1252" (Windows) or "latin-1"; or convert it by iconv -t utf-8',
        ) from error


def _check_nul(data: bytes) -> None:
    place = data.find(b"\0")
    if place < 0:
        return
    if data[:400].count(b"\0") > len(data[:400]) // 4:
        remedy = 'if it is UTF-16, data.encoding = "utf-16-le" or "utf-16-be"; else write it again'
    else:
        remedy = "the file may be damaged: write it again without NUL bytes"
    line = data.count(b"\n", 0, place) + 1
    raise Unreadable(f"line {line} has a NUL byte, so this is no text", remedy)


def _line_feeds(data: bytes) -> bytes:
    returns = data.count(b"\r")
    if not returns:
        return data
    feeds = data.count(b"\n")
    if not feeds:
        return data.replace(b"\r", b"\n")
    both = data.count(b"\r\n")
    return data.replace(b"\r\n", b"\n") if both == feeds else data
