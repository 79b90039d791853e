"""Who is asked for a list in a request and what the list may hold, with rows of the data in place of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.engine import Request
from recsys.retrieval.anonymous import anonymous_name
from recsys.retrieval.rules.block import Given, of_users

Id = int | str


@dataclass(frozen=True, eq=False)
class Asked:
    """One user.

    Args:
        user: the row of the user; MISSING for one whom the data does not have.
        name: the id that was given; None is an anonymous user.
        history: that which is given; None is the history of the user.
        non_likes: of one user, the items of the given history that are seen and no likes.
        excluded: item rows that are not listed, besides the history.
        candidates: the only item rows that may be listed, ascending; None is all.
        unknown_items: ids that the data does not have; they are passed over.
    """

    user: int
    name: Id | None
    history: Histories | None
    non_likes: Histories
    excluded: Rows
    candidates: Rows | None
    unknown_items: tuple[Id, ...]

    @property
    def unknown_user(self) -> bool:
        return self.name is not None and self.user == MISSING


def names_of(
    asked: Sequence[Asked], histories: Histories, items: Vocabulary, cells: Sequence[Mapping[str, object]]
) -> NDArray[np.object_]:
    """[U] by which lists of single users and random draws are found: the id, or what is known without one.

    Args:
        asked: [U].
        histories: [U].
        items: whose rows histories have.
        cells: [U] of the columns that are given of a user without an id.
    """
    found = np.empty(len(asked), object)
    for row, each in enumerate(asked):
        found[row] = each.name
        if each.name is None:
            history = histories.items[histories.offsets[row] : histories.offsets[row + 1]]
            found[row] = anonymous_name(items.ids[history].tolist(), cells[row])
    return found


def given_of(
    asked: Sequence[Asked],
    names: NDArray[np.object_],
    request: Request,
    filtered: NDArray[np.bool_],
    blocked: Histories | None = None,
) -> Given:
    """What rules know of users; what these leave out and limit counts as rules too.

    Args:
        asked: [U].
        names: [U], see `names_of`.
        request: [U] the users.
        filtered: bool [U], whose seen items are left out.
        blocked: [U] items that are never listed, which count as seen where these are left out; None without any.
    """
    excluded: dict[str, Histories] = {}
    if any(len(each.excluded) for each in asked):
        excluded["exclusions"] = ragged([each.excluded for each in asked])
    if blocked is not None and not filtered.all():
        excluded["blocked"] = of_users(blocked, ~filtered)
    known = names, request.histories, request.also_seen, filtered, lambda: request, excluded
    limited = np.array([each.candidates is not None for each in asked], bool)
    if not limited.any():
        return Given(*known)
    nothing = np.zeros(0, np.int64)
    return Given(*known, ragged([nothing if each.candidates is None else each.candidates for each in asked]), limited)


def ragged(parts: Sequence[Rows]) -> Histories:
    """Item rows of several users as `Histories`; times count up from zero.

    Example:
        >>> ragged([np.array([3, 1]), np.array([], int)]).lengths.tolist()
        [2, 0]
    """
    lengths = [len(part) for part in parts]
    items = np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = np.arange(len(items)) - np.repeat(offsets[:-1], lengths)
    return Histories(offsets, items, times, np.ones(len(items), np.float32))
