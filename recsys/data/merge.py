"""Merging of a dataset with newer data: the union of both, in which the rows of the old dataset do not move."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.feedback.decay import latest, redecayed
from recsys.data.feedback.later import all_rows, lessened, moments, returns_of, without_taken_back
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.splits.holdout import Holdout
from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.errors import ArtifactError, DataError

MergeMode = Literal["append", "replace"]


def merged(
    old: Dataset, new: Dataset, mode: MergeMode = "append", positive_from: float = 0.0
) -> tuple[Dataset, NDArray[np.bool_]]:
    """The union of two datasets: new users, items and columns are appended, and cells of ``new`` win.

    Returns, dislikes, removals and lower ratings of ``new`` take back likes of ``old`` as they do within one file
    (`recsys.data.feedback.likes.resolve`), those that ``old`` has applied already excepted. Weights that decay by age
    do so by the half-life of ``new``, with ages counted from the newest interaction of both.

    Args:
        old: its users and items keep their rows.
        new: newer data.
        mode: ``"append"``: the interactions of ``new`` are added. With timestamps, a duplicate (same user, item and
            time) is kept once and counts as old; without, positions start anew in each file, so that all are new and
            follow the old ones of their users. ``"replace"``: ``new`` is a full export, and interactions that it lacks
            are removed. An interaction is old if ``old`` has it (same user, item and time; without timestamps, the
            n-th of the same user and item); without positions either, new interactions come last.
        positive_from: the least weight of a like, of which returns may leave a part.

    Returns:
        The dataset, and which of its interactions [E] are new.

    Raises:
        DataError: only one of both has timestamps.
    """
    if old.has_timestamps != new.has_timestamps:
        raise DataError(
            f"the dataset {'has' if old.has_timestamps else 'has no'} timestamps and the newer interactions "
            f"{'have' if new.has_timestamps else 'have none'}; they cannot be put in order"
        )
    users, items = (merged_entities(*pair, mode) for pair in ((old.users, new.users), (old.items, new.items)))
    rows = _rows(new, users, items)
    if mode == "replace":
        moved = _renumbered(new.interactions, *rows)
        interactions, fresh = _replaced(old, moved, len(users), old.has_order and new.has_order)
        settled, counts, decay = _renumbered(new.settled, *rows), new.feedback, new.decay
    else:
        decay, before = latest(old.decay, new.decay), redecayed(old.interactions, old.decay)  # amounts, for returns
        amounts = replace(new, interactions=redecayed(new.interactions, new.decay))
        moved = _renumbered(all_rows(amounts), *rows)
        moved = moved if old.has_timestamps else _moved_after(before, moved, len(users))
        likes, withdrawals = moved.select(moved.weight > 0), moved.select(moved.weight <= 0)
        if old.has_timestamps:
            likes = likes.select(~moments(likes).isin(moments(old.settled.select(old.settled.weight > 0))))
            withdrawals = withdrawals.select(~moments(withdrawals).isin(moments(returns_of(old.settled))))
        both = _joined(lessened(before, likes) if len(new.settled) else before, likes)
        interactions, fresh, settled, counts = without_taken_back(*both, withdrawals, max(positive_from, 0.0))
        interactions = redecayed(interactions, None, decay)
        settled, counts = old.settled.joined(settled) if len(settled) else old.settled, old.feedback + counts
    non_likes = _feedback(old, new, users, items, interactions, mode)
    about = (old.has_timestamps, old.has_order)
    found = Dataset(old.name, users, items, interactions, *about, non_likes=non_likes, settled=settled)
    data = replace(found, feedback=counts, decay=decay)
    return data, fresh


def merged_entities(old: EntityTable, new: EntityTable, mode: MergeMode = "append") -> EntityTable:
    """The union of two entity tables, rows of ``old`` first; a column of both has the kind that ``old`` gives it.

    Listed is what either lists; with ``mode = "replace"``, and where ``new`` lists at least half of what ``old`` does,
    and is thus a whole catalogue and not its additions, what ``new`` lists. Where ``new`` was made without a table, its
    new ids count as listed, because nothing says that they have left.
    """
    vocabulary = old.vocabulary.extended(new.vocabulary.ids)
    base, other = (
        table.columns.astype(object).set_axis(pd.Index(table.vocabulary.ids), axis=0).reindex(pd.Index(vocabulary.ids))
        for table in (old, new)
    )
    columns = {}
    for name in dict.fromkeys([*base.columns, *other.columns]):
        if name not in other:
            columns[name] = base[name]
        else:
            columns[name] = other[name] if name not in base else other[name].where(other[name].notna(), base[name])
    frame = pd.DataFrame(columns, index=pd.Index(vocabulary.ids)).reset_index(drop=True).infer_objects()
    kinds = {**new.schema.columns, **old.schema.columns}
    schema = Schema({name: kinds[name] for name in columns})
    return EntityTable(vocabulary, frame, schema, _listed(old, new, vocabulary, mode))


def _listed(old: EntityTable, new: EntityTable, vocabulary: Vocabulary, mode: MergeMode) -> NDArray[np.bool_] | None:
    """Bool [n]: which ids of ``vocabulary``, the union, are listed; None where neither was read from a table."""
    if old.listed is None and new.listed is None:
        return None
    listed = np.ones(len(vocabulary), bool)
    if old.listed is not None:
        listed[: len(old)] = old.listed
    if new.listed is not None:
        rows = vocabulary.rows(new.vocabulary.ids)
        is_whole = mode == "replace" or listed_again(old, new).is_whole
        if is_whole:
            listed[:] = False
        listed[rows] = new.listed if is_whole else new.listed | (listed[rows] & (rows < len(old)))
    return listed


class ListedAgain(NamedTuple):
    """How many of the ids that a table listed a newer one lists too, and how many it listed."""

    still: int
    before: int

    @property
    def is_whole(self) -> bool:
        """Whether the newer table is taken as a whole one and not as a list of changes."""
        return 2 * self.still >= self.before > 0


def listed_again(old: EntityTable, new: EntityTable) -> ListedAgain:
    """Of the ids that ``old`` lists, those that ``new`` lists too."""
    before = np.ones(len(old), bool) if old.listed is None else old.listed
    rows = old.vocabulary.rows(new.vocabulary.ids)
    rows = rows[(rows != MISSING) & (new.listed if new.listed is not None else True)]
    return ListedAgain(int(before[rows].sum()), int(before.sum()))


def _feedback(
    old: Dataset, new: Dataset, users: EntityTable, items: EntityTable, likes: Interactions, mode: MergeMode
) -> Interactions:
    """The feedback of both that is no like, or that of a newer full export; without pairs that are liked by now."""
    found = new.non_likes
    if len(found):
        found = _renumbered(found, *_rows(new, users, items))
    if mode == "append" and len(old.non_likes):
        unknown = ~_keys(found.user, found.item).isin(_keys(old.non_likes.user, old.non_likes.item))
        found = old.non_likes.joined(found.select(unknown))
    return found.select(~_keys(found.user, found.item).isin(_keys(likes.user, likes.item))) if len(found) else found


def _rows(named: Dataset, users: EntityTable, items: EntityTable) -> tuple[Rows, Rows]:
    """int64 [U] and [I]: the rows of the users and items of ``named`` in other tables; MISSING where absent."""
    return users.vocabulary.rows(named.users.vocabulary.ids), items.vocabulary.rows(named.items.vocabulary.ids)


def _renumbered(events: Interactions, user: Rows, item: Rows) -> Interactions:
    return Interactions.of(user[events.user], item[events.item], events.time, events.weight, events.tie)


def _replaced(old: Dataset, new: Interactions, n_users: int, has_order: bool) -> tuple[Interactions, NDArray[np.bool_]]:
    """The interactions of a full export, in its order, and bool [E]: which of them ``old`` lacks."""
    before = old.interactions
    if old.has_timestamps:
        return new, ~moments(new).isin(moments(before))
    theirs, ours = (_keys(x.user, x.item, _occurrence(x)) for x in (new, before))
    fresh = ~theirs.isin(ours)
    if has_order:
        return new, fresh
    return _joined(before.select(ours.isin(theirs)), _moved_after(before, new.select(fresh), n_users))


def _occurrence(x: Interactions) -> NDArray[np.int64]:
    """int64 [E]: the number of earlier interactions of the same user and item."""
    return np.asarray(pd.DataFrame({"user": x.user, "item": x.item}).groupby(["user", "item"]).cumcount(), np.int64)


def _moved_after(old: Interactions, new: Interactions, n_users: int) -> Interactions:
    return Interactions.of(new.user, new.item, _after(old, new, n_users), new.weight, new.tie)


def _after(old: Interactions, new: Interactions, n_users: int) -> NDArray[np.int64]:
    """int64 [E]: the positions of ``new``, shifted to follow each user's last position in ``old``."""
    last = np.full(n_users, -1, np.int64)
    np.maximum.at(last, old.user, old.time)
    first = np.full(n_users, np.iinfo(np.int64).max)
    np.minimum.at(first, new.user, new.time)
    after: NDArray[np.int64] = new.time - first[new.user] + last[new.user] + 1
    return after


