"""Eligible items: the part of the catalogue that may be recommended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import field_validator

from recsys.config import Config
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.errors import DataError
from recsys.retrieval.rules.conditions import check_syntax, matching
from recsys.retrieval.rules.id_lists import IdList, known_ids


class ItemRules(Config):
    """Which items may be recommended: those that every rule lets through.

    Args:
        allow: ids of items that may be recommended, or a file of them (CSV, text or Parquet); None is all. Ids that are
            not in the data are passed over and counted.
        deny: ids of items that are not recommended, or a file of them.
        where: a condition on item columns, such as ``in_stock and price < 100`` or ``"Drama" in genres``; see
            `recsys.retrieval.rules.conditions`. A missing cell does not meet a comparison.
        unlisted: whether items that the items table does not list are recommended too; they are known from interactions
            alone, because they left the catalogue or were never described.
    """

    allow: IdList | None = None
    deny: IdList = ()
    where: str | None = None
    unlisted: bool = False

    @field_validator("where")
    @classmethod
    def _is_a_condition(cls, where: str | None) -> str | None:
        if where is not None:
            try:
                check_syntax(where)
            except DataError as error:
                raise ValueError(str(error)) from error
        return where


@dataclass(frozen=True, eq=False)
class Eligible:
    """The items that may be recommended.

    Args:
        rows: ascending; None is every item.
        told: what the rules left out or passed over, one line each.
    """

    rows: Rows | None
    told: tuple[str, ...]


def eligible_items(items: EntityTable, rules: ItemRules) -> Eligible:
    """The rows of ``items`` that may be recommended.

    Args:
        items: the catalogue.
        rules: what they must meet.

    Raises:
        DataError: no item is left, or a list of ids or a condition is wrong.

    Example:
        >>> from recsys.data.vocabulary import Vocabulary
        >>> table = EntityTable.bare(Vocabulary.of(["a", "b", "c"]))
        >>> eligible_items(table, ItemRules(allow=("c", "a", "z"), deny=("a",))).told
        ("1 id is not in the data and passed over, of recommend.allow: 'z'",)
    """
    left, told = np.ones(len(items), bool), []
    if len(items.unlisted) and not rules.unlisted:
        left[items.unlisted] = False
        told.append(
            f"{_items(len(items.unlisted))} not in the items table and not recommended "
            "(recommend.unlisted = true recommends them)"
        )
    if rules.where is not None:
        met = matching(items, rules.where)
        told.append(f"{met.sum()} of {len(items)} items meet where = {rules.where!r}")
        left &= met
    for name, ids in (("allow", rules.allow), ("deny", rules.deny)):
        if ids is None or ids == ():
            left &= name == "deny" or ids is None
            continue
        known = known_ids(items.vocabulary, ids, f"recommend.{name}", "item_id")
        listed = np.isin(np.arange(len(items)), known.rows)
        left &= listed if name == "allow" else ~listed
        told += [line for line in [known.told(f"recommend.{name}")] if line is not None]
    if not left.any():
        raise DataError("\n  ".join(["the rules leave no item to recommend; widen allow, deny or where", *told]))
    return Eligible(None if left.all() else np.flatnonzero(left), tuple(told))


def _items(count: int) -> str:
    return "1 item is" if count == 1 else f"{count} items are"
