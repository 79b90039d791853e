"""The intrinsic quality of each pretrained embedding table."""

from __future__ import annotations

from html import escape

from recsys.evaluation.report.page.html import card, section
from recsys.evaluation.report.page.tables import Cell, interval, table, with_chance
from recsys.json_values import JsonMapping


def embeddings(tables: JsonMapping) -> str:
    """HTML of the section: quality of each table, word similarity and analogy tests, and recall of images by texts.

    Args:
        tables: table name -> its quality, as under ``embeddings`` in ``report.json``.
    """
    first = next(iter(tables.values()))
    agreed = escape(str(first["attribute"])) if first["attribute"] else "no column"
    against = ("agreement", "recall_at_1", "r_precision")
    rows: list[list[str | Cell]] = [
        [
            f"{escape(name)} <small>{row['items']:,} x {row['dim']}</small>",
            *(with_chance(row[key], row[f"{key}_chance"]) for key in against),
            *(with_chance(row[key]) for key in ("alignment", "uniformity")),
            interval(row["next_item"]),
        ]
        for name, row in tables.items()
    ]
    head = ["table", "agreement", "recall@1", "R-precision", "alignment", "uniformity"]
    head.append(f"next item, {first['next_item']['metric']}")
    caption = (
        f"Nearest neighbours by cosine against {agreed} (small: a random order); alignment of "
        "consecutive items in validation, and uniformity (lower is better for both); recall of the next item in "
        "validation, items ranked by the mean of the history's centred vectors."
    )
    return section(
        "The tables by themselves", card(table(head, rows)), *_words(tables), *_crossed(tables), note=caption
    )


def _words(tables: JsonMapping) -> list[str]:
    tests = ("similarity", "plurals", "tags")
    rows: list[list[str | Cell]] = [
        [f"{escape(name)} <small>{row['words']['words']:,} words</small>", *(_test(row["words"][t]) for t in tests)]
        for name, row in tables.items()
        if "words" in row
    ]
    caption = (
        "<h3>Words</h3><p class='note'>Similarity: Spearman's rho of two words' cosine with the similarity of their "
        "items' tags, "
        "over pairs that never share a text. Analogies (accuracy): film is to films as war is to wars; "
        "a word is to its tag's name as another is to its own tag's. "
        "Small: chance level, and the number of pairs or analogies.</p>"
    )
    return [caption, card(table(["table", "similarity", "plurals", "words and tags"], rows))] if rows else []


def _crossed(tables: JsonMapping) -> list[str]:
    rows: list[list[str | Cell]] = []
    for name, row in tables.items():
        for among, found in row.get("text_to_image", {}).items():
            size = f"{found['items']:,} texts, {found['candidates']:,} images ({among.replace('_', ' ')})"
            cells = [with_chance(found[f"recall@{k}"], k / found["candidates"]) for k in (1, 10)]
            rows.append([f"{escape(name)} <small>{size}</small>", *cells])
    caption = (
        "<h3>Text-to-image retrieval</h3><p class='note'>Recall of an item's image by its text, on items held out of "
        "training (small: chance level).</p>"
    )
    return [caption, card(table(["table", "recall@1", "recall@10"], rows))] if rows else []


def _test(test: JsonMapping | None) -> Cell:
    if test is None:
        return Cell("–")
    return Cell(f"{test['value']:.3f} <small>{test['chance']:.3f}; {test['questions']:,}</small>", test["value"])
