"""A dataset: users, items and their interactions, on disk and in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.atomic import atomic_path, write_json
from recsys.data.entities import EntityTable
from recsys.data.feedback.decay import Decay
from recsys.data.feedback.event_types import EventTypes
from recsys.data.feedback.withdrawals import FeedbackCounts
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING
from recsys.digest import short_digest
from recsys.errors import ArtifactError, check_kind
from recsys.files.stored_json import read_object

_VERSION = 1
_FEEDBACK = ("non_likes", "settled")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Users, items and all their interactions, before any split.

    Args:
        name: what reports call it.
        users: [U] entities.
        items: [I] entities.
        interactions: rows of ``users`` and ``items``.
        has_timestamps: whether times are seconds since 1970 UTC; otherwise they are positions within the user.
        has_order: whether the data has times or positions; without them all times are 0 and histories are unordered.
        given_files: the interactions of the train file and of the test file, where the data was read from two files;
            the split ``given`` uses them. `save` does not write them.
        non_likes: feedback that is no like: ratings below ``positive_from``, dislikes and removed items, at most one
            of a user and item. Their items are masked as the seen ones are. Those of weight above zero are negatives
            that engines may learn.
        settled: what newer data is held against, so that nothing is taken back twice: likes that were taken back, with
            their weight, and returns, with what they would take back of other likes, below zero or zero.
        withdrawals: dislikes, removals and lower ratings, of a weight of minus
            `recsys.data.feedback.withdrawals.WITHDRAWAL` or ``LOWER_RATING``. `recsys.data.merge.merged` applies those
            of newer data to the older; `save` does not write them.
        feedback: what was taken back, counted.
        decay: how the weights of ``interactions`` decay by age; those of ``settled`` do not. None where they do not.
        event_types: of ``interactions``, which name them by position; None where they are not known, as after a merge.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(users=30).dataset()
        >>> data.n_users, data.n_items, len(data.interactions)
        (30, 24, 210)
    """

    name: str
    users: EntityTable
    items: EntityTable
    interactions: Interactions
    has_timestamps: bool
    has_order: bool = True
    given_files: tuple[Interactions, Interactions] | None = None
    non_likes: Interactions = field(default_factory=Interactions.empty)
    settled: Interactions = field(default_factory=Interactions.empty)
    withdrawals: Interactions = field(default_factory=Interactions.empty)
    feedback: FeedbackCounts = field(default_factory=FeedbackCounts)
    decay: Decay | None = None
    event_types: EventTypes | None = None

    def __repr__(self) -> str:
        return "\n".join(self._summary())

    def _repr_html_(self) -> str:
        return "<br>".join(escape(line) for line in self._summary())

    def _summary(self) -> list[str]:
        """Sizes, density and time span; then the columns of users and of items with their kinds."""
        n, cells = len(self.interactions), self.n_users * self.n_items
        density = f" (density {n / cells:.2%})" if cells else ""
        sizes = f"{self.n_users:,} users, {self.n_items:,} items, {n:,} interactions{density}"
        sizes += f", {len(self.non_likes):,} non-likes" if len(self.non_likes) else ""
        tables = [f"  {name}: {table!r}" for name, table in (("users", self.users), ("items", self.items))]
        return [f"Dataset{self.name and f' {self.name!r}'}: {sizes}{self._span()}", *tables]

    def _span(self) -> str:
        return "" if self.period is None else f", {self.period[0]} to {self.period[1]}"

    @property
    def period(self) -> tuple[str, str] | None:
        """The days of the first and the last interaction, as ISO dates; None without timestamps."""
        time = self.interactions.time
        if not self.has_timestamps or not len(time):
            return None
        first, last = (np.datetime64(int(moment), "s").astype("datetime64[D]") for moment in (time.min(), time.max()))
        return str(first), str(last)

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of every id, cell and interaction; the order of the rows in the files does not change it."""
        parts = (
            self.users.fingerprint,
            self.items.fingerprint,
            self.interactions.fingerprint,
            str(self.has_timestamps),
            *([self.non_likes.fingerprint] if len(self.non_likes) else []),
            *([f"settled {self.settled.fingerprint}"] if len(self.settled) else []),
            *([f"decay {self.decay}"] if self.decay is not None else []),
            *([f"events {self.event_types}"] if self.event_types is not None else []),
        )
        return short_digest(["/".join(parts)])

    @cached_property
    def newest_time(self) -> int:
        """The time of the last interaction; 0 without any."""
        return int(self.interactions.time.max(initial=0))

    def history_end(self, at: int | None = None) -> int | None:
        """The time at which a history that is given without times ends, for a recommendation ``at`` a time or now.

        That of the last interaction, or a second before ``at``; None in data without timestamps, whose histories keep
        their positions.
        """
        if not self.has_timestamps:
            return None
        return self.newest_time if at is None else at - 1

    def busiest(self, items: int) -> Dataset:
        """The dataset restricted to the ``items`` items with the most interactions; users stay."""
        x = self.interactions
        rows = np.sort(np.argsort(-x.item_counts(self.n_items), kind="stable")[:items])
        new_row = np.full(self.n_items, MISSING)
        new_row[rows] = np.arange(len(rows))
        parts = []
        for part in (x, self.non_likes, self.settled, self.withdrawals):
            kept = part.select(new_row[part.item] != MISSING)
            parts.append(replace(kept, item=new_row[kept.item].astype(x.item.dtype)))
        table = self.items.take(rows)
        likes, non_likes, settled, withdrawals = parts
        left = replace(self, items=table, interactions=likes, given_files=None)
        return replace(left, non_likes=non_likes, settled=settled, withdrawals=withdrawals)

    def also_seen(self, users: NDArray[np.integer], known_by: Histories | None = None) -> Histories | None:
        """The `non_likes` of ``users`` [U], which the seen filter masks beside their histories; None without any.

        Args:
            users: user rows; MISSING has none.
            known_by: of the U users; what is later than the last interaction of a user here is left out.
        """
        if not len(self.non_likes):
            return None
        found = Histories.from_interactions(self.non_likes, users)
        return found if known_by is None else found.no_later_than(known_by)

    def save(self, directory: Path) -> None:
        """Writes a folder: ``dataset.json``, two Parquet tables, and interactions that `load` maps into memory."""
        with atomic_path(directory) as beside:
            beside.mkdir()
            self.users.save(beside / "users.parquet")
            self.items.save(beside / "items.parquet")
            self.interactions.save(beside / "interactions")
            self.save_feedback(beside)
            write_json(
                beside / "dataset.json",
                {
                    "version": _VERSION,
                    "name": self.name,
                    "has_timestamps": self.has_timestamps,
                    "has_order": self.has_order,
                    "fingerprint": self.fingerprint,
                    "event_types": None if self.event_types is None else self.event_types.to_dict(),
                },
            )

    @classmethod
    def load(cls, directory: Path) -> Dataset:
        """Reads the folder that `save` wrote.

        Raises:
            ArtifactError: a part is missing, damaged, changed since written or of an unknown version.
        """
        header = read_object(directory / "dataset.json", "version", "name", "has_timestamps", "fingerprint")
        if header.get("version") != _VERSION:
            raise ArtifactError(
                f"{directory} has dataset version {header.get('version')!r}, this library reads {_VERSION}; "
                "prepare the data again"
            )
        users = EntityTable.load(directory / "users.parquet")
        items = EntityTable.load(directory / "items.parquet")
        interactions = Interactions.load(directory / "interactions")
        interactions.check(len(users), len(items), directory / "interactions")
        found = cls(
            header["name"],
            users,
            items,
            interactions,
            header["has_timestamps"],
            header.get("has_order", True),
            event_types=EventTypes.of_dict(header.get("event_types"), directory / "dataset.json"),
        ).with_feedback(directory)
        if found.fingerprint != header.get("fingerprint"):
            raise ArtifactError(f"{directory} has changed since it was written; prepare the data again")
        return found

    def save_feedback(self, directory: Path) -> None:
        """Writes `non_likes`, `settled`, `feedback` and `decay` where there are any."""
        for name in _FEEDBACK:
            if len(part := getattr(self, name)):
                part.save(directory / name)
        if self.feedback != FeedbackCounts():
            write_json(directory / "feedback.json", self.feedback.to_dict())
        if self.decay is not None:
            write_json(directory / "decay.json", self.decay.to_dict())

    def with_feedback(self, directory: Path) -> Dataset:
        """This dataset with what `save_feedback` wrote.

        Raises:
            ArtifactError: a part is damaged.
        """
        folders = [name for name in _FEEDBACK if (directory / name).is_dir()]
        parts = {name: Interactions.load(directory / name) for name in folders}
        for name, part in parts.items():
            part.check(self.n_users, self.n_items, directory / name, any_sign=True)
        file, none = directory / "feedback.json", Interactions.empty()
        counts = FeedbackCounts.read(file) if file.is_file() else FeedbackCounts()
        non_likes, settled = (parts.get(name, none) for name in _FEEDBACK)
        decay = Decay.read(directory / "decay.json") if (directory / "decay.json").is_file() else None
        return replace(self, non_likes=non_likes, settled=settled, feedback=counts, decay=decay)


def check_dataset(data: object) -> None:
    """Checks that an argument is a dataset.

    Raises:
        DataError: it is a table or something else; names the remedy.
    """
    check_kind(
        "data", data, Dataset, "make one of files or frames with read_dataset(interactions, users=..., items=...)"
    )