def _joined(old: Interactions, new: Interactions) -> tuple[Interactions, NDArray[np.bool_]]:
    known = moments(old)
    both = old.joined(new.select(~moments(new).isin(known)))
    return both, ~moments(both).isin(known)


def known_to(data: Dataset, events: Interactions, named: Dataset, timed: bool = True) -> NDArray[np.bool_]:
    """Bool [E]: whether ``data`` holds each of ``events``, whose rows are those of ``named``.

    Where not ``timed``, whether the same user has the same item in ``data`` at all.
    """
    user, item = _rows(named, data.users, data.items)
    own = data.interactions
    ours, theirs = (x.time if timed else None for x in (events, own))
    found: NDArray[np.bool_] = _keys(user[events.user], item[events.item], ours).isin(_keys(own.user, own.item, theirs))
    return found


def remap_items(holdout: Holdout, named: Dataset, data: Dataset) -> Holdout | None:
    """``holdout``, in rows of ``named``, re-indexed to the rows of ``data``; None if ``data`` lacks one of its ids."""
    user, item = _rows(named, data.users, data.items)
    history, targets = (_renumbered(part, user, item) for part in (holdout.history, holdout.targets))
    users = np.sort(user[holdout.users]).astype(np.int32)
    candidates = None if holdout.candidates is None else np.sort(item[holdout.candidates])
    rows: list[NDArray[np.integer]] = [targets.user, history.item, targets.item]
    rows += [] if candidates is None else [candidates]
    if (np.concatenate(rows) == MISSING).any():
        return None
    also_seen = _renumbered(holdout.also_seen, user, item)
    also_seen = also_seen.select((also_seen.user != MISSING) & (also_seen.item != MISSING))
    return Holdout(users, history, targets, candidates, holdout.filter_seen, also_seen)


def check_ids(trained_on: Dataset, data: Dataset, who: str, way_out: str) -> None:
    """Checks that the ids of a model and those of the dataset to predict for have the same type.

    Args:
        trained_on: the dataset of the model.
        data: the dataset to predict for.
        who: the model, for the message.
        way_out: the alternative remedy, for the message.

    Raises:
        ArtifactError: the ids of users or of items are integers in one and texts in the other.
    """
    for what, ours, theirs in (("users", trained_on.users, data.users), ("items", trained_on.items, data.items)):
        was, now = _type(ours), _type(theirs)
        if was != now:
            raise ArtifactError(
                f"{who} was made from {what} whose ids are {was}, and those of the dataset are {now}, so that it has "
                "none of them (in CSV, one id that is no integer makes all of them texts): write the ids as before, or "
                f"{way_out}"
            )


def _type(table: EntityTable) -> str:
    return "integers" if table.vocabulary.holds_integers else "texts"


def _keys(
    user: NDArray[np.integer], item: NDArray[np.integer], time: NDArray[np.integer] | None = None
) -> pd.MultiIndex:
    """The key by which interactions are compared: (user, item, time), or (user, item) without ``time``."""
    return pd.MultiIndex.from_arrays([user, item] if time is None else [user, item, time])
