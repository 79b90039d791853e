"""Candidates for promotion: the users on which one is compared with the champion, and the record of the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from recsys.atomic import atomic_path
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.merge import check_ids, known_to, remap_items
from recsys.data.splits.holdout import Holdout
from recsys.errors import ArtifactError, ConfigError, PromotionError, RecsysError
from recsys.evaluation.compared_users import ComparedUsers
from recsys.files.addresses import without_password
from recsys.files.input_file import read_bytes, regular_size
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.gate import Decision
from recsys.registry.store import CHAMPION, Store


@dataclass(frozen=True, eq=False)
class Candidate:
    """A bundle that may be promoted, and the evaluation users on which it is compared with the champion.

    Args:
        bundle: the folder of the bundle that is evaluated.
        data: the dataset whose rows ``holdout`` refers to.
        holdout: evaluation users whose targets are not in the candidate's training data.
        fingerprint: of the split, or of the held-out part of a fine-tuned bundle.
        of_run: True for an engine that a run trained and reported on, False for a fine-tuned bundle.
        final: the folder of the bundle that is registered instead: the same recipe fitted on all interactions. None
            registers ``bundle``.
    """

    bundle: Path
    data: Dataset
    holdout: Holdout
    fingerprint: str
    of_run: bool
    final: Path | None = None

    @property
    def ships(self) -> Path:
        """The folder of the bundle that is registered and recommends."""
        return self.final or self.bundle


def child_candidate(directory: Path) -> Candidate:
    """A fine-tuned bundle, evaluated on the interactions that were held out from its fine-tuning.

    Raises:
        ConfigError: the bundle has no evaluation data.
    """
    child = Bundle.load(directory)
    if child.evaluation is None:
        raise ConfigError(
            f"{directory} holds no evaluation users; finetune holds some out if at least two users have several new "
            "interactions"
        )
    return Candidate(directory, child.data, child.evaluation, child.evaluation.fingerprint, of_run=False)


def exclude_leaked_users(candidate: Candidate, champion: Bundle, version: str) -> Candidate:
    """The candidate without the evaluation users whose targets may be in the champion's training data (leakage).

    A champion of a run from which the same test interactions were held out cannot have been trained on the targets;
    no user is excluded then. For any other champion, a user is excluded if one of the user's targets is among the
    interactions in the champion's bundle.

    With timestamps, a target matches an interaction of the same user, item and time. Without timestamps, positions in
    two files cannot be compared, so a target matches every interaction of the same user and item. A repeated purchase
    then looks like a leaked target: its user is excluded, and that is no error for a fine-tuned candidate either.

    Args:
        candidate: with all its evaluation users.
        champion: the champion's bundle.
        version: the champion's version, for messages.

    Raises:
        ArtifactError: the ids of the champion's data are of another type (text or integer) than the candidate's, so
            none would match.
        PromotionError: no evaluation user is left; or a user of a fine-tuned candidate would be excluded and both
            datasets have timestamps; or the champion's bundle has no interactions to compare with.
    """
    way_out = "set promote.model to a new name, which has no champion"
    check_ids(champion.data, candidate.data, f"the champion (version {version})", way_out)
    if candidate.of_run and _same_holdout(champion, candidate):
        return candidate
    if champion.histories is None:
        raise PromotionError(
            f"the champion (version {version}) keeps no histories, so it cannot be checked whether the targets of "
            f"{candidate.bundle} are in its training data: promote on the data and the split that it was made from, or "
            f"{way_out}"
        )
    holdout, timed = candidate.holdout, champion.data.has_timestamps and candidate.data.has_timestamps
    leaked = np.unique(holdout.targets.user[known_to(champion.data, holdout.targets, candidate.data, timed)])
    if not len(leaked):
        return candidate
    users = holdout.users[~np.isin(holdout.users, leaked)]
    if not len(users) or (timed and not candidate.of_run):
        raise PromotionError(
            f"the champion (version {version}) was trained on data that hold the targets of the evaluation users of "
            f"{candidate.bundle}: fine-tune on newer data, promote the engine of a run on newer data, or keep the "
            "split that the champion was trained with"
        )
    reduced = holdout.of_users(users)
    return replace(candidate, holdout=reduced, fingerprint=reduced.fingerprint)


def compared_users(asked: Candidate, compared: Candidate, earlier: Interactions) -> ComparedUsers:
    """How many users are compared, and why the others are not.

    Args:
        asked: the candidate with all its evaluation users.
        compared: the same without those whose targets the champion may have learnt.
        earlier: the interactions that no target is among.
    """
    data, rows = asked.data, np.arange(asked.data.n_users)
    has, had = (part.user_counts(data.n_users) for part in (data.interactions, earlier))
    evaluated, kept = np.isin(rows, asked.holdout.users), np.isin(rows, compared.holdout.users)
    histories = compared.holdout.history.user_counts(data.n_users)
    reasons = {
        "without_interactions": ~evaluated & (has == 0),
        "nothing_held_out": ~evaluated & (has > 0) & (had >= has),
        "no_target": ~evaluated & (had < has),
        "champion_learnt": evaluated & ~kept,
    }
    counts = {reason: int(who.sum()) for reason, who in reasons.items() if who.any()}
    return ComparedUsers(int(kept.sum()), len(rows), int((kept & (histories == 0)).sum()), counts)


def _same_holdout(champion: Bundle, candidate: Candidate) -> bool:
    """Whether the champion's training held out the same test interactions; other columns and users may differ."""
    lineage = champion.lineage
    if lineage.parent is not None:
        return False
    moved = remap_items(candidate.holdout, candidate.data, champion.data)
    return moved is not None and bool(lineage.config.get("test_fingerprint") == moved.held_out_fingerprint)


