"""Configuration of the raw tables: paths, columns and options of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from recsys.config import Config
from recsys.data.feedback.event_types import Meaning
from recsys.data.ingest.reading.options import TableFormat

SHARED = ("separator", "quoting", "encoding", "decimal", "thousands", "time_zone")
"""Options of reading that hold for all tables."""

UnknownIds = Literal["error", "add", "drop"]
"""What becomes of ids of the interactions that the users or items table lacks."""


class InteractionColumns(Config):
    """Names of the columns of the interactions.

    Args:
        user_id: the column of user ids, also in the users table.
        item_id: the column of item ids, also in the items table.
        users_table_id: the id column of the users table, where it is not called as ``user_id`` is.
        items_table_id: the id column of the items table, where it is not called as ``item_id`` is.
        time: the column of times: seconds since 1970 UTC, or ISO dates; other dates, dates of digits as ``20200131``
            and finer units are read with a warning, or without one if ``data.time_format`` or ``data.time_unit`` says
            so. The order within a second is that of its fractions.
        tie_breaker: a column of whole numbers beside the time: the order of a user's interactions at the same time.
        order: the column of positions within the user, instead of a time. If neither is given, a column ``timestamp``
            is the time, else a column ``position`` is the order, else interactions have no order.
        weight: the column of weights, such as ratings or counts; positive, unless ``data.positive_from`` is given. The
            engines that use weights are listed by `recsys validate`.
        event: the column of the type of interaction, such as ``view`` or ``buy``.
        event_weights: event type -> weight, multiplied with ``weight`` if both are given. Where some types have one, a
            type without is an error; without any all weigh 1.
        event_meaning: event type -> ``like`` (as all types without a meaning), ``dislike``, ``removal``: it takes
            back the earlier likes of the same user and item, or ``ignore``: its rows are left out everywhere, as if the
            file did not have them. A type with a meaning needs no weight, and one that is ignored has none.

    Raises:
        ValueError: both a time and an order are given, a tie breaker and an order, event weights or meanings
            without an event column, or a weight of a type that is ignored.
    """

    user_id: str = "user_id"
    item_id: str = "item_id"
    users_table_id: str | None = None
    items_table_id: str | None = None
    time: str | None = None
    order: str | None = None
    tie_breaker: str | None = None
    weight: str | None = None
    event: str | None = None
    event_weights: dict[str, float] = Field(default_factory=dict)
    event_meaning: dict[str, Meaning] = Field(default_factory=dict)

    @property
    def only_ids(self) -> tuple[str, ...]:
        """The columns of user and item ids that nothing else is read from."""
        others = (self.time, self.order, self.tie_breaker, self.weight, self.event)
        return tuple(name for name in (self.user_id, self.item_id) if name not in others)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.time is not None and self.order is not None:
            raise ValueError("time and order are both given; name the order in tie_breaker to break ties in time")
        if self.tie_breaker is not None and self.order is not None:
            raise ValueError("tie_breaker breaks ties in time, and an order is given; name a time, or leave it out")
        if self.event_weights and self.event is None:
            raise ValueError("event_weights needs event, the column of the types of events")
        if self.event_meaning and self.event is None:
            raise ValueError("event_meaning needs event, the column of the types of events")
        ignored = [kind for kind, meaning in self.event_meaning.items() if meaning == "ignore"]
        if both := [kind for kind in ignored if kind in self.event_weights]:
            named = ", ".join(map(repr, both))
            raise ValueError(
                f'event_meaning is "ignore" for {named}, and event_weights weighs it; leave one of both out'
            )
        return self


class DataConfig(TableFormat):
    """Paths of the raw tables and options of reading.

    The options of `TableFormat`, such as ``separator``, hold for all tables; ``header``, ``skip_lines``,
    ``skip_footer``, ``footer``, ``explode``, ``explode_labels``, ``time_format`` and ``time_unit`` for the
    interactions and the test interactions only.

    Args:
        name: of the data, in reports; by default the source or the folder.
        source: a named public data set (`recsys.data.sources`), whose paths and schemas are used unless given below.
        interactions: path of a file (CSV or other separated text, JSON lines, Parquet, Feather, compressed or not) or
            of a folder of such files, or an address that fsspec reads, as ``s3://bucket/events.parquet``.
        users: the same, with a column ``user_id`` and any others.
        items: the same, with a column ``item_id`` and any others.
        test_interactions: the test file of the split ``given``, with the columns of ``interactions``.
        columns: names of the columns of the interactions.
        user_schema: column -> kind, for columns whose inferred kind is wrong.
        item_schema: the same for items; ``tags:;`` gives tags another separator than ``|``.
        duplicates: rows with the same user, item and time as another row: an ``error``, or the ``first`` or ``last`` of
            them is used, or ``keep`` uses all.
        missing: texts in the users and items tables that mean a missing cell, besides the empty cell, ``NA``, ``N/A``,
            ``NaN``, ``null`` and ``None``.
        unknown_ids: ids of the interactions that the users or items table lacks: an ``error``, ``add`` adds them with
            missing cells (models learn from such items, and they are not recommended unless ``recommend.unlisted`` is
            set), or ``drop`` leaves them out with their interactions.
        positive_from: rows of a smaller weight (``columns.weight``, times the event's) are no likes; weights of zero
            and below are allowed then. A weight below zero is a return: it takes back as much from the latest earlier
            likes of the same user and item. One from zero on, unless it is an event's, is a lower rating and takes back
            all of them. None takes every row as a like.
        non_likes: what such rows and dislikes are for: ``seen`` leaves their items out of the user's lists, like those
            of the history, where ``filter_seen`` is on; ``negatives`` also lets engines learn from them (``ease`` and
            ``itemknn``); ``drop`` does neither, and they only take earlier likes back. Removed items are never
            negatives.
        half_life_days: a weight counts half as much at this age in days, a quarter at twice the age, and so on; the
            age is counted from the newest row of the file, or of all files that are merged. Returns take back what was
            bought before it decayed. None does not decay.
        users_format: options of reading the users table, where they differ from those of ``[data]``.
        items_format: the same for the items table.

    Raises:
        ValueError: ``positive_from`` without a column of weights or events.
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
    unknown_ids: UnknownIds = "add"
    positive_from: float | None = None
    non_likes: Literal["seen", "negatives", "drop"] = "seen"
    half_life_days: float | None = Field(None, gt=0)
    users_format: TableFormat = TableFormat()
    items_format: TableFormat = TableFormat()

    @model_validator(mode="after")
    def _has_weights(self) -> Self:
        if self.positive_from is not None and self.columns.weight is None and self.columns.event is None:
            raise ValueError("positive_from is a weight, and no column has weights: name it in data.columns.weight")
        return self

    def format_of(self, table: str) -> TableFormat:
        """The options of reading a table.

        Args:
            table: ``interactions``, ``test_interactions``, ``users`` or ``items``.
        """
        shared = {name: getattr(self, name) for name in TableFormat.model_fields}
        if table not in ("users", "items"):
            return TableFormat(**shared)
        own = self.users_format if table == "users" else self.items_format
        shared = {name: value for name, value in shared.items() if name in SHARED}
        return TableFormat(**(shared | {name: getattr(own, name) for name in own.model_fields_set}))
