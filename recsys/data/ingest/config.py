"""Where the raw tables are and which column is what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from recsys.config import Config


class InteractionColumns(Config):
    """Which column of the interactions is what.

    Args:
        user_id: who.
        item_id: what.
        time: when: seconds since 1970 UTC, or ISO dates; fractions of a second are cut off.
        order: instead of a time, the position within the user. With neither given, a column ``timestamp`` is the
            time, else ``position`` the order, else there is no order.
        weight: how much, positive; ``als`` and ``popularity`` go by it, all other engines see that a pair is there.
        event: the type of the event.
        event_weights: event type -> weight, multiplied with ``weight`` if both are given; types that are not named are
            an error.

    Raises:
        ValueError: two columns are to give the order, or event weights have no event column.
    """

    user_id: str = "user_id"
    item_id: str = "item_id"
    time: str | None = None
    order: str | None = None
    weight: str | None = None
    event: str | None = None
    event_weights: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.time is not None and self.order is not None:
            raise ValueError("time and order are both given; histories have one order")
        if self.event_weights and self.event is None:
            raise ValueError("event_weights needs event, the column that they weigh")
        return self


class DataConfig(Config):
    """Where the tables are and how to read them.

    Args:
        name: what reports call the data; by default the source or the folder.
        source: a named public data set (`recsys.data.sources`) that fills what is not given below.
        interactions: CSV or Parquet.
        users: CSV or Parquet with a column ``user_id`` and any others.
        items: the same with ``item_id``.
        test_interactions: the test file of a given split.
        columns: which column is what.
        user_schema: column -> kind, where the inferred kind is to be corrected.
        item_schema: the same for items; ``tags:;`` gives tags another separator than ``|``.
        duplicates: what to do with rows that repeat user, item and time.
        missing: texts in the users and items tables that stand for a missing cell, beside the empty cell and the usual
            ``NA``, ``N/A``, ``NaN``, ``null`` and ``None``.
        unknown_ids: whether ids that the users or items table lacks are an error; added, their cells are missing.
    """

    name: str = ""
    source: str | None = None
    interactions: Path | None = None
    users: Path | None = None
    items: Path | None = None
    test_interactions: Path | None = None
    columns: InteractionColumns = InteractionColumns()
    user_schema: dict[str, str] = Field(default_factory=dict)
    item_schema: dict[str, str] = Field(default_factory=dict)
    duplicates: Literal["error", "first", "last", "keep"] = "error"
    missing: tuple[str, ...] = ()
    unknown_ids: Literal["error", "add"] = "add"
