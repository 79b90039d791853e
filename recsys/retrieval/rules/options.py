"""The options of all rules that choose, order and explain the items of a list."""

from __future__ import annotations

from pydantic import Field, model_validator

from recsys.config import Config
from recsys.retrieval.rules.boosts import Boost
from recsys.retrieval.rules.items.freshness import Freshness
from recsys.retrieval.rules.pairs.user_lists import PairList
from recsys.retrieval.rules.ranking.at_least import AtLeast
from recsys.retrieval.rules.ranking.calibration import Calibration
from recsys.retrieval.rules.ranking.caps import Cap
from recsys.retrieval.rules.ranking.diversity import Diversity
from recsys.retrieval.rules.ranking.exploration import Exploration


class RuleOptions(Config):
    """Rules of lists beside the seen filter, ``allow``, ``deny`` and ``where``; none by default.

    Args:
        candidates: items that single users may get: a file with the columns user_id and item_id (CSV or Parquet), or
            pairs of ids; in Python a frame too. Users whom it does not name may get all eligible items.
        exclusions: items that single users must not get, given alike.
        available_from: an item column with the time from which an item is recommended; a missing cell is always.
        available_until: an item column with the time from which it is no longer.
        freshness: items that are newer than a number of days alone.
        blocked: leaves out what the user disliked, rated low or removed, also where ``filter_seen`` is off.
        boosts: other scores for items that meet a condition; beside an approximate index these are scanned.
        group: an item column, such as a series or a product with its variants, of whose values a list has one item
            each; items without a value have no such limit.
        caps: at most so many items of each value of a column.
        at_least: at least so many items that meet a condition, where possible.
        diversity: items unlike each other.
        calibration: values of a column in the shares of the user's history.
        exploration: places that are given to random items.
        reasons: whether the output has the column ``reason``: the names of the rules without which the item would not
            have its place (`recsys.retrieval.rules.registry.RULES`), or ``score``.
    """

    candidates: PairList | None = None
    exclusions: PairList = ()
    available_from: str | None = None
    available_until: str | None = None
    freshness: Freshness | None = None
    blocked: bool = False
    boosts: tuple[Boost, ...] = ()
    group: str | None = None
    caps: tuple[Cap, ...] = ()
    at_least: tuple[AtLeast, ...] = Field(default=(), max_length=16)
    diversity: Diversity | None = None
    calibration: Calibration | None = None
    exploration: Exploration | None = None
    reasons: bool = False

    @model_validator(mode="after")
    def _weights_leave_relevance(self) -> RuleOptions:
        weights = [rule.weight for rule in (self.diversity, self.calibration) if rule is not None]
        if sum(weights) > 1:
            raise ValueError(f"the weights of diversity and calibration sum to {sum(weights):g}; give them at most 1")
        return self

    @property
    def by_time(self) -> bool:
        """Whether lists depend on the time of the recommendation although nothing else changes."""
        return self.available_from is not None or self.available_until is not None or self.freshness is not None

    @property
    def reranks(self) -> bool:
        """Whether lists are chosen from more candidates than they have places, or in another order."""
        chosen = (self.group, self.diversity, self.calibration, self.exploration)
        return bool(self.caps or self.at_least) or any(rule is not None for rule in chosen)
