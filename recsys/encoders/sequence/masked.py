"""BERT4Rec's encoder (Sun et al., 2019, "BERT4Rec"): hidden events are predicted from both sides."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from recsys.encoders.sequence.causal import rectangles
from recsys.encoders.sequence.clock import EventClock
from recsys.encoders.sequence.encoder import SequenceShape
from recsys.encoders.sequence.transformer import Transformer


class MaskedEncoder(nn.Module):
    """A transformer that sees the past and the future of what it predicts, and at serving a hidden event at the end.

    Made to learn item embeddings for others to build on; as a recommender its training question (a gap in the middle)
    is not the one it is asked (what comes next).

    Args:
        shape: as of the transformer; ``masked`` is the share of hidden positions.
    """

    heads = 1

    def __init__(self, shape: SequenceShape) -> None:
        super().__init__()
        self.mask_probability = shape.masked
        self.network = Transformer(shape, causal=False)
        self.mask = nn.Parameter(torch.zeros(shape.dim))
        self.gain = nn.Parameter(torch.tensor(shape.dim**0.5))
        self.clock = EventClock(shape.dim) if shape.has_timestamps else None

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(shape)

    def forward(
        self, vectors: Tensor, inside: Tensor, times: Tensor | None = None, hidden: Tensor | None = None
    ) -> Tensor:
        """See `SequenceEncoder`."""
        length = vectors.shape[1]
        recency = (inside.sum(1, keepdim=True) - 1 - torch.arange(length, device=vectors.device)).clamp(min=0)
        hidden = torch.zeros_like(inside) if hidden is None else hidden
        return self._states(vectors, recency, hidden, times, None if bool(inside.all()) else ~inside)

    def encode_last(
        self, vectors: Tensor, steps_ago: Tensor, owner: Tensor, users: int, times: Tensor | None = None
    ) -> Tensor:
        """See `SequenceEncoder`."""
        alone = self._states(
            vectors.new_zeros(1, 1, vectors.shape[1]),
            torch.zeros(1, 1, dtype=torch.long, device=vectors.device),
            torch.ones(1, 1, dtype=torch.bool, device=vectors.device),
            None,
            None,
        )
        result = alone[0].repeat(users, 1)
        for asked, places in rectangles(owner, users):
            filled = torch.cat([places, places[:, -1:]], 1)  # the newest event once more, hidden
            recency = torch.cat([steps_ago[places] + 1, steps_ago[places[:, -1:]]], 1)
            hidden = torch.zeros_like(filled, dtype=torch.bool)
            hidden[:, -1] = True
            states = self._states(vectors[filled], recency, hidden, None if times is None else times[filled], None)
            result[asked] = states[:, -1].to(result.dtype)
        return result

    def _states(
        self, vectors: Tensor, recency: Tensor, hidden: Tensor, times: Tensor | None, padding: Tensor | None
    ) -> Tensor:
        events = torch.where(hidden[..., None], self.mask.to(vectors.dtype), vectors * self.gain)
        if self.clock is None:
            times = None
        elif times is not None:
            events = events + self.clock(times)
        states: Tensor = self.network(events, recency, times, padding)
        return states
