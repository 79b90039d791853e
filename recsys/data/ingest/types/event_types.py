"""The column of event types: which it is, what its types mean, the rows that are left out, and the weights."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.choices import did_you_mean
from recsys.data.feedback.event_types import EventType, EventTypes
from recsys.data.feedback.event_words import is_event_column, likely_meaning, may_hold_events
from recsys.data.feedback.likes import LIKE, MEANINGS
from recsys.data.feedback.repeats import BUYS_AGAIN, one_each
from recsys.data.ingest.cells import LARGEST, CodedTexts
from recsys.data.ingest.config import DataConfig, InteractionColumns
from recsys.data.ingest.files import RawTable
from recsys.data.ingest.issues import Location, number_text

MOST_TYPES = 30
"""A column with more values holds no event types, unless the config names it."""
_MOST_NAMED, _LISTED = 1000, 20


def with_event_types(table: RawTable, config: DataConfig, unread: Collection[str]) -> RawTable | None:
    """The interactions with their event types and without the rows of those that are ignored.

    Warns of types as ``skip`` and ``unfollow`` that count as likes, in the column of event types and, where the config
    names none, in all that are called as such columns are; notes the rows that are left out.

    Args:
        table: the interactions.
        config: that says which types have a meaning.
        unread: the columns that nothing reads.

    Returns:
        The table; None, and an error, where no row is left.
    """
    event = config.columns.event
    names = [name for name in unread if may_hold_events(name)] if event is None else [event]
    cells = {name: table.coded(name) for name in names if name in table.frame.columns}
    each = (_types(coded, table.frame, table.location.at(name), config) for name, coded in cells.items())
    found = [types for types in each if types is not None]
    best = [types for types in found if types.named or is_event_column(types.column)]
    best += [types for types in found if types.doubtful]
    types = best[0] if best else None
    kept = {name: coded for name, coded in cells.items() if name == event or (types and name == types.column)}
    table = replace(table, event_types=types, codes=kept)
    return (
        table if event not in cells else _without_ignored(table, cells[event], table.location.at(event), config.columns)
    )


def _types(cells: CodedTexts, frame: pd.DataFrame, location: Location, config: DataConfig) -> EventTypes | None:
    """The types in a column, with a warning of doubtful ones; None where it holds too many values."""
    columns, name, rows = config.columns, location.column or "", cells.rows
    named = name == columns.event
    if len(rows) > (_MOST_NAMED if named else MOST_TYPES):
        return None
    meanings, weights = (columns.event_meaning, _weights(columns, rows)) if named else ({}, dict.fromkeys(rows, 1.0))
    are_likes = config.positive_from is None and len(rows) <= MOST_TYPES
    unsaid = [kind for kind in rows if are_likes and kind not in meanings and weights[kind] is not None]
    likely = {kind: likely_meaning(kind) for kind in unsaid}
    kinds = (EventType(k, rows[k], meanings.get(k), weights[k], likely.get(k)) for k in sorted(rows))
    types = EventTypes(name, named, tuple(kinds))
    for kind in [kind for kind in meanings if kind not in rows]:
        if meant := did_you_mean(kind, [known for known in rows if known not in meanings]):
            location.note(f"data.columns.event_meaning names {kind!r}, and no row is of it{meant}", "correct the name")
    if types.doubtful:
        doubtful = cells.are([kind.name for kind in types.doubtful])
        repeats = _repeats(frame, cells, ~doubtful, columns)
        _warn_doubtful(types, np.flatnonzero(doubtful), location, repeats)
    return types


def _repeats(frame: pd.DataFrame, cells: CodedTexts, counted: NDArray[np.bool_], columns: InteractionColumns) -> float:
    """The share of the rows ``counted`` that have the user, item and type of an earlier one."""
    if not {columns.user_id, columns.item_id} <= {*frame.columns} or not counted.any():
        return 0.0
    keys = pd.DataFrame({"user": frame[columns.user_id], "item": frame[columns.item_id]}).assign(type=cells.codes)
    return float(keys[counted].duplicated().mean())


def _warn_doubtful(types: EventTypes, rows: NDArray[np.int64], location: Location, repeats: float) -> None:
    counts = "counts as a like" if len(rows) == 1 else "count as likes"
    location.warn(
        f"{_rows(len(rows))} of {_names([kind.name for kind in types.doubtful])} {counts}",
        f'if they are none, {_remedy(types, repeats)}; "like" settles it',
        rows,
    )


def _remedy(types: EventTypes, repeats: float) -> str:
    """The keys by which doubtful types are no likes; one takes back one like where people come back to items."""
    says = "" if types.named else f"data.columns.event = {_quoted(types.column)} and "
    again = [kind.name for kind in types.doubtful if kind.likely == "removal" and repeats >= BUYS_AGAIN]
    named = {kind.name: kind.likely or "" for kind in types.doubtful if kind.name not in again}
    listed = ", ".join(f"{_quoted(name)} = {_quoted(likely)}" for name, likely in named.items())
    meaning = f"{says}data.columns.event_meaning = {{{listed}}} takes {'them' if not again else _names([*named])} so"
    if not again:
        return f'{meaning}, and "ignore" instead leaves them out, as a return after use'
    return (
        f"{says}{one_each_text(types, again)} lets a row of {_names(again)} take back one like, where a removal takes "
        f"back all of the user and item ({repeats:.0%} of the likes repeat an earlier one)"
        + f"; {meaning}" * bool(named)
        + '; the meaning "ignore" leaves rows out, as those of a return after use'
    )


def one_each_text(types: EventTypes, removals: Sequence[str]) -> str:
    """The keys by which a row of ``removals`` takes back one like, see `recsys.data.feedback.repeats.one_each`."""
    given = ", ".join(f"{_quoted(kind)} = {number_text(w)}" for kind, w in one_each(types, removals).items())
    least = "1" if not (likes := types.likes(removals)) else number_text(min(likes.values()))
    return f"data.positive_from = {least} (or the least amount of a like) and data.columns.event_weights = {{{given}}}"


def _without_ignored(
    table: RawTable, cells: CodedTexts, location: Location, columns: InteractionColumns
) -> RawTable | None:
    """The table without the rows of the types that mean nothing, and a note of them."""
    ignored = [kind for kind in cells.rows if columns.event_meaning.get(kind) == "ignore"]
    gone = cells.are(ignored)
    if not gone.any():
        return table
    if gone.all():
        location.error(
            f"all rows are of types that data.columns.event_meaning ignores: {_names(ignored)}",
            "ignore fewer types, or give a file with others",
        )
        return None
    listed = ", ".join(f"{_rows(cells.rows[kind])} of {kind!r}" for kind in ignored)
    location.note(f"left out: {listed}", 'data.columns.event_meaning is "ignore"', np.flatnonzero(gone))
    return table.of_rows(np.flatnonzero(~gone))


def event_codes(table: RawTable) -> NDArray[np.int16] | None:
    """int16 [n]: the position of each row's type among the event types of ``table``, -1 where it is missing."""
    if table.event_types is None:
        return None
    cells = table.coded(table.event_types.column)
    places = {kind.name: n for n, kind in enumerate(table.event_types.types)}
    return np.asarray(np.array([*(places.get(name, -1) for name in cells.names), -1])[cells.codes], np.int16)


