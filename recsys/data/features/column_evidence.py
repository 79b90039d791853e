"""What the columns of items or users tell about who chooses what, each by the measures that its data allow."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class ColumnEvidence:
    """The evidence for one column.

    Args:
        choices: whether a user's items share its values; of a column of users, whether users of a value choose alike.
        transitions: whether its value of an item tells that of the next; None for users, and without an order.
    """

    choices: Evidence
    transitions: Evidence | None = None

    @property
    def best(self) -> Evidence:
        """The greater of both; one that is predictive before one that is not."""
        measured = [found for found in (self.choices, self.transitions) if found is not None]
        return max(measured, key=lambda evidence: (evidence.predictive, evidence.gain))


def column_evidence(
    data: Dataset, train: Interactions, side: Side, options: FeatureOptions
) -> dict[str, ColumnEvidence]:
    """Column name -> how much it tells about who chooses what; embedding columns are not measured.

    Args:
        data: the tables.
        train: what is looked at; nothing else is.
        side: ``item`` or ``user``.
        options: how columns become values.
    """
    table, rows = (data.items, train.item) if side == "item" else (data.users, train.user)
    fitted = FeatureSet.fit(table, np.unique(rows), options)
    values = fitted.transform(table)
    found = {}
    for column in fitted.columns:
        if isinstance(column, Embedded):
            continue
        shares = value_shares(column, values[column.name])
        if side == "user":
            found[column.name] = ColumnEvidence(user_column_evidence(shares, train, data.n_items))
            continue
        follows = transition_evidence(shares, train, data.n_users) if data.has_order else None
        found[column.name] = ColumnEvidence(item_column_evidence(shares, train, data.n_users), follows)
    return found
