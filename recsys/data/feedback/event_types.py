"""Event types of interactions: how many rows each has, what the config says of it, and what its name says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactError

Meaning = Literal["like", "dislike", "removal", "ignore"]
"""What rows of an event type are: likes, dislikes, removals of earlier likes, or nothing at all."""

_SHOWN = 12
"""The most types that a sentence lists."""


@dataclass(frozen=True)
class EventType:
    """One event type.

    Args:
        name: as in the column.
        rows: of the file.
        meaning: as the config gives it; None where it gives none, so that its rows are likes.
        weight: of a like; None where the config gives none.
        likely: where its rows are likes and the config does not call them so, what its name says instead.
    """

    name: str
    rows: int
    meaning: Meaning | None = None
    weight: float | None = 1.0
    likely: Literal["dislike", "removal"] | None = None


@dataclass(frozen=True)
class EventTypes:
    """The event types of a table; a row names one by its position.

    Args:
        column: of the types.
        named: whether the config names the column. Types of one that nothing reads are known all the same, so that a
            view and a purchase of one item do not look like two purchases.
        types: by name.
    """

    column: str
    named: bool
    types: tuple[EventType, ...]

    @property
    def doubtful(self) -> tuple[EventType, ...]:
        """The types that are read as likes though their names say that they are none."""
        return tuple(kind for kind in self.types if kind.likely is not None)

    def counted(self, codes: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Bool [E]: which rows are of no doubtful type.

        Args:
            codes: [E], positions in ``types``.
        """
        return ~np.isin(codes, [n for n, kind in enumerate(self.types) if kind.likely is not None])

    def likes(self, without: Collection[str] = ()) -> dict[str, float]:
        """The weight of each type that is a like, but for doubtful ones and those ``without``."""
        are = (kind for kind in self.types if kind.meaning in (None, "like") and kind.likely is None)
        return {kind.name: 1.0 if kind.weight is None else kind.weight for kind in are if kind.name not in without}

    @property
    def repeats_note(self) -> str:
        """How repeats are counted, to follow a sentence about them; empty where there is one type."""
        if len(self.types) < 2:
            return ""
        doubtful = ", ".join(repr(kind.name) for kind in self.doubtful)
        left_out = f", without the rows of {doubtful}, which may be no likes" if doubtful else ""
        return f" (within one event type of the column {self.column!r}{left_out})"

    @property
    def text(self) -> str:
        """The types with their rows, the most frequent first."""
        kinds = sorted(self.types, key=lambda kind: -kind.rows)
        shown = ", ".join(f"{kind.name} {kind.rows:,}" for kind in kinds[:_SHOWN])
        return shown + (f" and {len(kinds) - _SHOWN:,} more" if len(kinds) > _SHOWN else "")

    def joined(self, other: EventTypes | None) -> EventTypes | None:
        """The types of both; None where one is not known or is of another column."""
        if other is None or other.column != self.column:
            return None
        rows: dict[str, EventType] = {}
        for kind in (*self.types, *other.types):
            known = rows.get(kind.name)
            rows[kind.name] = kind if known is None else replace(known, rows=known.rows + kind.rows)
        return replace(self, types=tuple(rows[name] for name in sorted(rows)))

    def codes_in(self, other: EventTypes) -> NDArray[np.int16]:
        """int16 [n + 1]: the position in ``other`` of each type, or -1; the last is that of a row without a type."""
        places = {kind.name: n for n, kind in enumerate(other.types)}
        return np.array([*(places.get(kind.name, -1) for kind in self.types), -1], np.int16)

    @property
    def without_ignored(self) -> EventTypes:
        """The types of the rows that are read."""
        return replace(self, types=tuple(kind for kind in self.types if kind.meaning != "ignore"))

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def of_dict(cls, value: object, path: Path) -> EventTypes | None:
        """What `to_dict` gave; None for None.

        Raises:
            ArtifactError: it is something else, so that the file ``path`` is damaged.
        """
        if value is None:
            return None
        try:
            assert isinstance(value, Mapping)
            kinds = value["types"]
            assert isinstance(kinds, Sequence)
            return cls(str(value["column"]), bool(value["named"]), tuple(EventType(**kind) for kind in kinds))
        except (AssertionError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path} does not hold event types; prepare the data again") from error