def event_meanings(found: CodedTexts, columns: InteractionColumns) -> NDArray[np.int8]:
    """int8 [n]: the meaning of each row by its type, see `recsys.data.feedback.likes`; without one it is a like."""
    named = [MEANINGS.get(columns.event_meaning.get(name, "like"), LIKE) for name in found.names]
    return np.asarray(np.array([*named, LIKE], np.int8)[found.codes], np.int8)


def event_weights(
    found: CodedTexts, columns: InteractionColumns, location: Location, any_sign: bool = False
) -> NDArray[np.float64]:
    """The weight of each row by its type, float64 [n]; NaN and an error for types without one, all of them at once.

    Args:
        found: [n] types of events.
        columns: say what they weigh and mean.
        location: the column, for errors.
        any_sign: whether zero and negative weights are weights too.
    """
    known = _weights(columns, found.rows)
    unknown = [kind for kind, weight in known.items() if weight is None]
    least = -LARGEST if any_sign else 1 / LARGEST
    wrong = {kind: w for kind, w in known.items() if w is not None and not least <= w <= LARGEST}
    if len(missing := np.flatnonzero(found.codes < 0)):
        location.error("the event is missing", "fill the cells or drop the rows", missing)
    if unknown:
        what = f"event {unknown[0]!r} has" if len(unknown) == 1 else f"events {_names(unknown)} have"
        location.error(
            f"the {what} no weight and no meaning",
            "name each in data.columns.event_weights, with a positive weight, or in data.columns.event_meaning, where "
            '"ignore" leaves its rows out',
            np.flatnonzero(found.are(unknown)),
        )
    if wrong:
        listed = ", ".join(f"{kind!r} = {number_text(weight)}" for kind, weight in wrong.items())
        size = "too large" if any_sign else "too large, too small or not positive"
        location.error(
            f"data.columns.event_weights has weights that are {size}: {listed}",
            "give others, or name the types in data.columns.event_meaning"
            + ("" if any_sign else "; data.positive_from allows weights of zero and below"),
            np.flatnonzero(found.are(wrong)),
        )
    weight = [np.nan if kind in wrong else known.get(kind) for kind in found.names]
    return np.asarray(np.array([*(np.nan if w is None else w for w in weight), np.nan])[found.codes], np.float64)


def _weights(columns: InteractionColumns, kinds: Iterable[str]) -> dict[str, float | None]:
    """The weight of each type, None where one is lacking; without any weights all types weigh 1."""
    default = None if columns.event_weights else 1.0
    meant = dict.fromkeys(columns.event_meaning, 1.0)
    return {kind: columns.event_weights.get(kind, meant.get(kind, default)) for kind in kinds}


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"


def _names(kinds: Sequence[str]) -> str:
    """The names, at most `_LISTED` of them."""
    shown = ", ".join(map(repr, kinds[:_LISTED]))
    return f"{shown} and {len(kinds) - _LISTED:,} more" if len(kinds) > _LISTED else shown


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
