"""Reading of tables as a dataset, in four steps: read, coerce, check, encode.

`read_tables` returns raw tables and `coerce_tables` typed ones; `check_tables` adds errors and warnings to the issues;
`encode` maps ids to rows. `recsys.data.ingest.validate` stops after the checks, other callers get a `Dataset`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.feedback.decay import Decay, latest, redecayed
from recsys.data.feedback.event_types import EventTypes
from recsys.data.feedback.likes import LIKE, REMOVAL, RETURN
from recsys.data.feedback.withdrawals import FeedbackCounts
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.cross_checks import check_tables
from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.reading.settled import settle_unread
from recsys.data.ingest.tables import RawTables, TypedTables, coerce_tables, read_tables
from recsys.data.ingest.typed_entities import TypedEntities
from recsys.data.ingest.typed_interactions import TypedInteractions, unread_columns
from recsys.data.ingest.types.event_types import with_event_types
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.errors import DataError
from recsys.files.addresses import nameable


@dataclass(frozen=True, eq=False)
class Ingested:
    """A dataset, and the interactions of each file that it was read from.

    Args:
        data: the interactions of all files together.
        files: the interactions of the interactions file, and of the test file if there is one, by rows of ``data``.
        repeated: rows that repeat the user, item and time of another row and are left out.
    """

    data: Dataset
    files: tuple[Interactions, ...]
    repeated: int = 0

    @property
    def given(self) -> tuple[Interactions, Interactions] | None:
        """Train and test of the ``given`` split; None without a test file."""
        return self.data.given_files


def ingest(config: DataConfig, issues: ValidationIssues | None = None, joining: Dataset | None = None) -> Ingested:
    """Reads the tables of ``config``, in which `recsys.data.sources.resolve` has completed the paths, as a dataset.

    Args:
        config: paths and options.
        issues: the warnings are added to it.
        joining: the dataset that the tables will be merged into; ids and columns get the types that they have in it.

    Raises:
        DataError: lists all errors of the tables; `recsys.data.ingest.validate` lists the warnings too.
        ConfigError: a schema names an unknown kind.
    """
    issues = ValidationIssues() if issues is None else issues
    tables = typed_tables(config, issues, joining)
    issues.raise_errors()
    return encode(tables, config.name or config.source or "")


def typed_tables(config: DataConfig, issues: ValidationIssues, joining: Dataset | None = None) -> TypedTables:
    """Reads, coerces and checks the tables of ``config``; errors and warnings are added to ``issues``.

    Raises:
        DataError: ``config`` names no interactions.
        ConfigError: a schema names an unknown kind.
    """
    if config.interactions is None:
        raise DataError("no interactions: set data.interactions to a file, or data.source to a named data set")
    return checked(read_tables(config, issues), config, joining)


def checked(raw: RawTables, config: DataConfig, joining: Dataset | None = None) -> TypedTables:
    """Coerces and checks raw tables; errors, warnings and notes are added to their issues."""
    unread = {part.location.file: unread_columns(part.frame, config.columns) for part in raw.interactions}
    for table, kinds in ((raw.users, config.user_schema), (raw.items, config.item_schema)):
        if table is not None:
            unread[table.location.file] = [name for name, kind in kinds.items() if kind == Kind.IGNORED]
    for part in (*raw.interactions, raw.users, raw.items):
        if part is not None:
            settle_unread(part.location.issues, unread)
    read = [with_event_types(part, config, unread[part.location.file]) for part in raw.interactions]
    raw = replace(raw, interactions=tuple(part for part in read if part is not None))
    tables = coerce_tables(raw, config, joining)
    check_tables(tables, config.unknown_ids, joining, "unknown_ids" in config.model_fields_set)
    return tables


def encode(tables: TypedTables, name: str) -> Ingested:
    """Maps the ids of all files to rows of one sorted vocabulary.

    Args:
        tables: typed tables without errors.
        name: of the dataset; if empty, the name of the folder of the interactions.
    """
    parts = tables.interactions
    users = _entities([part.user for part in parts], tables.users)
    items = _entities([part.item for part in parts], tables.items)
    types = _event_types(parts)
    read = tuple(_interactions(part, users.vocabulary, items.vocabulary, types) for part in parts)
    files, first = tuple(part.likes for part in read), read[0]  # the feedback of a test file is not known before it
    decay = latest(first.decay, read[-1].decay)
    joined = redecayed(files[0], first.decay, decay)
    joined = joined if len(files) == 1 else joined.joined(redecayed(files[1], read[1].decay, decay))
    name = name or nameable(parts[0].location.file).parent.name
    given_files = (files[0], files[1]) if len(files) == 2 else None
    data = Dataset(
        name,
        users,
        items,
        joined,
        parts[0].has_timestamps,
        tables.has_order,
        given_files,
        first.non_likes,
        first.settled,
        first.withdrawals,
        sum((part.counts for part in read), FeedbackCounts()),
        decay,
        types,
    )
    ingested = Ingested(data, files, sum(len(part.repeated) for part in parts))
    return listed_only(ingested) if tables.only_listed else ingested


def listed_only(read: Ingested) -> Ingested:
    """Without the users and items that their tables do not list, and without their interactions.

    Raises:
        DataError: nothing is left.
    """
    data = read.data
    kept = [np.setdiff1d(np.arange(len(table)), table.unlisted) for table in (data.users, data.items)]
    places = [np.full(len(table), MISSING) for table in (data.users, data.items)]
    for place, rows in zip(places, kept, strict=True):
        place[rows] = np.arange(len(rows))

    def moved(events: Interactions) -> Interactions:
        user, item = places[0][events.user], places[1][events.item]
        left = (user != MISSING) & (item != MISSING)
        found = replace(events, user=user.astype(np.int32), item=item.astype(np.int32)).select(left)
        return Interactions.of(found.user, found.item, found.time, found.weight, found.tie, found.event)

    files = tuple(moved(part) for part in read.files)
    if not all(len(part) for part in files):
        raise DataError('no interaction is between a listed user and a listed item; set data.unknown_ids to "add"')
    joined = moved(data.interactions)
    given_files = (files[0], files[1]) if len(files) == 2 else None
    users, items = data.users.take(kept[0]), data.items.take(kept[1])
    kept_data = replace(
        data,
        users=users,
        items=items,
        interactions=joined,
        given_files=given_files,
        non_likes=moved(data.non_likes),
        settled=moved(data.settled),
        withdrawals=moved(data.withdrawals),
    )
    return Ingested(kept_data, files, read.repeated)


@dataclass(frozen=True, eq=False)
class _Read:
    """The interactions of one file, see the fields of `Dataset`."""

    likes: Interactions
    non_likes: Interactions = field(default_factory=Interactions.empty)
    settled: Interactions = field(default_factory=Interactions.empty)
    withdrawals: Interactions = field(default_factory=Interactions.empty)
    counts: FeedbackCounts = field(default_factory=FeedbackCounts)
    decay: Decay | None = None


def _event_types(parts: tuple[TypedInteractions, ...]) -> EventTypes | None:
    """The event types of all files; None where they are not known of one."""
    first, *others = (None if part.event_types is None else part.event_types.without_ignored for part in parts)
    for types in others:
        first = None if first is None else first.joined(types)
    return first


def _interactions(part: TypedInteractions, users: Vocabulary, items: Vocabulary, types: EventTypes | None) -> _Read:
    rows = part.kept
    event = None
    if types is not None and part.event_types is not None and part.event is not None:
        event = part.event_types.codes_in(types)[part.event][rows]
    user, item = _rows(part.user, users)[rows], _rows(part.item, items)[rows]
    time, tie, meaning = part.time[rows], part.tie[rows], part.meaning[rows]
    decay = part.decay

    def events(where: NDArray[np.bool_] | slice, weight: NDArray[np.float64]) -> Interactions:
        kind = None if event is None else event[where]
        return Interactions.of(user[where], item[where], time[where], weight[where], tie[where], kind)

    if (meaning == LIKE).all():
        weight = part.weight if decay is None else part.weight * decay.factor(part.time)
        return _Read(events(slice(None), weight[rows]), decay=decay)
    found = part.feedback
    returns, takes = meaning == RETURN, found.takes
    settled, weight = found.taken_back | returns, np.where(found.taken_back, part.weight[rows], -takes)
    learned = (meaning != REMOVAL) & (part.non_likes == "negatives")
    return _Read(
        events(found.likes, found.left if decay is None else found.left * decay.factor(time)),
        Interactions.empty() if part.non_likes == "drop" else events(found.non_likes, learned.astype(np.float64)),
        events(settled, weight),
        events((takes > 0) & ~returns, -takes),
        found.counts,
        decay,
    )


def _rows(column: TypedIds, vocabulary: Vocabulary) -> NDArray[np.int32]:
    """int32 [n]: the row of each id."""
    rows: NDArray[np.int32] = vocabulary.rows(column.distinct).astype(np.int32)[column.codes]
    return rows


def _entities(seen: list[TypedIds], table: TypedEntities | None) -> EntityTable:
    ids = [column.distinct for column in seen]
    if table is None:
        return EntityTable.bare(Vocabulary.of(np.concatenate(ids)))
    vocabulary = Vocabulary.of(np.concatenate([*ids, table.ids.distinct]))
    return EntityTable.aligned(vocabulary, table.ids.ids, table.columns, table.schema)
