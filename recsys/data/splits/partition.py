"""Train, validation and test: what every split protocol returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.atomic import atomic_path, write_json
from recsys.data.feedback.likes import known_by_then
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout, read_header
from recsys.digest import short_digest
from recsys.errors import ArtifactError

_VERSION = 2
_HEADER = ("protocol", "refit", "cutoffs", "dropped_users", "fingerprint")


@dataclass(frozen=True, eq=False)
class Split:
    """Train, validation and test of one protocol.

    Args:
        protocol: its name, such as ``leave_one_out``.
        train: the training interactions.
        validation: the holdout on which epochs, weights and options are selected.
        train_and_validation: the training interactions of a refit.
        test: the holdout on which metrics are reported; its histories include the validation interactions.
        cutoffs: the times, counts or shares that define the split.
        dropped_users: the number of users that are not evaluated, because their history is too short.
        refit: whether engines are trained once more, on ``train_and_validation``, before they are tested.

    Of the protocol ``none`` validation and test are empty: engines are trained on all interactions, and not evaluated.

    Example:
        >>> from recsys.data.splits.split import split
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> parts = split(BlockTaste(users=30).dataset(), "leave_one_out")
        >>> len(parts.train), len(parts.validation), len(parts.test)
        (150, 30, 30)
    """

    protocol: str
    train: Interactions
    validation: Holdout
    train_and_validation: Interactions
    test: Holdout
    cutoffs: Mapping[str, object] = field(default_factory=dict)
    dropped_users: int = 0
    refit: bool = False

    def __repr__(self) -> str:
        lines = [f"{name:<12}{text}" for name, text in self._parts()]
        return "\n".join([f"Split({self.name!r}, {self.dropped_users:,} users dropped)", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in self._parts())
        return f"<table><caption>Split {escape(self.name)}</caption>{rows}</table>"

    @property
    def name(self) -> str:
        """The protocol, and whether engines are refitted: ``leave_one_out`` or ``leave_one_out/refit``.

        Metrics of the two are not comparable.
        """
        return f"{self.protocol}/refit" if self.refit else self.protocol

    @property
    def evaluates(self) -> bool:
        """Whether anything is held out."""
        return len(self.test) > 0

    @property
    def at_random(self) -> bool:
        """Whether a user's targets are a random part of the user's interactions, and not the latest."""
        return self.cutoffs.get("at_random") is True

    @property
    def filter_seen(self) -> bool:
        """Whether validation and test mask the items of a user's history."""
        return self.test.filter_seen

    @property
    def final_train(self) -> Interactions:
        """The training interactions of the engines evaluated on ``test``; with a refit, `train_and_validation`."""
        return self.train_and_validation if self.refit else self.train

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all parts: two splits with the same value have the same training interactions and holdouts."""
        parts = [self.name, self.train.fingerprint, self.train_and_validation.fingerprint]
        parts += [*self.validation.digests, *self.test.digests]
        parts += [] if self.filter_seen else ["seen kept"]
        return short_digest(["/".join(parts)])

    def with_filter_seen(self, filter_seen: bool) -> Split:
        """The same split with `filter_seen` of validation and test set."""
        validation, test = (replace(part, filter_seen=filter_seen) for part in (self.validation, self.test))
        return replace(self, validation=validation, test=test)

    def with_also_seen(self, non_likes: Interactions, n_users: int) -> Split:
        """The same split with those of ``non_likes`` masked in validation and test that were known by then."""
        if not len(non_likes):
            return self
        parts = [
            replace(
                part,
                also_seen=known_by_then(non_likes.select(np.isin(non_likes.user, part.users)), part.history, n_users),
            )
            for part in (self.validation, self.test)
        ]
        return replace(self, validation=parts[0], test=parts[1])

    def save(self, directory: Path) -> None:
        """Writes a folder: ``split.json``, interactions that `load` maps into memory, and a folder a holdout."""
        with atomic_path(directory) as beside:
            beside.mkdir()
            self.train.save(beside / "train")
            self.train_and_validation.save(beside / "train_and_validation")
            self.validation.save(beside / "validation")
            self.test.save(beside / "test")
            values = (self.protocol, self.refit, dict(self.cutoffs), self.dropped_users, self.fingerprint)
            write_json(beside / "split.json", {"version": _VERSION, **dict(zip(_HEADER, values, strict=True))})

    @classmethod
    def load(cls, directory: Path) -> Split:
        """Reads the folder that `save` wrote.

        Raises:
            ArtifactError: a part is missing, damaged, changed since written or of an unknown version.
        """
        header = read_header(directory / "split.json", _VERSION, _HEADER)
        protocol, refit, cutoffs, dropped, fingerprint = (header[key] for key in _HEADER)
        if not isinstance(cutoffs, dict) or not isinstance(dropped, int):
            raise ArtifactError(f"{directory / 'split.json'} is damaged; prepare the data again")
        found = cls(
            str(protocol),
            Interactions.load(directory / "train"),
            Holdout.load(directory / "validation"),
            Interactions.load(directory / "train_and_validation"),
            Holdout.load(directory / "test"),
            cutoffs,
            dropped,
            bool(refit),
        )
        if found.fingerprint != fingerprint:
            raise ArtifactError(f"{directory} has changed since it was written; prepare the data again")
        return found

    def _parts(self) -> list[tuple[str, str]]:
        return [
            ("train", f"{len(self.train):,} interactions"),
            ("validation", repr(self.validation)),
            ("test", repr(self.test)),
        ]


def counts_of_share(counts: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """How many of ``counts`` [U] interactions make up ``share`` of each user's: at least one, and all but one at most.

    Example:
        >>> counts_of_share(np.array([2, 10, 10]), 0.8).tolist(), counts_of_share(np.array([10]), 0.01).tolist()
        ([1.0, 8.0, 8.0], [1.0])
    """
    return np.clip(np.round(counts * share), 1, np.maximum(counts - 1, 1))


def random_positions(user: NDArray[np.integer], n_users: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """int64 [E]: a random position of each interaction within its user, from 0.

    Args:
        user: int [E], the user row of each interaction.
        n_users: size of the user vocabulary.
        rng: draws the order.
    """
    order = np.lexsort((rng.random(len(user)), user))
    first = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
    positions = np.empty(len(user), np.int64)
    positions[order] = np.arange(len(user)) - first[user[order]]
    return positions
