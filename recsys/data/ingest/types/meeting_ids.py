"""Checks that the ids of the interactions are those of the users and items tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.ingest.config import UnknownIds
from recsys.data.ingest.id_column import TypedIds
from recsys.data.ingest.issues import shown
from recsys.data.ingest.tables import TypedTables
from recsys.data.ingest.types.id_mismatch import Mismatches, mismatches
from recsys.data.vocabulary import Ids, Vocabulary


@dataclass(frozen=True, eq=False)
class _Unmet:
    """The ids of one file of interactions that another table lacks.

    Args:
        part: the id column of the file.
        rows: int64, the rows of these ids.
        ids: the distinct ones.
        distinct: the number of distinct ids of the column.
    """

    part: TypedIds
    rows: NDArray[np.int64]
    ids: Ids
    distinct: int


def check_ids_meet(tables: TypedTables, policy: UnknownIds, joining: Dataset | None, settled: bool = False) -> None:
    """Adds issues about ids of the interactions that a table, or the dataset that is joined, spells differently.

    If a table describes none of the ids, or most of them under another spelling (zeros lost, ``12.0`` beside ``12``),
    that is an error, as all features would be missing and the catalogue doubled. Other unknown ids are a warning.

    Args:
        tables: the typed tables.
        policy: an id that a table lacks is an ``error``, or a warning that says what becomes of it.
        joining: the dataset that the tables will be merged into; its ids count as described.
        settled: whether the config names the policy, so that unknown ids without a likely cause are a note, unless most
            items of the interactions are not listed.
    """
    known_users, known_items = (None, None) if joining is None else (joining.users.vocabulary, joining.items.vocabulary)
    for what, seen, table, old in (
        ("users", [part.user for part in tables.interactions], tables.users, known_users),
        ("items", [part.item for part in tables.interactions], tables.items, known_items),
    ):
        if any(part.integers is None for part in seen):
            continue
        ids = None if table is None else table.ids.distinct
        if old is not None:
            _check_joined(seen, ids, old, what)
        if table is not None and ids is not None and table.ids.integers is not None:
            known = ids if old is None or not len(old) else np.concatenate([ids, np.asarray(old.ids, ids.dtype)])
            _check_described(seen, known, table.location.file.name, what, (policy, settled))


def _check_described(seen: list[TypedIds], known: Ids, name: str, what: str, policy: tuple[UnknownIds, bool]) -> None:
    found = [unmet for part in seen if len((unmet := _unmet(part, known)).rows)]
    nothing_met = len(known) > 0 and len(found) == len(seen) and all(len(u.ids) == u.distinct for u in found)
    for unmet in found:
        cause = mismatches(unmet.ids, known)
        if nothing_met or (cause is not None and 2 * cause.explained > unmet.distinct):
            _report_mismatch(unmet, cause, known, name, what)
        else:
            _report_unknown(unmet, cause, name, what, *policy)


def _check_joined(seen: list[TypedIds], described: Ids | None, old: Vocabulary, what: str) -> None:
    """Refuses ids, most of which the dataset has under another spelling: each would become a new user or item."""
    for part in [part for part in seen if len(old) and part.integers == old.holds_integers]:
        unmet = _unmet(part, old.ids)
        cause = mismatches(unmet.ids, old.ids) if len(unmet.ids) else None
        if cause is not None and 2 * cause.certain > unmet.distinct:
            _report_mismatch(unmet, cause, old.ids, "the existing dataset", what)


def _unmet(part: TypedIds, known: Ids) -> _Unmet:
    unknown = ~pd.Index(part.distinct).isin(pd.Index(known))
    return _Unmet(part, part.rows_of(unknown), part.distinct[unknown], len(part.distinct))


def _report_mismatch(unmet: _Unmet, cause: Mismatches | None, known: Ids, name: str, what: str) -> None:
    if len(unmet.ids) == unmet.distinct:
        found = f"none of the {unmet.distinct:,} {what} is in {name}"
    else:
        found = f"{len(unmet.ids):,} of the {unmet.distinct:,} {what} are not in {name}"
    if cause is None:
        looks = f"here as {shown(unmet.ids[0])}, there as {shown(known[0])}"
        remedy = f"check that both have ids of {what} ({looks}) and that user and item are not swapped, or leave it out"
        unmet.part.location.error(found, remedy, unmet.rows)
    else:
        unmet.part.location.error(f"{found}; {cause}", cause.remedy, unmet.rows)


def _report_unknown(
    unmet: _Unmet, cause: Mismatches | None, name: str, what: str, policy: UnknownIds, settled: bool
) -> None:
    """An issue about ids that a table lacks; most items missing is a warning whatever the config says."""
    count, most = len(unmet.ids), what == "items" and 2 * len(unmet.ids) > unmet.distinct
    found = f"{count:,} id{'s are' if count > 1 else ' is'} not in {name}, as {shown(unmet.ids[0])}"
    if most:
        share = f"{count / unmet.distinct:.0%}"
        found = f"{count:,} of the {unmet.distinct:,} items ({share}) are not in {name}, as {shown(unmet.ids[0])}"
    found += "" if cause is None else f"; {cause}"
    remedy = "add rows for them" if cause is None else cause.remedy
    if policy == "error":
        unmet.part.location.error(found, f'{remedy}, or set data.unknown_ids to "add" or "drop"', unmet.rows)
        return
    tell = unmet.part.location.note if settled and cause is None and not most else unmet.part.location.warn
    check = f"check that {name} is whole: most items are " * most
    if policy == "drop":
        told = "not read" if most else "they and their interactions are left out"
        tell(found, f"{check}{told}, as data.unknown_ids says", unmet.rows)
        return
    told = "until then their features are missing" + ", and such items are not recommended" * (what == "items")
    if most:
        remedy, told = f"{check}not recommended", f"{remedy}, or set recommend.unlisted = true to recommend them"
    says = "" if settled else '; if that is known, data.unknown_ids = "add" says so'
    tell(found, f"{remedy}; {told}{says}", unmet.rows)
