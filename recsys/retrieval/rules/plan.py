"""A plan of rules: the options of a batch, resolved against its data once for all users."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.errors import DataError
from recsys.retrieval.retriever import seen_items
from recsys.retrieval.rules.block import Given, of_users
from recsys.retrieval.rules.boosts import Boosts
from recsys.retrieval.rules.by_user import UserCondition
from recsys.retrieval.rules.conditions import item_columns, matching
from recsys.retrieval.rules.eligible import Eligible, ItemMasks, ItemRules
from recsys.retrieval.rules.items.availability import available
from recsys.retrieval.rules.items.column_values import ColumnValues
from recsys.retrieval.rules.items.freshness import fresh
from recsys.retrieval.rules.items.windows import Windows
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.pairs.blocked import blocked_items
from recsys.retrieval.rules.pairs.own_candidates import contained
from recsys.retrieval.rules.pairs.user_lists import UserLists
from recsys.retrieval.rules.ranking.at_least import AtLeastRule
from recsys.retrieval.rules.ranking.caps import CapRule

_KEY = "recommend.rules"


@dataclass(frozen=True, eq=False)
class RulePlan:
    """Rules with the columns, lists and items that they name.

    Args:
        data: the users and items.
        rules: the options.
        masks: the items that rules of the catalogue let through.
        windows: of the items, by the name of the rule by time.
        eligible: the items that may be recommended to anybody at the moment.
        by_user: the condition by which each user gets a part of them; None without one.
        candidates: items of single users; None where nobody has such a list.
        exclusions: items that single users must not get; None without any.
        boosts: None without any.
        constraints: the caps and the group.
        quotas: None without any.
        diversity: the values of the column by which items are compared; None compares vectors, or nothing.
        calibration: the values of the column; None without the rule.
    """

    data: Dataset
    rules: RuleOptions
    masks: ItemMasks
    windows: Mapping[str, Windows]
    eligible: Eligible
    by_user: UserCondition | None
    candidates: UserLists | None
    exclusions: UserLists | None
    boosts: Boosts | None
    constraints: tuple[CapRule, ...]
    quotas: AtLeastRule | None
    diversity: ColumnValues | None
    calibration: ColumnValues | None

    @classmethod
    def of(
        cls, data: Dataset, items: ItemRules, rules: RuleOptions, at: int | None = None, now: float | None = None
    ) -> RulePlan:
        """The plan of ``rules`` on ``data``.

        Args:
            data: the users and items.
            items: the rules of the whole catalogue.
            rules: the others.
            at: the time of the recommendation; None is now.
            now: seconds since 1970 UTC; None reads the clock.

        Raises:
            DataError: a rule is wrong, or they leave no item.
        """
        masks, windows = ItemMasks.of(data.items, items), _windows(data, rules)
        moment = float(at) if at is not None and data.has_timestamps else time.time() if now is None else now
        plan = cls(
            data,
            rules,
            masks,
            windows,
            masks.eligible({name: each.open_at(moment) for name, each in windows.items()}),
            UserCondition.of(data.items, data.users, items.where),
            None if rules.candidates is None else UserLists.of(data, rules.candidates, f"{_KEY}.candidates"),
            None if rules.exclusions == () else UserLists.of(data, rules.exclusions, f"{_KEY}.exclusions"),
            Boosts.of(data.items, rules.boosts) if rules.boosts else None,
            tuple(_constraints(data, rules)),
            _quotas(data, rules),
            _column(data, None if rules.diversity is None else rules.diversity.column, f"{_KEY}.diversity"),
            _column(data, None if rules.calibration is None else rules.calibration.column, f"{_KEY}.calibration"),
        )
        if rules.blocked and not len(data.non_likes):
            raise DataError(
                "recommend.rules.blocked: the data has no negative feedback, so nothing is blocked; set "
                "data.positive_from or data.columns.event_meaning, or leave the rule out"
            )
        return plan

    def at(self, moment: float) -> RulePlan:
        """The same rules at another moment, in seconds since 1970 UTC.

        Raises:
            DataError: they leave no item then.
        """
        met = {name: each.open_at(moment) for name, each in self.windows.items()}
        return replace(self, eligible=self.masks.eligible(met))

    @cached_property
    def told(self) -> tuple[str, ...]:
        """What the rules left out or passed over, one line each."""
        lists = (self.candidates, self.exclusions)
        by_user = () if self.by_user is None else (self.by_user.told(self.data.users, self.mask),)
        return (*self.eligible.told, *by_user, *(line for part in lists if part is not None for line in part.told))

    @property
    def by_user_text(self) -> str:
        """The condition by which each user gets a part of the items; empty without one."""
        return "" if self.by_user is None else self.by_user.text

    @property
    def fingerprint(self) -> str:
        """A digest of the lists of single users, whose files may change under their names; empty without any."""
        lists = [part for part in (self.candidates, self.exclusions) if part is not None]
        arrays = [(part.users.fingerprint, part.lists.offsets.data, part.lists.items.data) for part in lists]
        return short_digest([piece for pieces in arrays for piece in pieces]) if lists else ""

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Bool [I]: the items that may be recommended to anybody."""
        return self.eligible.mask(self.data.n_items)

    @property
    def items_fingerprint(self) -> str:
        """A digest of what lists depend on of the items: ids, which are eligible, and the columns that rules name."""
        rules = self.rules
        conditions = [each.where for each in rules.boosts] + [each.where for each in rules.at_least]
        conditions += [self.by_user_text] if self.by_user is not None else []
        named = {name for text in conditions for name in item_columns(text)} | {cap.column for cap in rules.caps}
        named |= {rules.group or ""} | {each.column or "" for each in (rules.diversity, rules.calibration) if each}
        items = replace(self.data.items, listed=None)
        used = items.with_columns([name for name in items.columns if name in named])
        removed = {name: rows.tolist() for name, rows in self.eligible.removed.items()} if rules.reasons else {}
        return short_digest([used.fingerprint, self.mask.data, json.dumps(removed)])

    def narrowed(self, met: NDArray[np.bool_]) -> RulePlan:
        """The plan of users who may get the items ``met`` [I] of those that may be recommended."""
        removed = {name: rows[met[rows]] for name, rows in self.eligible.removed.items()}
        if "unlisted" in removed:
            removed["unlisted"] = self.eligible.removed["unlisted"]
        of_where = ~met
        of_where[removed.get("unlisted", [])] = False
        removed["where"] = np.flatnonzero(of_where)
        kept = {name: rows for name, rows in removed.items() if len(rows)}
        return replace(self, eligible=Eligible(np.flatnonzero(self.mask & met), (), kept), by_user=None)

    def excluded(self, given: Given) -> dict[str, Histories]:
        """The items that each rule of pairs leaves out of the lists of users, by its name."""
        found = {"seen": of_users(seen_items(given), given.filtered)} if given.filtered.any() else {}
        if self.exclusions is not None:
            found["exclusions"] = self.exclusions.rows_of(given.ids)
        if self.rules.blocked and not given.filtered.all():
            found["blocked"] = of_users(blocked_items(given), ~given.filtered)
        for name, items in given.excluded.items():
            found[name] = found[name].joined(items) if name in found else items
        return found

    def own(self, given: Given) -> tuple[Rows, Histories | None]:
        """The users who get items of their own list alone, and [U] these items, also of those who have no list.

        Where the rules and the question both name items, they are those that both name.
        """
        named = np.zeros(len(given), bool) if self.candidates is None else self.candidates.named(given.ids) >= 0
        found = None if self.candidates is None else self.candidates.rows_of(given.ids)
        if given.candidates is not None:
            asked, both = given.candidates, named & given.limited
            if found is not None:
                owner = asked.users()
                kept = ~both[owner] | contained(owner, asked.items.astype(np.int64), found, self.data.n_items)
                asked = of_users(found, ~given.limited).joined(asked.where(kept))
            named, found = named | given.limited, asked
        return np.flatnonzero(named), found

    def depth(self, k: int) -> int:
        """The candidates of a user from which a list of ``k`` is chosen at first."""
        pools = [rule.pool for rule in (self.rules.diversity, self.rules.calibration) if rule is not None]
        depths = [k + k // 2 if pool is None else pool for pool in pools]
        if self.constraints:
            depths.append(k + max(k // 4, 8))
        return max([k, *depths])


def _windows(data: Dataset, rules: RuleOptions) -> dict[str, Windows]:
    found = {}
    if rules.available_from is not None or rules.available_until is not None:
        found["availability"] = available(data.items, rules.available_from, rules.available_until)
    if rules.freshness is not None:
        found["freshness"] = fresh(data, rules.freshness)
    return found


def _constraints(data: Dataset, rules: RuleOptions) -> Iterator[CapRule]:
    if rules.group is not None:
        yield CapRule("group", ColumnValues.of(data.items, rules.group, f"{_KEY}.group"), 1)
    for cap in rules.caps:
        yield CapRule("caps", ColumnValues.of(data.items, cap.column, f"{_KEY}.caps"), cap.most)


def _quotas(data: Dataset, rules: RuleOptions) -> AtLeastRule | None:
    if not rules.at_least:
        return None
    matches = np.stack([matching(data.items, quota.where) for quota in rules.at_least])
    return AtLeastRule(matches, np.array([quota.least for quota in rules.at_least]))


def _column(data: Dataset, column: str | None, rule: str) -> ColumnValues | None:
    return None if column is None else ColumnValues.of(data.items, column, f"{rule}.column")
