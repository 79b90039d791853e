"""Generated text tables with quirks, of which the truth is known: the rows, and the lines that must be named."""

import random
from dataclasses import dataclass

from hypothesis import strategies as st

SEPARATORS = {",": ".csv", "\t": ".tsv", ";": ".csv", "|": ".csv", "::": ".dat"}
NAMES = ["user_id", "item_id", "note", "stars"]
WORDS = ["Dune", "Emma", "a b", "O'Neill", "x=1", "café", "#1", "(3)", "N/A", "no. 5", "-"]


@dataclass(frozen=True)
class Generated:
    """A text table.

    Args:
        name: of the file.
        content: its bytes.
        options: of reading.
        rows: the cells of each good row; None is a missing cell.
        lines: the line on which each good row starts.
        bad: line of each row that must be named in an error.
        quoted: whether bad lines come from broken quotes, which may make other rows doubtful too.
    """

    name: str
    content: bytes
    options: dict
    rows: list
    lines: list
    bad: list
    quoted: bool


@st.composite
def tables(draw):
    """A table of 4 columns: cells with separators, quotes and line ends, blank lines, and sometimes a broken line."""
    mark = draw(st.sampled_from(list(SEPARATORS)))
    always = draw(st.booleans())  # all cells in quotes, as some programs write
    feed = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    fault = draw(st.sampled_from(["", "", "", "short", "long", "quote", "inner", "preamble", "footer", "header"]))
    plain = mark in ("\t", "::", "|") and draw(st.booleans())  # quotes are characters
    if plain and fault in ("quote", "inner"):
        fault = ""
    given = draw(st.booleans()) and fault != "header"
    chance = random.Random(draw(st.integers(0, 2**32)))  # of the cells; to draw each of them would take minutes
    out, rows, lines, bad = [], [], [], []
    line = 1

    def put(text):
        nonlocal line
        out.append(text)
        line += text.count("\n") + 1

    if fault == "preamble":
        bad.append(line)
        put("Export of the shop")
    if not given:
        put(mark.join(NAMES))
    count = chance.randint(6, 12)
    broken = chance.randint(1, count - 2)
    for number in range(count):
        if chance.random() < 0.1:
            put(chance.choice(["", "  "]))
        cells = [f"u{chance.randint(0, 3)}", f"i{number}", _note(chance, mark, plain), str(chance.randint(1, 5))]
        if fault == "header" and number == broken:
            bad.append(line)
            put(mark.join(NAMES))
        written = [cell if plain else _quoted(cell, mark, always) for cell in cells]
        if number == broken and fault in ("short", "long", "quote", "inner"):
            bad.append(line)
            put(mark.join(_broken(written, fault)))
            continue
        rows.append([cell or None for cell in cells])
        lines.append(line)
        put(mark.join(written))
    if fault == "footer":
        bad.append(line)
        put("(Total)")
    options = {"header": NAMES} if given else {}
    if plain:
        options["quoting"] = "none"
    content = feed.join("\n".join(out).split("\n")) + feed
    quoted = fault in ("quote", "inner") and not plain
    return Generated("x" + SEPARATORS[mark], content.encode(), options, rows, lines, bad, quoted)


def _note(chance, mark, plain):
    word = chance.choice(WORDS)
    if plain:
        return chance.choice([word, f'"{word}" x', f'"{word}'])
    odd = chance.choice([mark, '"', "\n", "\n\n", f"{mark} {mark}", '""'])
    return chance.choice([word, word, "", word + odd + chance.choice(WORDS)])


def _quoted(cell, mark, always):
    if always or any(part in cell for part in (mark, '"', "\n")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _broken(written, fault):
    user, item, note, stars = written
    if fault == "short":
        return [user, item, stars]
    if fault == "long":
        return [user, item, note, stars, stars]
    return [user, item, '"open' if fault == "quote" else '"a" b', stars]
