"""Rows of a call, with rows of the data in place of ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request
from recsys.registry.pyfunc.cells import plain
from recsys.retrieval.anonymous import anonymous_name, given_cells
from recsys.retrieval.rules.block import Given


@dataclass(frozen=True, eq=False)
class Asked:
    """The rows of a call: [n] each.

    Args:
        users: rows of the bundle's users; MISSING where absent or unknown.
        histories: the given history; None takes that of the user.
        non_likes: of one user each, the items of the given history that are seen and no likes.
        excluded: the item rows that are left out besides the history.
        candidates: the only item rows that may be listed, each once; None is all.
        unknown_items: ids that the bundle does not have.
        unknown_user: the id of a user whom the bundle does not have; None without one.
        at: the time of the recommendation; None is now.
        ks: lengths of the lists.
    """

    users: Rows
    histories: list[Histories | None]
    non_likes: list[Histories]
    excluded: list[list[int]]
    candidates: list[list[int] | None]
    unknown_items: list[list[str]]
    unknown_user: list[int | str | None]
    at: list[int | None]
    ks: list[int]

    def given(
        self, numbers: Rows, request: Request, attributes: pd.DataFrame, data: Dataset, filter_seen: bool
    ) -> Given:
        """What rules know of the users of some rows; what these leave out and limit counts as rules too.

        Args:
            numbers: [U] of the rows.
            request: [U] their users.
            attributes: [n] the columns of users that all rows give.
            data: the users and items.
            filter_seen: whether seen items are left out.
        """
        names, filtered = self._names(numbers, request.histories, attributes, data), np.full(len(numbers), filter_seen)
        left_out = Histories.of([self.excluded[number] for number in numbers])
        excluded = {"exclusions": left_out} if len(left_out.items) else {}
        known = names, request.histories, request.also_seen, filtered, lambda: request, excluded
        only = [self.candidates[number] for number in numbers]
        limited = np.array([items is not None for items in only], bool)
        return Given(*known, Histories.of([items or [] for items in only]), limited) if limited.any() else Given(*known)

    def _names(
        self, numbers: Rows, histories: Histories, attributes: pd.DataFrame, data: Dataset
    ) -> NDArray[np.object_]:
        """By which rules know the users of some rows: the id, or what is known of a user without one."""
        users, items = data.users.vocabulary.ids, data.items.vocabulary.ids
        found, cells = np.empty(len(numbers), object), given_cells(attributes.iloc[numbers])
        for place, number in enumerate(numbers.tolist()):
            row, name = self.users[number], self.unknown_user[number]
            if row == MISSING and name is None:
                history = items[histories.take(slice(place, place + 1)).items].tolist()
                name = anonymous_name(history, cells[place])
            found[place] = plain(users[row]) if row != MISSING else name
        return found
