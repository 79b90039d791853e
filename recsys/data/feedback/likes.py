"""Likes and other feedback: ratings below a threshold, dislikes, removals, returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.feedback.withdrawals import LOWER_RATING, WITHDRAWAL, FeedbackCounts, take_back
from recsys.data.interactions import Interactions

BELOW, LIKE, DISLIKE, REMOVAL, RETURN = 0, 1, 2, 3, 4
"""The meaning of a row: a weight below ``positive_from``, a like, a dislike, the removal of an earlier like, or a
weight below zero, which returns as much. Rows of one moment are in this order, and the last one decides."""
MEANINGS = {"like": LIKE, "dislike": DISLIKE, "removal": REMOVAL}
"""Of `recsys.data.feedback.event_types.Meaning`; rows of types that are ignored are left out before."""


@dataclass(frozen=True, eq=False)
class Feedback:
    """The rows of one file by what they mean.

    Args:
        likes: bool [n], the interactions.
        left: float64 [n], what returns leave of the weight of a like; 0 where nothing is left, and for other rows.
        non_likes: bool [n], for each pair of user and item without a like, the last row that says so.
        taken_by: int64 [n], for each like that a later row took back, this row; -1 for other rows.
        takes: float64 [n], what each row would take back of likes of older data, see
            `recsys.data.feedback.withdrawals`; 0 for likes and for returns of which nothing is left.
        counts: what was taken back.
    """

    likes: NDArray[np.bool_]
    left: NDArray[np.float64]
    non_likes: NDArray[np.bool_]
    taken_by: NDArray[np.int64]
    takes: NDArray[np.float64]
    counts: FeedbackCounts

    @property
    def taken_back(self) -> NDArray[np.bool_]:
        """Bool [n]: the likes that a later row took back."""
        return self.taken_by >= 0


def resolve(
    user: NDArray[np.integer],
    item: NDArray[np.integer],
    time: NDArray[np.integer] | tuple[NDArray[np.integer], NDArray[np.integer]],
    meaning: NDArray[np.int8],
    weight: NDArray[np.float64],
    ratings: bool,
    least: float = 0.0,
) -> Feedback:
    """Which rows are likes, and which pairs of user and item are none, as they stand at the end of the file.

    A dislike or a removal takes back all earlier likes of the same user and item, and a later like stands again. A
    return takes back as much as it weighs, of the latest earlier likes first: of two purchases and one return the first
    purchase stands, and of a purchase of three and a return of one, two. A rating of zero up to the threshold takes
    back all earlier, higher ones; an event below it does not: a view takes no purchase back.

    Args:
        user: int [n].
        item: int [n].
        time: int [n], or the times and the order within one time; rows of one moment are ordered by their meaning.
        meaning: int8 [n], `BELOW`, `LIKE`, `DISLIKE`, `REMOVAL` or `RETURN`.
        weight: float64 [n], below zero for returns.
        ratings: whether `BELOW` takes likes back.
        least: the threshold, below which what a return leaves of a like is none.

    Example:
        >>> rows, meaning = np.zeros(3, np.int64), np.array([LIKE, LIKE, RETURN], np.int8)
        >>> found = resolve(rows, rows, np.arange(3), meaning, np.array([1.0, 1.0, -1.0]), ratings=True)
        >>> found.likes.tolist(), found.non_likes.tolist()
        ([True, False, False], [False, False, False])
    """
    times = time if isinstance(time, tuple) else (time,)
    order = np.lexsort((meaning, *reversed(times), item, user))
    u, i, kind = user[order], item[order], meaning[order]
    non_likes, pair = np.zeros(len(order), bool), np.zeros(len(order), np.int64)
    first = np.append(True, (u[1:] != u[:-1]) | (i[1:] != i[:-1]))[: len(order)]
    pair[order] = np.cumsum(first) - 1
    is_like = meaning == LIKE
    takes = np.select(
        [meaning == RETURN, meaning > LIKE, (meaning == BELOW) & ratings], [-weight, WITHDRAWAL, LOWER_RATING], 0.0
    )
    found = take_back(order, pair, is_like, np.where(is_like, weight, 0.0), takes, max(least, 0.0))
    likes = is_like & (found.by < 0)
    if len(order):
        starts, place = np.flatnonzero(first), np.arange(len(order))
        last = np.maximum.reduceat(np.where(kind != LIKE, place, -1), starts)
        last = last[(last >= 0) & ~np.maximum.reduceat(likes[order], starts)]
        non_likes[order[last]] = True
    counts = found.counts(np.where(is_like, weight, 0.0), meaning == RETURN)
    return Feedback(likes, found.left, non_likes, found.by, takes - found.of_standing, counts)


def known_by_then(feedback: Interactions, history: Interactions, n_users: int) -> Interactions:
    """The part of ``feedback`` that came no later than the user's last interaction in ``history``.

    So nothing of what a user disliked after the moment of a prediction is known to it. Without an order all times are
    equal, and the feedback of every user of ``history`` is known.
    """
    last = np.full(n_users, np.iinfo(np.int64).min)
    np.maximum.at(last, history.user, history.time)
    return feedback.select(feedback.time <= last[feedback.user])


def learned_negatives(non_likes: Interactions, train: Interactions, n_users: int, n_items: int) -> Interactions:
    """The non-likes that an engine fitted on ``train`` may learn as negatives.

    Those of weight above zero, known by then, and of items that ``train`` holds an interaction of, so that nothing is
    told of users or items that were held out.
    """
    if not len(non_likes) or not (non_likes.weight > 0).any():
        return Interactions.empty()
    known = known_by_then(non_likes.select(non_likes.weight > 0), train, n_users)
    return known.select(train.item_counts(n_items)[known.item] > 0)
