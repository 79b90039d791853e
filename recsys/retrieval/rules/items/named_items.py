"""Rules of the catalogue from items that a call names."""

from __future__ import annotations

from recsys.data.dataset import Dataset
from recsys.errors import DataError
from recsys.retrieval.requested_users import Ids, known_rows
from recsys.retrieval.rules.eligible import ItemRules


def named_items(data: Dataset, items: Ids | None, exclude: Ids, rules: ItemRules) -> ItemRules:
    """``rules`` with ``items`` as those that are allowed, listed or not, and ``exclude`` as those that are denied.

    Args:
        data: the dataset that the ids refer to, which has all of them.
        items: ids of items that may be listed; None is all that the items table lists.
        exclude: ids of items that are not listed.
        rules: the others.

    Raises:
        DataError: an id is unknown, or ``allow`` or ``deny`` is given too.
    """
    given = rules.model_fields_set
    if items is not None and "allow" in given:
        raise DataError("items and allow are both given; give one of them")
    found: dict[str, object] = {name: getattr(rules, name) for name in ItemRules.model_fields}
    if items is not None:
        found |= {"allow": _listed_ids(data, items), "unlisted": True}
    if "deny" not in given:
        found["deny"] = _listed_ids(data, exclude)
    elif len(exclude):
        raise DataError("exclude and deny are both given; give one of them")
    return ItemRules.model_validate(found)


def _listed_ids(data: Dataset, items: Ids) -> tuple[int | str, ...]:
    """``items`` as plain ids of the catalogue, which has all of them."""
    return tuple(data.items.vocabulary.ids[known_rows(data.items.vocabulary, items, "item")].tolist())
