"""Candidates for promotion: which evaluation users they share with the champion, and what was decided about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from recsys.atomic import write_json
from recsys.data.dataset import Dataset
from recsys.data.merge import check_ids, known_to, remap_items
from recsys.data.splits.holdout import Holdout
from recsys.errors import ArtifactError, ConfigError, PromotionError, RecsysError
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.gate import Decision
from recsys.registry.store import CHAMPION, Store


@dataclass(frozen=True, eq=False)
class Candidate:
    """A bundle that may be promoted, and the evaluation users on which it is compared with the champion.

    Args:
        bundle: its folder.
        data: what the rows of ``holdout`` refer to.
        holdout: evaluation users whose targets the candidate has not learnt.
        fingerprint: of the split, or of the held-out part of a fine-tuned bundle.
        of_run: whether it is the engine of a run, with a report, and not a fine-tuned child.
    """

    bundle: Path
    data: Dataset
    holdout: Holdout
    fingerprint: str
    of_run: bool


def child_candidate(directory: Path) -> Candidate:
    """A fine-tuned bundle, evaluated on the interactions that were held out from its fine-tuning.

    Raises:
        ConfigError: the bundle has no evaluation data.
    """
    child = Bundle.load(directory)
    if child.evaluation is None:
        raise ConfigError(
            f"{directory} has no evaluation users in it; finetune holds some out where at least two users have several "
            "new interactions"
        )
    return Candidate(directory, child.data, child.evaluation, child.evaluation.fingerprint, of_run=False)


def exclude_leaked_users(candidate: Candidate, champion: Bundle, version: str) -> Candidate:
    """The candidate without the evaluation users whose targets the champion may have learnt.

    A champion from which the same test interactions were held out (refit or not) has seen none of the targets, also
    where columns of users and items have changed since. Any other champion may have been trained on the targets, so a
    user is excluded when the champion's histories hold one of the user's targets. Without timestamps two files may
    count positions differently, so a target is then known when the user has the item at all; since people buy again,
    such users are excluded for a fine-tuned candidate too.

    Args:
        candidate: with all its evaluation users.
        champion: its bundle.
        version: of the champion, for messages.

    Raises:
        ArtifactError: the champion's ids are of another type, so that it would know nobody and lose to anything.
        PromotionError: every user is excluded, or any user of a fine-tuned candidate with timestamps; or the champion
            keeps no histories.
    """
    way_out = "begin without a champion under another promote.model"
    check_ids(champion.data, candidate.data, f"the champion (version {version})", way_out)
    if candidate.of_run and _same_holdout(champion, candidate):
        return candidate
    if champion.histories is None:
        raise PromotionError(
            f"the champion (version {version}) keeps no histories, so nothing tells whether it has learnt the targets "
            f"of the evaluation users of {candidate.bundle}: promote on the data and the split that it was made from, "
            f"or {way_out}"
        )
    holdout, timed = candidate.holdout, champion.data.has_timestamps and candidate.data.has_timestamps
    leaked = np.unique(holdout.targets.user[known_to(champion.data, holdout.targets, candidate.data, timed)])
    if not len(leaked):
        return candidate
    users = holdout.users[~np.isin(holdout.users, leaked)]
    if not len(users) or (timed and not candidate.of_run):
        raise PromotionError(
            f"the champion (version {version}) was made from data that hold the targets of the evaluation users of "
            f"{candidate.bundle}; it may have learnt them: fine-tune on newer data, promote the engine of a run on "
            "newer data, or keep the split that the champion was trained with"
        )
    reduced = holdout.of_users(users)
    return replace(candidate, holdout=reduced, fingerprint=reduced.fingerprint)


def _same_holdout(champion: Bundle, candidate: Candidate) -> bool:
    """Whether these very targets were held out from the champion, whatever else its tables hold."""
    lineage = champion.lineage
    if lineage.parent is not None:
        return False
    moved = remap_items(candidate.holdout, candidate.data, champion.data)
    return moved is not None and bool(lineage.config.get("test_fingerprint") == moved.held_out_fingerprint)


def load_champion(store: Store, version: str) -> Bundle:
    """The champion's bundle.

    Raises:
        ArtifactError: it is missing or damaged; says what can be done.
    """
    try:
        return Bundle.load(store.locate(version))
    except ArtifactError as error:
        raise ArtifactError(
            f"the champion of {store.name} cannot be evaluated: {error}, or give the alias back to the one before with "
            "recsys rollback, or begin without a champion under another promote.model"
        ) from error


def decision_record(store: Store, version: str, decision: Decision) -> dict[str, object]:
    """``decision.json``: the decision, and the state of the registry after it."""
    return {
        "schema": 1,
        "model": store.name,
        "version": version,
        "bundle": version_of(store.locate(version)),
        "alias": CHAMPION if decision.promoted else None,
        "tracking_uri": store.uri,
        **asdict(decision),
    }


def is_current(store: Store, record: Mapping[str, object]) -> bool:
    """Whether the registry is as the decision ``record`` left it: the same champion, its bundle undamaged."""
    try:
        champion = record["version"] if record["promoted"] else record["champion"]
        if store.version_at(CHAMPION) != champion:
            return False
        return version_of(store.download(str(record["version"]))) == record["bundle"]
    except (RecsysError, KeyError):
        return False


def save_decision(record: Mapping[str, object], latest: Path, history: Path) -> None:
    """Writes ``latest``, and the same as the next numbered file of the folder ``history``."""
    numbers = [int(path.stem) for path in history.glob("*.json") if path.stem.isdecimal()]
    write_json(history / f"{1 + max(numbers, default=0):04d}.json", record)
    write_json(latest, record)
