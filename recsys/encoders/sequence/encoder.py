"""The interface of sequence encoders, and their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor


@dataclass(frozen=True)
class SequenceShape:
    """The sizes of a sequence encoder; each kind uses those that apply to it.

    Args:
        dim: D of the item vectors.
        heads: number of attention heads, or of heads of the learned pooling.
        layers: number of blocks.
        expansion: width of a block's perceptron, in units of D.
        dropout: share of components dropped in training.
        positions: positional encoding of attention: ``recency`` (a learned vector for how many events ago), ``rotary``
            or ``relative`` (a learned bias for the distance of two events in steps and, with ``use_timestamps``, in
            time).
        length: number of positions that are encoded differently; older events share the last one.
        rate: of the decayed pooling, the factor that each step further back multiplies an item's weight by.
        use_timestamps: whether the times of the events are an input.
        mask_probability: share of the positions that the masked encoder masks in training.
    """

    dim: int
    heads: int = 2
    layers: int = 2
    expansion: int = 4
    dropout: float = 0.0
    positions: str = "relative"
    length: int = 50
    rate: float = 0.8
    use_timestamps: bool = False
    mask_probability: float = 0.3


class SequenceEncoder(Protocol):
    """A module from the item vectors of histories to user vectors (a sequential recommender's network)."""

    heads: int
    """Number of vectors of size D per position."""
    mask_probability: float
    """Share of the positions that training masks and predicts; 0 predicts every position from those before it."""

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        """The encoder with the sizes ``shape``, of which each kind uses those that apply to it."""
        ...

    def forward(
        self, vectors: Tensor, padding_mask: Tensor, times: Tensor | None = None, masked: Tensor | None = None
    ) -> Tensor:
        """The vector that predicts the item at each position.

        Args:
            vectors: [B, L, D], oldest first.
            padding_mask: bool [B, L], True at padding (as in `torch.nn.MultiheadAttention`), which lies on the right.
            times: int64 [B, L], seconds; None without timestamps.
            masked: bool [B, L], the positions to predict; read where `mask_probability` is not 0.

        Returns:
            [B, L, heads * D]; position l depends on positions before l alone, or with a `mask_probability` on all
            that are not masked.
        """
        ...

    def encode_last(self, table: Tensor, rows: Tensor, lengths: Tensor, times: Tensor | None = None) -> Tensor:
        """The vector that predicts the next item of each packed history.

        Args:
            table: [I, D], the vectors of the items, on any device.
            rows: int32 or int64 [N], rows of ``table`` beside it: the histories end to end, oldest first.
            lengths: int64 [U], the number of events of each history.
            times: int64 [N], seconds; None without timestamps.

        Returns:
            [U, heads * D], the result of `forward` at the position after the last event.
        """
        ...
