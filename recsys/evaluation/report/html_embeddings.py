"""The part of a report that shows each pretrained table by itself."""

from __future__ import annotations

from html import escape

from recsys.evaluation.report.html_table import beside, interval, table
from recsys.json_values import JsonMapping


def sections(tables: JsonMapping) -> list[str]:
    """The tables by themselves, word vectors by their words, and what texts find."""
    first = next(iter(tables.values()))
    agreed = escape(str(first["attribute"])) if first["attribute"] else "no column"
    against = ("agreement", "recall_at_1", "r_precision")
    rows = [
        [
            f"{escape(name)}<br><small>{row['items']:,} x {row['dim']}</small>",
            *(beside(row[key], row[f"{key}_chance"]) for key in against),
            *(beside(row[key]) for key in ("alignment", "uniformity")),
            interval(row["next_item"]),
        ]
        for name, row in tables.items()
    ]
    head = ["table", "agreement", "recall@1", "R-precision", "alignment", "uniformity"]
    head.append(f"next item, {first['next_item']['metric']}")
    said = (
        f"<p>Nearest items by cosine, against {agreed} (small: a random order); alignment of what followed "
        "each other in validation, and uniformity, less is better; what came next in validation, by the mean of the "
        "history's centred vectors.</p>"
    )
    return [said, table(head, rows), *_words(tables), *_crossed(tables)]


def _words(tables: JsonMapping) -> list[str]:
    tests = ("similarity", "plurals", "tags")
    rows = [
        [f"{escape(name)}<br><small>{row['words']['words']:,} words</small>", *(_test(row["words"][t]) for t in tests)]
        for name, row in tables.items()
        if "words" in row
    ]
    said = (
        "<h3>Words</h3><p>Similarity: Spearman's rho of two words' cosine with how alike the tags of their items are, "
        "over pairs that never share a text. Analogies, right at the first try: film is to films as war is to wars; "
        "a word is to its tag's name as another is to its own tag's. Small: chance, and how many were asked.</p>"
    )
    return [said, table(["table", "similarity", "plurals", "words and tags"], rows)] if rows else []


def _crossed(tables: JsonMapping) -> list[str]:
    rows = []
    for name, row in tables.items():
        for among, found in row.get("text_to_image", {}).items():
            asked = f"{found['items']:,} texts, {found['candidates']:,} images ({among.replace('_', ' ')})"
            cells = [beside(found[f"recall@{k}"], k / found["candidates"]) for k in (1, 10)]
            rows.append([f"{escape(name)}<br><small>{asked}</small>", *cells])
    said = (
        "<h3>Texts that find images</h3><p>How often a text finds its own image, on items kept from training (small: "
        "chance).</p>"
    )
    return [said, table(["table", "recall@1", "recall@10"], rows)] if rows else []


def _test(test: JsonMapping | None) -> str:
    if test is None:
        return "-"
    return f"{test['value']:.3f}<br><small>{test['chance']:.3f}; {test['questions']:,}</small>"
