"""Eligible items: the part of the catalogue that may be recommended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.config import Config
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.errors import DataError
from recsys.retrieval.rules.conditions import Condition, matching, names_users
from recsys.retrieval.rules.id_lists import IdList, known_ids


class ItemRules(Config):
    """Which items may be recommended: those that every rule lets through.

    Args:
        allow: ids of items that may be recommended, or a file of them (CSV, text or Parquet); None is all. Ids that are
            not in the data are passed over and counted.
        deny: ids of items that are not recommended, or a file of them.
        where: a condition on item columns, such as ``in_stock and price < 100`` or ``"Drama" in genres``; see
            `recsys.retrieval.rules.conditions`. A missing cell does not meet a comparison. ``user.NAME`` is a column of
            users, as in ``city == user.city``: each user gets the items that meet it, and a comparison with a value
            that the user does not have is left out; see `recsys.retrieval.rules.by_user`.
        unlisted: whether items that the items table does not list are recommended too; they are known from interactions
            alone, because they left the catalogue or were never described.
    """

    allow: IdList | None = None
    deny: IdList = ()
    where: Condition | None = None
    unlisted: bool = False


@dataclass(frozen=True, eq=False)
class Eligible:
    """The items that may be recommended.

    Args:
        rows: ascending; None is every item.
        told: what the rules left out or passed over, one line each.
        removed: the rows that each rule left out, by its name, each under the first rule that did.
    """

    rows: Rows | None
    told: tuple[str, ...]
    removed: Mapping[str, Rows] = field(default_factory=dict)

    def mask(self, n_items: int) -> NDArray[np.bool_]:
        """Bool [I]: which of ``n_items`` items may be recommended."""
        found = np.zeros(n_items, bool)
        found[slice(None) if self.rows is None else self.rows] = True
        return found


@dataclass(frozen=True, eq=False)
class ItemMasks:
    """What each rule of the catalogue lets through, whatever the time.

    Args:
        met: bool [I] by the name of the rule.
        told: what the rules left out or passed over, one line each.
    """

    met: Mapping[str, NDArray[np.bool_]]
    told: tuple[str, ...]

    @classmethod
    def of(cls, items: EntityTable, rules: ItemRules) -> ItemMasks:
        """The masks of ``rules``; a ``where`` that names users is asked elsewhere.

        Raises:
            DataError: a list of ids or a condition is wrong.
        """
        told, kept = [], dict[str, NDArray[np.bool_]]()
        if len(items.unlisted) and not rules.unlisted:
            kept["unlisted"] = ~np.isin(np.arange(len(items)), items.unlisted)
            told.append(
                f"{_items(len(items.unlisted))} not in the items table and not recommended "
                "(recommend.unlisted = true recommends them)"
            )
        if rules.where is not None and not names_users(rules.where):
            met = matching(items, rules.where)
            told.append(f"{met.sum()} of {len(items)} items meet where = {rules.where!r}")
            kept["where"] = met
        for name, ids in (("allow", rules.allow), ("deny", rules.deny)):
            if ids is None or ids == ():
                kept[name] = np.full(len(items), name == "deny" or ids is None)
                continue
            known = known_ids(items.vocabulary, ids, f"recommend.{name}", "item_id")
            listed = np.isin(np.arange(len(items)), known.rows)
            kept[name] = listed if name == "allow" else ~listed
            told += [line for line in [known.told(f"recommend.{name}")] if line is not None]
        return cls(kept, tuple(told))

    def eligible(self, more: Mapping[str, NDArray[np.bool_]]) -> Eligible:
        """The items that these rules and others let through.

        Args:
            more: bool [I] of the others by their names.

        Raises:
            DataError: no item is left.
        """
        total = len(next(iter(self.met.values())))
        told = [*self.told, *(f"{met.sum()} of {total} items pass the rule {name}" for name, met in more.items())]
        left, removed = np.ones(total, bool), dict[str, Rows]()
        for name, met in (*self.met.items(), *more.items()):
            removed[name] = np.flatnonzero(left & ~met)
            left &= met
        if not left.any():
            raise DataError("\n  ".join(["the rules leave no item to recommend; widen allow, deny or where", *told]))
        found = {name: rows for name, rows in removed.items() if len(rows)}
        return Eligible(None if left.all() else np.flatnonzero(left), tuple(told), found)


def eligible_items(items: EntityTable, rules: ItemRules) -> Eligible:
    """The rows of ``items`` that may be recommended to anybody; a ``where`` that names users is asked elsewhere.

    Raises:
        DataError: no item is left, or a list of ids or a condition is wrong.

    Example:
        >>> from recsys.data.vocabulary import Vocabulary
        >>> table = EntityTable.bare(Vocabulary.of(["a", "b", "c"]))
        >>> eligible_items(table, ItemRules(allow=("c", "a", "z"), deny=("a",))).told
        ("1 id is not in the data and passed over, of recommend.allow: 'z'",)
    """
    return ItemMasks.of(items, rules).eligible({})


def _items(count: int) -> str:
    return "1 item is" if count == 1 else f"{count} items are"
