"""Exploration: a share of the places is given to random eligible items, so that items without clicks are seen too.

Draws depend on the seed, the user's id and the number of the draw alone, so that a list does not depend on the other
users of a batch. An anonymous user goes by the history, see `recsys.retrieval.anonymous.anonymous_name`. Items among
the first k of the ranking are drawn only where no other eligible item is left, and users with candidates of their own
are given these; so the share is reached while a list can take an eligible item.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.data.vocabulary import Ids as IdArray
from recsys.seeding import stream_seed

_MORE = 4
"""Draws above twice the places, for those that are listed or excluded; more are drawn for users who lack some."""


class Exploration(Config):
    """Places that are given to random items.

    Args:
        share: of the places of a list, from 0 to 1.
        seed: of the draws; the same seed gives the same lists. Change it, as by the date, to explore other items.
    """

    share: float = Field(ge=0, le=1)
    seed: int = 0


def explored_places(rule: Exploration, ids: IdArray, k: int) -> NDArray[np.bool_]:
    """Bool [U, k]: the places of each user's list that are given to random items.

    Of ``share * k`` places the whole number is given, and one more with the probability of the rest.

    Example:
        >>> explored_places(Exploration(share=0.2), np.array(["ann", "bob"], object), k=10).sum(1).tolist()
        [2, 2]
    """
    keys = _keys(rule, ids, "places")
    uniform = _uniform(_mixed(keys[:, None], np.arange(k + 1)))
    count = np.floor(rule.share * k + uniform[:, k])
    order = np.argsort(uniform[:, :k], axis=1, kind="stable")
    found = np.zeros(order.shape, bool)
    np.put_along_axis(found, order, np.arange(k) < count[:, None], axis=1)
    return found


def first_number(rule: Exploration, k: int) -> int:
    """How many items are drawn at first for a list of ``k``."""
    return 2 * (int(rule.share * k) + 1) + _MORE


def draws(rule: Exploration, ids: IdArray, number: int, eligible: Rows) -> Rows:
    """int64 [U, E]: random items of ``eligible`` for each user: ``number`` with repeats, or all in a random order.

    Args:
        rule: the seed.
        ids: [U].
        number: of draws; all items are in the order where there are no more.
        eligible: rows of the items that may be recommended.
    """
    complete = number >= len(eligible)
    mixed = _mixed(_keys(rule, ids, "items")[:, None], np.arange(len(eligible) if complete else number))
    if complete:
        return eligible[np.argsort(mixed, axis=1, kind="stable")]
    return eligible[(mixed % np.uint64(len(eligible))).astype(np.int64)]


def own_draws(rule: Exploration, ids: IdArray, own: Histories, width: int) -> Rows:
    """int64 [U, ``width``]: the items of each user's own list in a random order, padded with MISSING.

    Args:
        rule: the seed.
        ids: [U].
        own: [U] lists without repeats.
        width: of the result.
    """
    owner = own.users()
    items = own.items[np.lexsort((_mixed(_keys(rule, ids, "items")[owner], own.items), owner))]
    place = np.arange(len(items)) - own.offsets[owner]
    found = np.full((len(ids), width), MISSING)
    found[owner[place < width], place[place < width]] = items[place < width]
    return found


def _keys(rule: Exploration, ids: IdArray, name: str) -> NDArray[np.uint64]:
    """uint64 [U], of the seed, the stream's name and each id."""
    keys: NDArray[np.uint64] = _hashed(ids) ^ np.uint64(stream_seed(rule.seed, "exploration", name))
    return keys


def _hashed(ids: IdArray) -> NDArray[np.uint64]:
    """uint64 [U]: the hash of each id, whatever the other ids are."""
    integers = np.array([not isinstance(key, str) for key in ids.tolist()], bool)
    found = np.empty(len(ids), np.uint64)
    found[integers] = pd.util.hash_array(ids[integers].astype(np.int64), categorize=False)
    found[~integers] = pd.util.hash_array(ids[~integers].astype(object), categorize=False)
    return found


def _mixed(keys: NDArray[np.uint64], numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """The hash of each key and number (SplitMix64, Steele, Lea and Flood, 2014)."""
    with np.errstate(over="ignore"):
        state = keys + (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(state ^ (state >> np.uint64(31)), np.uint64)


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (bits >> np.uint64(11)).astype(np.float64) / 2.0**53
