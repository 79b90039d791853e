"""A plan of rules: the options of a batch, resolved against its data once for all users."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.engine import Request
from recsys.errors import DataError
from recsys.retrieval.retriever import seen_items
from recsys.retrieval.rules.boosts import Boosts
from recsys.retrieval.rules.by_user import UserCondition
from recsys.retrieval.rules.conditions import matching
from recsys.retrieval.rules.eligible import Eligible, ItemRules, eligible_items
from recsys.retrieval.rules.items.availability import available
from recsys.retrieval.rules.items.column_values import ColumnValues
from recsys.retrieval.rules.items.freshness import fresh
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.pairs.blocked import blocked_items
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
        eligible: the items that may be recommended to anybody.
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
        plan = cls(
            data,
            rules,
            eligible_items(data.items, items, _item_masks(data, rules, at, now)),
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

    @property
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

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Bool [I]: the items that may be recommended to anybody."""
        found = np.zeros(self.data.n_items, bool)
        found[slice(None) if self.eligible.rows is None else self.eligible.rows] = True
        return found

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

    def excluded(self, request: Request, filter_seen: bool) -> dict[str, Histories]:
        """The items that each rule of pairs leaves out of the lists of the users of ``request``, by its name."""
        found = {"seen": seen_items(request)} if filter_seen else {}
        if self.exclusions is not None:
            found["exclusions"] = self.exclusions.rows_of(request.users.vocabulary.ids)
        if self.rules.blocked and not filter_seen:
            found["blocked"] = blocked_items(request)
        return found

    def named(self, request: Request) -> Rows:
        """The users of ``request`` who get items of their own list alone."""
        if self.candidates is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.candidates.named(request.users.vocabulary.ids) >= 0)

    def depth(self, k: int) -> int:
        """The candidates of a user from which a list of ``k`` is chosen at first."""
        pools = [rule.pool for rule in (self.rules.diversity, self.rules.calibration) if rule is not None]
        depths = [k + k // 2 if pool is None else pool for pool in pools]
        if self.constraints:
            depths.append(k + max(k // 4, 8))
        return max([k, *depths])


def _item_masks(data: Dataset, rules: RuleOptions, at: int | None, now: float | None) -> dict[str, NDArray[np.bool_]]:
    clock = time.time() if now is None else now
    moment = float(at) if at is not None and data.has_timestamps else clock
    masks = {}
    if rules.available_from is not None or rules.available_until is not None:
        masks["availability"] = available(data.items, rules.available_from, rules.available_until, moment)
    if rules.freshness is not None:
        masks["freshness"] = fresh(data, rules.freshness, moment)
    return masks


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