def load_champion(store: Store, version: str) -> Bundle:
    """The champion's bundle.

    Raises:
        ArtifactError: it is missing or damaged; the message names the remedies.
    """
    return _load(store.locate(version), store)


def _load(folder: Path, store: Store) -> Bundle:
    try:
        return Bundle.load(folder)
    except ArtifactError as error:
        raise ArtifactError(
            f"the champion of {store.name} cannot be evaluated: {error}, or run recsys rollback, or set "
            "promote.model to a new name, which has no champion"
        ) from error


def compared_bundle(candidate: Candidate, champion: Bundle, store: Store, version: str) -> Bundle:
    """The bundle of the champion with which the candidate is compared.

    A champion that was fitted on all interactions has learnt the test interactions of its own run. On these, its
    measured bundle is evaluated, which the store keeps beside it.

    Args:
        candidate: with all its evaluation users.
        champion: the bundle that recommends.
        store: the registry.
        version: the champion's version.

    Raises:
        ArtifactError: the measured bundle is damaged; the message names the remedies.
    """
    folder = store.locate_measured(version) if candidate.of_run and is_final(champion) else None
    if folder is None:
        return champion
    measured = _load(folder, store)
    return measured if _same_holdout(measured, candidate) else champion


def is_final(bundle: Bundle) -> bool:
    """Whether the bundle was fitted on all interactions after its recipe had been measured."""
    return bool(bundle.lineage.config.get("final"))


def measured_version(bundle: Bundle) -> str:
    """The version of the bundle that was measured: itself, unless it was fitted on all interactions afterwards."""
    return str(bundle.lineage.config["measured"]) if is_final(bundle) else bundle.version


def decision_record(
    store: Store, version: str, decision: Decision, about: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The content of ``decision.json``: the decision, and the state of the registry after it.

    ``bundle`` is the bundle that recommends, ``measured`` the one that was evaluated; see `compared_bundle`.

    Args:
        store: the registry.
        version: of the candidate.
        decision: the verdict.
        about: further entries, such as how the candidate was chosen.
    """
    ships, measured = store.locate(version), store.locate_measured(version)
    return {
        "schema": 1,
        "model": store.name,
        "version": version,
        "bundle": version_of(ships),
        "measured": version_of(measured or ships),
        "alias": CHAMPION if decision.promoted else None,
        "tracking_uri": without_password(store.uri),
        **asdict(decision),
        **(about or {}),
    }


def is_current(store: Store, record: Mapping[str, object]) -> bool:
    """Whether the registry is in the state that ``record`` describes: the same champion, its bundle undamaged."""
    try:
        champion = record["version"] if record["promoted"] else record["champion"]
        if store.version_at(CHAMPION) != champion:
            return False
        return version_of(store.download(str(record["version"]))) == record["bundle"]
    except (RecsysError, KeyError):
        return False


def is_kept(latest: Path, history: Path) -> bool:
    """Whether the decision in ``latest`` is the last one of the folder ``history``."""
    regular = {number: path for number, path in _numbered(history).items() if path.is_file()}
    if not regular:
        return False
    last, size = regular[max(regular)], regular_size(latest)
    return regular_size(last) == size and read_bytes(last, size) == read_bytes(latest, size)


def keep_decision(latest: Path, history: Path) -> None:
    """Copies the decision in ``latest`` to the next numbered file of ``history``, unless its last one is the same."""
    if is_kept(latest, history):
        return
    with atomic_path(history / f"{max(_numbered(history), default=0) + 1:04d}.json") as beside:
        beside.write_bytes(read_bytes(latest, regular_size(latest)))


def _numbered(history: Path) -> dict[int, Path]:
    """The number of each decision, and its path, which may be no file: a pipe or folder there is never opened."""
    return {int(path.stem): path for path in history.glob("*.json") if path.stem.isdecimal()}
