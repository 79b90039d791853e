"""Which columns enter the towers where the user names none: those that tell something on the training interactions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.features.evidence import (
    Evidence,
    item_column_evidence,
    transition_evidence,
    user_column_evidence,
    value_shares,
)
from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.features.scalers import Embedded
from recsys.data.interactions import Interactions

Side = Literal["item", "user"]


def column_evidence(data: Dataset, train: Interactions, side: Side, options: FeatureOptions) -> dict[str, Evidence]:
    """Column name -> how much it tells about who chooses what; embedding columns are not measured.

    For a column of items the greater of two: whether a user's items share its values, and whether its value of an item
    tells that of the next.

    Args:
        data: the tables.
        train: what is looked at; nothing else is.
        side: ``item`` or ``user``.
        options: how columns become values.
    """
    table, rows = (data.items, train.item) if side == "item" else (data.users, train.user)
    fitted = FeatureSet.fit(table, np.unique(rows), options)
    values = fitted.transform(table)
    found: dict[str, Evidence] = {}
    for column in fitted.columns:
        if isinstance(column, Embedded):
            continue
        shares = value_shares(column, values[column.name])
        if side == "user":
            found[column.name] = user_column_evidence(shares, train, data.n_items)
            continue
        measured = [item_column_evidence(shares, train, data.n_users), transition_evidence(shares, train, data.n_users)]
        found[column.name] = max(measured, key=lambda evidence: (evidence.predictive, evidence.gain))
    return found


def predictive_columns(data: Dataset, train: Interactions, side: Side, options: FeatureOptions) -> list[str]:
    """The columns with an encoder that tell something, embedding columns among them, in the order of the table."""
    evidence = column_evidence(data, train, side, options)
    table = data.items if side == "item" else data.users
    fitted = FeatureSet.fit(table, None, options).columns
    return [c.name for c in fitted if c.name not in evidence or evidence[c.name].predictive]
