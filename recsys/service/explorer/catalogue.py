"""Cards of users and items, and the search for them by a part of a title or an id."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.schema import Kind, split_tags
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.errors import DataError
from recsys.retrieval.recipients.asked import Id

Json = dict[str, object]
_LATEST = 2.5e11
"""Seconds from 1970 to the year 9892; moments further away are no dates."""
_LONGEST = 400
"""Characters of a cell that a card shows."""
_SHOWN = (Kind.CATEGORICAL, Kind.TAGS, Kind.NUMERIC, Kind.TIME, Kind.TEXT, Kind.IGNORED)


class Catalogue:
    """The users and items of a dataset, as the page shows them.

    Ids are texts here, because a program in a browser rounds integers above 2^53; `item_id` and `user_id` read them.

    Args:
        data: of a model.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> found = Catalogue(BlockTaste(users=30).dataset())
        >>> [found.card(row)["title"] for row in found.find_items("10", 2)]
        ['101', '102']
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.titles = data.items.titles()
        self._folded = [title.casefold() for title in self.titles]
        self._item_ids = [str(key) for key in data.items.vocabulary.ids]
        self._user_ids = [str(key) for key in data.users.vocabulary.ids]
        self.counts = data.interactions.item_counts(data.n_items)
        self.user_counts = data.interactions.user_counts(data.n_users)

    @property
    def image_column(self) -> str | None:
        """The first column of images; None without any."""
        return next(iter(self.data.items.schema.names(Kind.IMAGE)), None)

    @cached_property
    def columns(self) -> list[str]:
        """The item columns that a card shows, besides the title."""
        return _shown(self.data.items, self.titles)

    def card(self, row: int) -> Json:
        """What is shown of the item at ``row``."""
        cells = {name: text for name in self.columns if (text := _text(self.data.items, name, row))}
        column = self.image_column
        image = column is not None and isinstance(self.data.items.columns[column].iat[row], str)
        about: Json = {"id": self._item_ids[row], "title": self.titles[row], "columns": cells}
        return {**about, "image": image, "count": int(self.counts[row])}

    def user_card(self, row: int) -> Json:
        """What is shown of the user at ``row``."""
        table = self.data.users
        cells = {name: text for name in table.schema.names(*_SHOWN) if (text := _text(table, name, row))}
        return {"id": self._user_ids[row], "columns": cells, "count": int(self.user_counts[row])}

    def find_items(self, text: str, most: int) -> list[int]:
        """The rows of items whose title has every word of ``text``, or whose id it is; those with most events first."""
        words = text.casefold().split()
        rows = [row for row, title in enumerate(self._folded) if all(word in title for word in words)]
        rows.sort(key=lambda row: -int(self.counts[row]))
        named = self.data.items.vocabulary.row(self.item_id(text.strip())) if self._reads(text) else MISSING
        return ([named, *(row for row in rows if row != named)] if named != MISSING else rows)[:most]

    def find_users(self, text: str, most: int) -> list[int]:
        """The rows of users whose id begins with or has ``text``; without a text, users of short to long histories."""
        wanted = text.strip()
        if not wanted:
            order = np.argsort(-self.user_counts, kind="stable")
            return [int(row) for row in order[np.unique(np.linspace(0, len(order) - 1, most).astype(int))]]
        starting = [row for row, key in enumerate(self._user_ids) if key.startswith(wanted)]
        starting.sort(key=lambda row: len(self._user_ids[row]))
        if len(starting) >= most:
            return starting[:most]
        inside = (row for row, key in enumerate(self._user_ids) if wanted in key and not key.startswith(wanted))
        return [*starting, *inside][:most]

    def item_id(self, text: str) -> Id:
        """The id that the page wrote as ``text``.

        Raises:
            DataError: the ids are integers, and it is none.
        """
        return _id(self.data.items.vocabulary, text, "item")

    def user_id(self, text: str) -> Id:
        """As `item_id`."""
        return _id(self.data.users.vocabulary, text, "user")

    def item_row(self, text: str) -> int:
        """The row of the item.

        Raises:
            DataError: there is no such item.
        """
        row = self.data.items.vocabulary.row(self.item_id(text))
        if row == MISSING:
            raise DataError(f"the model has no item {ascii(text)[:80]}")
        return row

    def history(self, histories: Histories, most: int) -> list[Json]:
        """The cards of one user's history, newest first, with the day where the data has times."""
        items, times = histories.items[::-1][:most].tolist(), histories.times[::-1][:most]
        dated = self.data.has_timestamps and len(times) and int(times.max()) > 0
        days = times.astype("datetime64[s]").astype("datetime64[D]").astype(str) if dated else [""] * len(items)
        return [{**self.card(row), "when": str(day)} for row, day in zip(items, days, strict=True) if row != MISSING]

    def _reads(self, text: str) -> bool:
        try:
            self.item_id(text.strip())
        except DataError:
            return False
        return True


def leading_values(table: EntityTable, name: str) -> list[str]:
    """One value of column ``name`` for each row: the first tag, or the cell; empty where it is missing."""
    column, cells = table.schema.columns[name], table.columns[name]
    texts = [str(cell) if known else "" for cell, known in zip(cells, cells.notna(), strict=True)]
    if column.kind is not Kind.TAGS:
        return texts
    return [next(iter(split_tags(text, column.separator)), "") for text in texts]


def day(seconds: float) -> str:
    """The date of a moment in seconds since 1970 UTC; moments beyond all calendars as they are.

    Example:
        >>> day(1695168000.0), day(-86400.0)
        ('2023-09-20', '1969-12-31')
    """
    within = abs(seconds) < _LATEST
    return str(np.datetime64(math.floor(seconds), "s").astype("datetime64[D]")) if within else f"{seconds:.4g}"


def numbers(table: EntityTable, name: str) -> NDArray[np.float64]:
    """The cells of a column of numbers, or of times in seconds since 1970 UTC."""
    cells = table.columns[name]
    return np.asarray(pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan))


def _shown(table: EntityTable, titles: Sequence[str]) -> list[str]:
    """Columns that a card has: not the one of the titles."""
    names = table.schema.names(*_SHOWN)
    first = {name: str(table.columns[name].iat[0]) for name in names} if len(table) else {}
    return [name for name in names if not (len(table) and first[name] == titles[0])]


def _text(table: EntityTable, name: str, row: int) -> str:
    cell = table.columns[name].iat[row]
    if table.columns[name].iloc[[row]].isna().all():
        return ""
    if isinstance(cell, (float, np.floating)):
        if table.schema.columns[name].kind is Kind.TIME:
            return day(float(cell))
        return f"{int(cell)}" if math.isfinite(cell) and float(cell).is_integer() else f"{cell:.4g}"
    column = table.schema.columns[name]
    text = ", ".join(split_tags(str(cell), column.separator)) if column.kind is Kind.TAGS else str(cell)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _id(vocabulary: Vocabulary, text: str, what: str) -> Id:
    if not vocabulary.holds_integers:
        return text
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and abs(int(text)) < 2**63):
        raise DataError(f"ids of {what}s are integers, and {ascii(text)[:80]} is none")
    return int(text)
