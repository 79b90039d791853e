"""What may be learnt from, and what is asked: the values every split protocol makes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions

REFIT = "/refit"
"""What the name of a protocol ends with when engines learn once more, from validation too."""


@dataclass(frozen=True, eq=False)
class Holdout:
    """The questions of an evaluation: given a history, which items come next?

    Args:
        users: int32 [Q], ascending user rows, each once: those who are asked.
        history: what may be seen of them; at evaluation it enters user vectors and the seen filter.
        targets: what they did next; every user of ``users`` has at least one.
        candidates: item rows that are ranked; None ranks the whole catalogue.
    """

    users: NDArray[np.int32]
    history: Interactions
    targets: Interactions
    candidates: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.users)

    @property
    def digests(self) -> tuple[str, str, str]:
        """Of history, targets and candidates."""
        every = self.candidates is None
        candidates = "all" if every else hashlib.sha256(np.ascontiguousarray(self.candidates).tobytes()).hexdigest()
        return self.history.fingerprint, self.targets.fingerprint, candidates

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256("/".join(self.digests).encode()).hexdigest()[:16]

    def of_users(self, users: NDArray[np.int32]) -> Holdout:
        """The questions of ``users`` alone, ascending rows that are among those asked."""
        history, targets = (part.select(np.isin(part.user, users)) for part in (self.history, self.targets))
        return Holdout(users, history, targets, self.candidates)

    def sampled(self, size: int, rng: np.random.Generator) -> Holdout:
        """The questions of at most ``size`` random users."""
        return self if len(self) <= size else self.of_users(np.sort(rng.permutation(self.users)[:size]))


@dataclass(frozen=True, eq=False)
class Split:
    """Train, validation and test of one protocol.

    Args:
        protocol: the name that reports state, with its parameters, as ``leave_one_out``.
        train: what is learnt from while anything is still being chosen on ``validation``.
        validation: the questions that choose.
        refit: train and validation together: what is learnt from when all is chosen and the protocol allows a refit.
        test: the questions that are reported; its histories hold the validation interactions.
        cutoffs: moments or counts that define the split.
        dropped_users: users that the protocol cannot ask (too short a history).
    """

    protocol: str
    train: Interactions
    validation: Holdout
    refit: Interactions
    test: Holdout
    cutoffs: dict[str, Any] = field(default_factory=dict)
    dropped_users: int = 0

    @property
    def learnt(self) -> Interactions:
        """What the engines that are asked ``test`` have learnt from."""
        return self.refit if self.protocol.endswith(REFIT) else self.train

    @cached_property
    def fingerprint(self) -> str:
        parts = [self.protocol, self.train.fingerprint, self.refit.fingerprint]
        parts += [*self.validation.digests, *self.test.digests]
        return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]
