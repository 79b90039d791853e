"""Which of several raw tables holds the interactions, the users and the items, and which of their columns are ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pipelines.first_config.keys import MEETS, distinct_texts, id_like, key_met, keys_of, overlap
from recsys.data.feedback.event_words import is_event_column
from recsys.data.ingest.cells import numbers
from recsys.data.ingest.files import RawTable, without_missing
from recsys.data.ingest.infer import infer_schema
from recsys.data.ingest.types.event_types import MOST_TYPES
from recsys.data.ingest.types.shared_ids import nearest_id, shared_id
from recsys.data.schema import Kind
from recsys.errors import DataError
from recsys.names import name_words

ROLES = ("user_id", "item_id", "time", "order", "weight", "event")
TABLE_IDS = ("users_table_id", "items_table_id")
_USERS = (
    "user customer cust client member visitor account shopper buyer reader listener viewer patron person uid session "
    "kunde kunden kundin nutzer benutzer mitglied k\u00e4ufer utilisateur acheteur membre cliente usuario utente"
)
_ITEMS = (
    "item product article movie film book track song artist video sku asin isbn content news game recipe hotel venue "
    "place poi location business restaurant course iid offer listing document doc "
    "artikel produkt ware buch lied spiel rezept produit articulo art\u00edculo producto prodotto articolo"
)
_TIMES = "time timestamp date datetime ts when at day"
_ORDERS = "position order_in_user step seq sequence rank idx"
_WEIGHTS = "weight rating stars score count quantity qty plays amount clicks menge bewertung sterne"
_ENDINGS = ("s", "id", "nr", "no", "nummer")
_TIMESTAMP = "timestamp"
"""The column that is the time without being named, whatever its numbers count; see `InteractionColumns`."""
_SECONDS = 1e8


@dataclass(frozen=True)
class Roles:
    """The roles of tables and columns.

    Args:
        interactions: the table of interactions.
        users: the table of users; None without one.
        items: the table of items; None without one.
        columns: role of `ROLES` -> column of the interactions; roles without a column are left out.
        users_id: the id column of the users table.
        items_id: the id column of the items table.
        unused: tables that meet neither users nor items.
    """

    interactions: RawTable
    users: RawTable | None
    items: RawTable | None
    columns: Mapping[str, str]
    users_id: str | None
    items_id: str | None
    unused: tuple[RawTable, ...] = ()

    @property
    def tables(self) -> dict[str, RawTable]:
        """``interactions``, ``users`` and ``items`` -> the table, of those that are there."""
        tables = {"interactions": self.interactions, "users": self.users, "items": self.items}
        return {role: table for role, table in tables.items() if table is not None}


def find_roles(
    tables: Sequence[RawTable], given: Mapping[str, RawTable], columns: Mapping[str, str] | None = None
) -> Roles:
    """The roles of ``tables``, by the names of their columns and by which columns share ids.

    Args:
        tables: tables of unknown roles.
        given: ``interactions``, ``users`` or ``items`` -> the table of that role.
        columns: role of `ROLES` -> column of the interactions, and of `TABLE_IDS` -> id column of the users or items
            table, where it is known.

    Raises:
        DataError: no table can be the interactions, a known column is not there, or the columns of users and items
            cannot be told apart.
    """
    columns = dict(columns or {})
    own = {role: columns.pop(key) for role, key in zip(("users", "items"), TABLE_IDS, strict=True) if key in columns}
    interactions = given.get("interactions") or _interactions(tables, columns)
    others = [table for table in tables if table is not interactions]
    given = {**{role: t for role, name in own.items() for t in others if name in t.frame.columns}, **given}
    entities = {role: given[role] for role in ("users", "items") if role in given}
    others = [table for table in others if all(table is not taken for taken in entities.values())]
    shared = {f"{role[:-1]}_id": shared_id(interactions.frame, table.frame) for role, table in entities.items()}
    named = {role: name for role, name in shared.items() if name is not None}
    found = columns | _id_columns(interactions, [*others, *entities.values()], named | columns)
    _check_known(interactions, found)
    of_users, of_items = _divided(others, interactions, found)
    for role, table in entities.items():
        _check_known(table, {f"{role}_table_id": own[role]} if role in own else {})
    user, item = ((found[f"{role[:-1]}_id"], own.get(role)) for role in ("users", "items"))
    users, users_id = _entities(given.get("users"), of_users, interactions, user, "user")
    items, items_id = _entities(given.get("items"), of_items, interactions, item, "item")
    found |= _other_columns(interactions, found)
    unused = tuple(table for table in others if table is not users and table is not items)
    return Roles(interactions, users, items, found, users_id, items_id, unused)


def _interactions(tables: Sequence[RawTable], columns: Mapping[str, str]) -> RawTable:
    """The table with two columns of ids: by their names, or because two of its columns meet keys of other tables."""
    if len(tables) == 1:
        return tables[0]
    if columns:
        having = [table for table in tables if set(columns.values()) <= set(table.frame.columns)]
        if len(having) == 1:
            return having[0]
    scores = [(_n_references(table, [t for t in tables if t is not table]), len(table)) for table in tables]
    best = max(range(len(tables)), key=lambda n: scores[n])
    if not scores[best][0]:
        files = ", ".join(str(table.location.file) for table in tables)
        raise DataError(
            f"none of {files} has a column of user ids and one of item ids that the other tables have{_half(tables)}; "
            "name the file with --interactions FILE and its columns with --column user_id=NAME --column item_id=NAME"
        )
    return tables[best]


def _half(tables: Sequence[RawTable]) -> str:
    """For a message: which tables have one of the two by its name, and repeat it as interactions do."""
    sides = [(table, side, words) for table in tables for side, words in (("user", _USERS), ("item", _ITEMS))]
    named = [
        (table, side, [n for n in _named(table, words) if n not in keys_of(table)]) for table, side, words in sides
    ]
    found = [f"{table.location.file} has {side} ids in {names[0]!r}" for table, side, names in named if names]
    told = "the other ids may be written otherwise there, with zeros or in another case"
    return f" ({', '.join(found)}; {told})" if found else ""


def _n_references(table: RawTable, others: Sequence[RawTable]) -> int:
    """2 with a user and an item column that repeat their ids, 1 with two columns that meet keys of other tables."""
    by_name = {role: _named(table, words) for role, words in (("user", _USERS), ("item", _ITEMS))}
    keys = set(keys_of(table))  # a user has a row of its own in the users' table, and several interactions
    users, items = ([name for name in by_name[role] if name not in keys] for role in ("user", "item"))
    if users and items and users[:1] != items[:1]:
        return 2
    meeting = {name for name in map(str, table.frame.columns) if any(key_met(table, name, other) for other in others)}
    meeting |= set(_shared(table, others))
    return int(len(meeting) >= 2)


def _shared(table: RawTable, others: Sequence[RawTable]) -> dict[str, RawTable]:
    """The columns of ids that another table calls alike -> that table."""
    found = {shared_id(table.frame, other.frame): other for other in others}
    return {name: other for name, other in found.items() if name is not None}


def _id_columns(table: RawTable, others: Sequence[RawTable], known: Mapping[str, str]) -> dict[str, str]:
    """The columns of user ids and of item ids: by their names, else by the tables whose keys they meet."""
    found = dict(known)
    for role, words in (("user_id", _USERS), ("item_id", _ITEMS)):
        named = [name for name in _named(table, words) if name not in found.values()]
        if role not in found and named:
            found[role] = role if role in named else named[0]
    missing = [role for role in ("user_id", "item_id") if role not in found]
    shared = {name: other for name, other in _shared(table, others).items() if name not in found.values()}
    if len(missing) == 1 and len(shared) == 1:
        found[missing[0]] = next(iter(shared))
        return {role: found[role] for role in ("user_id", "item_id")}
    candidates = [name for name in id_like(table) if name not in found.values()]
    met = [name for name in candidates if any(key_met(table, name, other) for other in others)]
    if len(missing) == 1 and len(met or candidates) == 1:
        found[missing[0]] = (met or candidates)[0]
    if any(role not in found for role in ("user_id", "item_id")):
        raise DataError(
            f"{table.location.file}: cannot tell the column of user ids and the column of item ids among "
            f"{', '.join(map(str, table.frame.columns[:12]))}; name them with --column user_id=NAME and --column "
            f"item_id=NAME{_which(shared)}"
        )
    return {role: found[role] for role in ("user_id", "item_id")}


def _which(shared: Mapping[str, RawTable]) -> str:
    """A hint where ids are known but not whether they are of users or of items."""
    if not shared:
        return ""
    columns = ", ".join(f"{name} (also in {other.location.file})" for name, other in shared.items())
    return f"; or say which table is which by --users FILE and --items FILE: the ids are in {columns}"


def _entities(
    given: RawTable | None,
    tables: Sequence[RawTable],
    interactions: RawTable,
    ids: tuple[str, str | None],
    what: str,
) -> tuple[RawTable | None, str | None]:
    """The table that describes the ``ids`` of the interactions, and its id column.

    Of the table of a role, the column that is named, else called alike, else the nearest, whose faults checks report.
    """
    column, own = ids
    if given is not None and own is not None:
        return given, own
    if given is not None and column in given.frame.columns:
        return given, column
    best: tuple[float, RawTable | None, str | None] = (0.0, None, None)
    for table in tables if given is None else [given]:
        match, name = _match(table, interactions, column, what)
        if match > best[0]:
            best = (match, table, name)
    if given is not None and best[1] is None:
        nearest = nearest_id(interactions.frame[column], given.frame)
        if nearest is not None:
            return given, nearest
        raise DataError(
            f"{given.location.file}: no column has a row an id that {interactions.location.file} has in {column!r}; "
            f"its columns are {', '.join(map(str, given.frame.columns[:12]))}; name the one with the ids, "
            f"--column {what}s_table_id=NAME"
        )
    return best[1], best[2]


def _divided(
    tables: Sequence[RawTable], interactions: RawTable, columns: Mapping[str, str]
) -> tuple[list[RawTable], list[RawTable]]:
    """The tables that may describe users, and items: numbers from 1 on are the ids of both, so the better match."""
    of_users: list[RawTable] = []
    of_items: list[RawTable] = []
    for table in tables:
        user = _match(table, interactions, columns["user_id"], "user")[0]
        item = _match(table, interactions, columns["item_id"], "item")[0]
        (of_users if user > item else of_items).append(table)
    return of_users, of_items


def _match(table: RawTable, interactions: RawTable, column: str, what: str) -> tuple[float, str | None]:
    """How well ``table`` describes the ids in ``column`` of the interactions, and its id column; 0 where not at all."""
    ids = set(distinct_texts(interactions.frame[column]))
    words, best = _USERS if what == "user" else _ITEMS, (0.0, "")
    shared = shared_id(interactions.frame, table.frame)
    for name in dict.fromkeys([*keys_of(table), *([column] if shared == column else [])]):
        keys = set(distinct_texts(table.frame[name]))
        met = overlap(ids, keys)
        alike = len(ids & keys) / max(len(ids | keys), 1)
        names = (name == column) + _is_named(name, words) + _is_named(table.location.file.stem, words)
        if name == column and name == shared:
            met = 1.0
        if met >= MEETS:
            best = max(best, (met + alike + names, name), key=lambda found: found[0])
    return best[0], best[1] or None


def _other_columns(table: RawTable, known: Mapping[str, str]) -> dict[str, str]:
    """The columns of times or positions, of weights and of event types."""
    free = [str(name) for name in table.frame.columns if name not in known.values()]
    kinds = infer_schema(pd.DataFrame({name: without_missing(table.frame[name]) for name in free})).columns
    times = [name for name in free if kinds[name].kind is Kind.TIME]
    counted = [name for name in free if _is_named(name, _TIMES) and kinds[name].kind is Kind.NUMERIC]
    times += [name for name in counted if numbers(table.frame[name]).max() >= _SECONDS]
    orders = [name for name in free if _is_named(name, _ORDERS)] + [name for name in counted if name not in times]
    found: dict[str, str] = {}
    if "time" not in known and "order" not in known:
        times = [_TIMESTAMP] if _TIMESTAMP in free else times
        found |= {"time": times[0]} if times else {"order": orders[0]} if orders else {}
    numeric = [name for name in free if kinds[name].kind in (Kind.NUMERIC, Kind.CATEGORICAL)]
    weights = [name for name in numeric if _is_named(name, _WEIGHTS) and bool((numbers(table.frame[name]) > 0).all())]
    events = [name for name in free if is_event_column(name) and table.frame[name].map(str).nunique() <= MOST_TYPES]
    for role, having in (("weight", weights), ("event", events)):
        left = [name for name in having if name not in found.values()]
        if role not in known and left:
            found[role] = left[0]
    return found


def _check_known(table: RawTable, columns: Mapping[str, str]) -> None:
    for role, name in columns.items():
        if name not in table.frame.columns:
            raise DataError(
                f"{table.location.file}: there is no column {name!r} for {role}; it has "
                f"{', '.join(map(str, table.frame.columns[:12]))}"
            )


def _named(table: RawTable, words: str) -> list[str]:
    """The columns whose names hold one of ``words``, those that also hold ``id`` first."""
    named = [name for name in map(str, table.frame.columns) if _is_named(name, words)]
    return sorted(named, key=lambda name: not _is_named(name, "id key code no nr nummer number uid iid"))


def _is_named(name: str, words: str) -> bool:
    """Whether a part of ``name`` is one of ``words``: ``customerId`` and ``Customer-ID`` hold ``customer``."""
    wanted = set(words.split())
    return any(part in wanted or any(part.removesuffix(e) in wanted for e in _ENDINGS) for part in name_words(name))
