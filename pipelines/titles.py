"""What people call an item."""

from __future__ import annotations

from recsys.data.entities import EntityTable

_NAMES = ("title", "name", "item_name", "product_title")


def titles(items: EntityTable) -> list[str]:
    """One text an item: its title, else its id."""
    ids = [str(key) for key in items.vocabulary.ids]
    column = next((name for name in _NAMES if name in items.columns), None)
    if column is None:
        return ids
    found = items.columns[column]
    return [str(text) if known else key for text, known, key in zip(found, found.notna(), ids, strict=True)]
