"""Configuration of the raw tables: paths, columns and options of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from recsys.config import Config
from recsys.data.ingest.reading.options import TableFormat

_SHARED = ("separator", "quoting", "encoding", "decimal", "thousands")
"""Options that hold for all tables."""


class InteractionColumns(Config):
    """Names of the columns of the interactions.

    Args:
        user_id: the column of user ids, also in the users table.
        item_id: the column of item ids, also in the items table.
        users_table_id: the id column of the users table, where it is not called as ``user_id`` is.
        items_table_id: the id column of the items table, where it is not called as ``item_id`` is.
        time: the column of times: seconds since 1970 UTC, or ISO dates; fractions of a second are cut off.
        order: the column of positions within the user, instead of a time. If neither is given, a column ``timestamp``
            is the time, else a column ``position`` is the order, else interactions have no order.
        weight: the column of positive weights. ``als`` and ``popularity`` use it, other engines ignore weights.
        event: the column of the type of interaction, such as ``view`` or ``buy``.
        event_weights: event type -> weight, multiplied with ``weight`` if both are given. A type without a weight is an
            error.

    Raises:
        ValueError: both a time and an order are given, or event weights without an event column.
    """

    user_id: str = "user_id"
    item_id: str = "item_id"
    users_table_id: str | None = None
    items_table_id: str | None = None
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
            raise ValueError("event_weights needs event, the column of the types of events")
        return self


class DataConfig(TableFormat):
    """Paths of the raw tables and options of reading.

    The options of `TableFormat`, such as ``separator``, hold for all tables; ``header``, ``skip_lines``,
    ``skip_footer`` and ``explode`` for the interactions and the test interactions only.

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
        unknown_ids: ids of the interactions that the users or items table lacks: an ``error``, or ``add`` adds them
            with missing cells.
        users_format: options of reading the users table, where they differ from those of ``[data]``.
        items_format: the same for the items table.
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
    users_format: TableFormat = TableFormat()
    items_format: TableFormat = TableFormat()

    def format_of(self, table: str) -> TableFormat:
        """The options of reading a table.

        Args:
            table: ``interactions``, ``test_interactions``, ``users`` or ``items``.
        """
        shared = {name: getattr(self, name) for name in TableFormat.model_fields}
        if table not in ("users", "items"):
            return TableFormat(**shared)
        own = self.users_format if table == "users" else self.items_format
        shared = {name: value for name, value in shared.items() if name in _SHARED}
        return TableFormat(**(shared | {name: getattr(own, name) for name in own.model_fields_set}))
