"""What an encoder of histories is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor


@dataclass(frozen=True)
class SequenceShape:
    """The shape of a history encoder; each kind reads what it has.

    Args:
        dim: D of the item vectors.
        heads: of attention, or of the learned pooling.
        layers: blocks, one upon the other.
        expansion: width of a block's perceptron, in units of D.
        dropout: share of components dropped in training.
        positions: how attention knows the order: ``recency`` (a learned vector for how many events ago), ``rotary`` or
            ``relative`` (a learned bias for how far apart two events are, in steps and, with a clock, in time).
        length: the longest history that is told apart by position; older events share the last position.
        rate: of the decayed pooling, the weight of a step.
        has_timestamps: whether the moments of the events are an input.
        masked: share of the positions that the masked encoder hides in training.
    """

    dim: int
    heads: int = 2
    layers: int = 2
    expansion: int = 4
    dropout: float = 0.0
    positions: str = "relative"
    length: int = 50
    rate: float = 0.8
    has_timestamps: bool = False
    masked: float = 0.3


class SequenceEncoder(Protocol):
    """A module from the item vectors of histories to vectors of users."""

    heads: int
    """How many vectors of D it gives a position."""
    mask_probability: float
    """Share of the positions that are hidden, and alone predicted, in training; 0 predicts each from its past."""

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        """For the parts of ``shape`` that this kind has."""
        ...

    def forward(
        self, vectors: Tensor, inside: Tensor, times: Tensor | None = None, hidden: Tensor | None = None
    ) -> Tensor:
        """The vector that predicts each position.

        Args:
            vectors: [B, L, D], oldest first.
            inside: bool [B, L], False at padding, which lies on the right.
            times: int64 [B, L], seconds; None without a clock.
            hidden: bool [B, L], the positions that are predicted where `mask_probability` is not 0.

        Returns:
            [B, L, heads * D]; position l sees positions before l alone (or, where `mask_probability`, all that are not hidden).
        """
        ...

    def encode_last(
        self, vectors: Tensor, steps_ago: Tensor, owner: Tensor, users: int, times: Tensor | None = None
    ) -> Tensor:
        """The vector that predicts what comes after each packed history.

        Args:
            vectors: [N, D], the histories end to end, oldest first.
            steps_ago: int64 [N], 0 for the newest position of a user.
            owner: int64 [N], the user of each position, ascending.
            users: U.
            times: int64 [N], seconds; None without a clock.

        Returns:
            [U, heads * D], what `forward` gives at one more position.
        """
        ...
