"""The separator of a text table, guessed from its first lines."""

from __future__ import annotations

import re
from collections import Counter

from recsys.data.ingest.reading.options import SEPARATORS

_SAMPLE_BYTES, _SAMPLE_LINES = 1 << 16, 200
_QUOTED = re.compile(rb'"[^"\n]*"')
_SPANNING = re.compile(rb'"(?:[^"]|"")*"')
_BY_NAME = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}


def by_name(name: str) -> str | None:
    r"""The separator that the ending of a file's name promises; endings of compression are passed over.

    Example:
        >>> by_name("x.tsv.gz"), by_name("x.dat")
        ('\t', None)
    """
    name = re.sub(r"\.(gz|gzip|bz2|xz|zip)$", "", name.lower())
    return next((mark for ending, mark in _BY_NAME.items() if name.endswith(ending)), None)


def declared_separator(data: bytes) -> str | None:
    """The separator in a first line ``sep=;``, which spreadsheets write and read; None without one."""
    found = re.match(rb'"?sep=(.)"?\n', data[:16])
    return found.group(1).decode("ascii", "replace") if found else None


def guess_separator(data: bytes, promised: str | None) -> str:
    """The separator that divides the first lines into the same number of cells, at least two.

    Args:
        data: the text.
        promised: the separator of the file's ending, which decides where several fit, or none does.
    """
    sample = data[:_SAMPLE_BYTES]
    sample = sample if len(data) <= _SAMPLE_BYTES else sample[: sample.rfind(b"\n") + 1] or sample
    lines = _lines(_QUOTED.sub(b"", sample))
    readings = [lines, _lines(_SPANNING.sub(b"", sample))]  # quotes that are not closed spoil the second
    marks = [mark for mark in SEPARATORS if mark != " "]
    ranked = sorted((_rank(mark, reading, promised), mark) for reading in readings for mark in marks)
    best, mark = ranked[-1] if ranked else ((0.0,), ",")
    if best[0]:
        return mark
    if promised is None and len(lines) > 1 and len({line.count(b" ") for line in lines}) == 1 and b" " in lines[0]:
        return " "
    return promised or ","


def _lines(sample: bytes) -> list[bytes]:
    return [line for line in sample.split(b"\n") if line.strip()][:_SAMPLE_LINES]


def _rank(mark: str, lines: list[bytes], promised: str | None) -> tuple[float, ...]:
    """The larger the better: marks that divide at least half of the lines alike before those in the first line alone.

    Of such marks the one that divides an earlier line is better: names of columns hold no decimal comma. Cells that
    span lines divide them unlike each other. The first number is 0 for a mark that can be no separator.
    """
    counts = [line.count(mark.encode()) for line in lines]
    if not counts:
        return (0.0,) * 7
    number, times = Counter(counts).most_common(1)[0]
    share = times / len(counts)
    if number == 0 or share < 0.5:
        return (0.5 * (counts[0] > 0), float(mark == promised), float(counts[0]), 0.0, 0.0, 0.0, 0.0)
    return (
        1.0,
        -float(counts.index(number)),
        float(counts[0] > 0),
        float(share == 1),
        float(mark == promised),
        share,
        float(number),
    )
