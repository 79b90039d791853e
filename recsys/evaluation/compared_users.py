"""The users on whom a candidate is compared with the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_LEFT_OUT = {
    "without_interactions": "without any interaction",
    "nothing_held_out": "of whom nothing is held out (no new interactions, or too few to hold some out)",
    "no_target": "whose held-out interactions are no targets (validated alone, or of items that they had)",
    "champion_learnt": "whose targets the champion may have learnt (not held out of both)",
}
"""Why users are not compared, in words."""


@dataclass(frozen=True)
class ComparedUsers:
    """How many users two models are compared on, and why the others are left out.

    Args:
        users: who are compared.
        of: all users of the data.
        without_history: of those who are compared, they have no earlier interaction (cold).
        left_out: reason -> how many users; together with ``users`` they are all.
    """

    users: int
    of: int
    without_history: int
    left_out: Mapping[str, int]

    def __str__(self) -> str:
        cold = f" ({self.without_history:,} of them without a history)" if self.without_history else ""
        others = ", ".join(f"{count:,} {_LEFT_OUT[reason]}" for reason, count in self.left_out.items() if count)
        return f"compared on {self.users:,} of {self.of:,} users{cold}" + f"; left out: {others}" * bool(others)
