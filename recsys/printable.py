"""Text for a terminal: control characters of titles, ids and cells are shown and not obeyed."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""``text`` with control characters as ``\u001b``; line ends and tabs stay.

    Those are what moves the cursor, colours, retitles or clears a terminal, and what turns the direction of writing.

    Example:
        >>> printable("a\x1b[2Jb"), printable("two\nlines")
        ('a\\u001b[2Jb', 'two\nlines')
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    r"""`printable`, with line ends and tabs as blanks, for a cell of a listing.

    Example:
        >>> one_line("two\nlines")
        'two lines'
    """
    return printable(re.sub(r"[\r\n\t]+", " ", text))
