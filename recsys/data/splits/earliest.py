"""The earliest share of interactions, which tables are learnt from."""

from __future__ import annotations

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions


def earliest(train: Interactions, share: float, data: Dataset) -> Interactions:
    """The earliest ``share`` of ``train``.

    With timestamps, the interactions up to that quantile of all times; otherwise the first ``share`` of each user's
    interactions, rounded up.
    """
    if share >= 1 or not len(train):
        return train
    if data.has_timestamps:
        return train.before(int(np.quantile(np.asarray(train.time), share, method="lower")) + 1)
    offsets = train.offsets(data.n_users)
    position = np.arange(len(train)) - offsets[:-1][train.user]
    length = np.diff(offsets)[train.user]
    return train.select(position < np.ceil(share * length))
