"""Likes of a dataset that newer data takes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.feedback.withdrawals import LOWER_RATING, FeedbackCounts, take_back
from recsys.data.interactions import Interactions


def all_rows(data: Dataset) -> Interactions:
    """The likes of ``data`` before any was taken back, and, with weights of zero and below, the rows that take back."""
    found = data.interactions
    for part in (data.settled, data.withdrawals):
        found = found.joined(part) if len(part) else found
    return found


def returns_of(settled: Interactions) -> Interactions:
    """The returns of `Dataset.settled`."""
    return settled.select(settled.weight <= 0)


def lessened(old: Interactions, new: Interactions) -> Interactions:
    """``old``, with the lesser weight where ``new`` has the same interaction, of which it may have returned a part."""
    least = pd.Series(new.weight, moments(new)).groupby(level=[0, 1, 2, 3]).min()
    theirs = least.reindex(moments(old)).to_numpy(np.float32)
    return replace(old, weight=np.fmin(old.weight, theirs))


def without_taken_back(
    likes: Interactions, fresh: NDArray[np.bool_], withdrawals: Interactions, least: float = 0.0
) -> tuple[Interactions, NDArray[np.bool_], Interactions, FeedbackCounts]:
    """The likes that stand after ``withdrawals``.

    Args:
        likes: [E].
        fresh: bool [E], which of them are new.
        withdrawals: rows that take back, with their amounts below zero, as in `Dataset.settled` and ``withdrawals``.
        least: the least weight of a like.

    Returns:
        The likes; which of them are new; what was settled, as in `Dataset.settled`; and the counts.
    """
    if not len(withdrawals):
        return likes, fresh, Interactions.empty(), FeedbackCounts()
    n, parts = len(likes), (likes, withdrawals)
    user, item = (np.concatenate([part.user for part in parts]), np.concatenate([part.item for part in parts]))
    time, tie = np.concatenate([likes.time, withdrawals.time]), np.concatenate([part.ties() for part in parts])
    weight = np.concatenate([likes.weight.astype(np.float64), np.zeros(len(withdrawals))])
    takes = np.concatenate([np.zeros(n), -withdrawals.weight.astype(np.float64)])
    is_like = np.arange(len(user)) < n
    rank = np.where(is_like, 1, np.where(np.isclose(takes, LOWER_RATING), 0, 2))
    pair = pd.DataFrame({"user": user, "item": item}).groupby(["user", "item"], sort=False).ngroup().to_numpy(np.int64)
    order = np.lexsort((rank, tie, time, item, user))
    found = take_back(order, pair, is_like, weight, takes, least)
    stands = found.by[:n] < 0
    standing = replace(likes, weight=found.left[:n].astype(np.float32)).select(stands)
    is_return = ~is_like & (takes < LOWER_RATING / 2)
    amounts = replace(withdrawals, weight=(found.of_standing[n:] - takes[n:]).astype(np.float32))
    settled = likes.select(~stands).joined(amounts.select(is_return[n:]))
    counts = found.counts(weight, is_return)
    return standing, fresh[stands], settled, counts


def moments(x: Interactions) -> pd.MultiIndex:
    """The key (user, item, time, order within the time) of each interaction."""
    return pd.MultiIndex.from_arrays([x.user, x.item, x.time, x.ties()])
