"""Holdouts: the evaluation users of a split, their histories and their held-out targets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.atomic import atomic_path, read_json, write_json
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.digest import short_digest
from recsys.errors import ArtifactError
from recsys.files.stored_array import check_column, load_column
from recsys.files.stored_json import check_kinds
from recsys.json_values import JsonObject

HEADER = "holdout.json"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Holdout:
    """Evaluation users with the history that predictions are made from and the held-out targets.

    Args:
        users: int32 [U], ascending user rows, each once: the evaluation users.
        history: their earlier interactions: a model computes user vectors from them, and `filter_seen` masks their
            items.
        targets: the held-out interactions; every user of ``users`` has at least one.
        candidates: int64 item rows that are ranked; None ranks the whole catalogue.
        filter_seen: whether the items of a user's history are masked, so that the user's list does not hold them.
        also_seen: feedback that is no part of the histories and whose items are masked with theirs, such as dislikes.

    Example:
        >>> from recsys.data.splits.split import split
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> len(split(BlockTaste(users=30).dataset(), "leave_one_out").test)
        30
    """

    users: NDArray[np.int32]
    history: Interactions
    targets: Interactions
    candidates: NDArray[np.int64] | None = None
    filter_seen: bool = True
    also_seen: Interactions = field(default_factory=Interactions.empty)

    @classmethod
    def of_targets(
        cls, history: Interactions, targets: Interactions, candidates: NDArray[np.int64] | None = None
    ) -> Holdout:
        """The holdout of all users who have targets."""
        return cls(np.unique(targets.user), history, targets, candidates)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        ranked = "all items" if self.candidates is None else f"{len(self.candidates):,} candidate items"
        return (
            f"Holdout({len(self):,} users, {len(self.targets):,} targets, {len(self.history):,} history interactions, "
            f"{ranked}, seen items {'filtered' if self.filter_seen else 'kept'})"
        )

    @cached_property
    def seen(self) -> Histories | None:
        """What is masked for ``users`` [U]: their histories and `also_seen`; None without `filter_seen`."""
        if not self.filter_seen:
            return None
        histories = Histories.from_interactions(self.history, self.users)
        if not len(self.also_seen):
            return histories
        return histories.joined(Histories.from_interactions(self.also_seen, self.users))

    @cached_property
    def repeats(self) -> float:
        """The share of the targets whose items are in the history of their users."""
        return float(self.history.holds(self.targets).mean()) if len(self.targets) else 0.0

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the history, the targets and the candidates, and of what is also seen."""
        rows = self.candidates
        candidates = "all" if rows is None else hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
        also_seen = [self.also_seen.fingerprint] if len(self.also_seen) else []
        return self.history.fingerprint, self.targets.fingerprint, candidates, *also_seen

    @cached_property
    def held_out_fingerprint(self) -> str:
        """A digest of history, targets and candidates that does not depend on `filter_seen`.

        A model that was not trained on these targets was not trained on those of another holdout with the same value.
        """
        return short_digest(["/".join(self.digests)])

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that the values of the metrics depend on."""
        if self.filter_seen:
            return self.held_out_fingerprint
        return short_digest(["/".join((*self.digests, "seen kept"))])

    def of_users(self, users: NDArray[np.int32]) -> Holdout:
        """The holdout restricted to ``users``, which are ascending rows among the evaluation users."""
        parts = (self.history, self.targets, self.also_seen)
        history, targets, also_seen = (part.of_users(users) for part in parts)
        return replace(self, users=users, history=history, targets=targets, also_seen=also_seen)

    def sampled(self, size: int, rng: np.random.Generator) -> Holdout:
        """The holdout restricted to at most ``size`` random users."""
        return self if len(self) <= size else self.of_users(np.sort(rng.permutation(self.users)[:size]))

    def save(self, directory: Path) -> None:
        """Writes a folder: ``holdout.json``, arrays, and interactions that `load` maps into memory."""
        with atomic_path(directory) as beside:
            beside.mkdir()
            np.save(beside / "users.npy", np.asarray(self.users, np.int32))
            self.history.save(beside / "history")
            self.targets.save(beside / "targets")
            if len(self.also_seen):
                self.also_seen.save(beside / "also_seen")
            if self.candidates is not None:
                np.save(beside / "candidates.npy", np.asarray(self.candidates, np.int64))
            header = {"version": _VERSION, "filter_seen": self.filter_seen, "fingerprint": self.fingerprint}
            write_json(beside / HEADER, header)

    @classmethod
    def load(cls, directory: Path, sizes: tuple[int, int] | None = None) -> Holdout:
        """Reads the folder that `save` wrote.

        Args:
            directory: the folder.
            sizes: the numbers of users and items of the tables whose rows it has to name; None checks none.

        Raises:
            ArtifactError: a part is missing, damaged, changed since written or of an unknown version; or `check` fails.
        """
        header = read_header(directory / HEADER, _VERSION, ("filter_seen", "fingerprint"))
        check_kinds(directory / HEADER, header, {"filter_seen": bool})
        candidates = directory / "candidates.npy"
        users = load_column(directory / "users.npy", np.int32)
        rows = load_column(candidates, np.int64) if candidates.exists() else None
        history, targets = (Interactions.load(directory / name) for name in ("history", "targets"))
        also_seen = directory / "also_seen"
        masked = Interactions.load(also_seen) if also_seen.is_dir() else Interactions.empty()
        found = cls(users, history, targets, rows, header["filter_seen"], masked)
        if found.fingerprint != header["fingerprint"] or not np.array_equal(users, np.unique(targets.user)):
            raise ArtifactError(f"{directory} has changed since it was written; prepare the data again")
        if sizes is not None:
            found.check(*sizes, directory)
        return found

    def check(self, n_users: int, n_items: int, where: Path) -> None:
        """Checks what was read from ``where`` against tables of ``n_users`` users and ``n_items`` items.

        Raises:
            ArtifactError: as `Interactions.check`; or the candidates are none, or named twice, or no items.
        """
        self.history.check(n_users, n_items, where / "history")
        self.targets.check(n_users, n_items, where / "targets")
        self.also_seen.check(n_users, n_items, where / "also_seen", any_sign=True)
        if self.candidates is not None:
            rows, path = self.candidates, where / "candidates.npy"
            outside = not len(rows) or int(rows.min()) < 0 or int(rows.max()) >= n_items
            check_column(path, outside, f"names no items, or rows that do not exist, of {n_items:,}")
            check_column(path, len(np.unique(rows)) != len(rows), "names an item twice")


def read_header(path: Path, version: int, keys: tuple[str, ...]) -> JsonObject:
    """The JSON object at ``path`` with all of ``keys``.

    Raises:
        ArtifactError: it is missing, not such an object, or of another version.
    """
    header = read_json(path)
    if not isinstance(header, dict) or header.get("version") != version:
        found = header.get("version") if isinstance(header, dict) else header
        raise ArtifactError(f"{path} has version {found!r}, this library reads {version}; prepare the data again")
    if missing := [key for key in keys if key not in header]:
        raise ArtifactError(f"{path} lacks {', '.join(missing)}; prepare the data again")
    return header
