"""BERT4Rec's bidirectional encoder (Sun et al., CIKM 2019)."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from recsys.encoders.sequence.causal import rectangles, vectors_at
from recsys.encoders.sequence.encoder import SequenceShape
from recsys.encoders.sequence.time_encoding import TimeEncoding
from recsys.encoders.sequence.transformer import Transformer


class MaskedEncoder(nn.Module):
    """Bidirectional transformer trained as a cloze task: masked events are predicted from both sides.

    From Sun et al., CIKM 2019, "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
    Transformer". At serving, a masked event is appended to the history; its hidden state is the user vector. The
    training task (items inside the history) differs from the serving task (the next item); use it to pretrain item
    embeddings, and `TransformerEncoder` to recommend.

    Shapes:
        - **forward**: ``[B, L, D]`` -> ``[B, L, D]``
        - **encode_last**: ``[I, D]`` and the packed rows ``[N]`` of U histories -> ``[U, D]``

    Args:
        shape: as of `TransformerEncoder`; ``mask_probability`` is the share of masked positions in training.

    Example:
        >>> encoder = MaskedEncoder(SequenceShape(dim=8))
        >>> padding_mask = torch.tensor([[False, False, False], [False, True, True]])
        >>> encoder(torch.randn(2, 3, 8), padding_mask, masked=torch.tensor([[True, False, False]] * 2)).shape
        torch.Size([2, 3, 8])
    """

    heads = 1

    def __init__(self, shape: SequenceShape) -> None:
        super().__init__()
        self.mask_probability = shape.mask_probability
        self.network = Transformer(shape, causal=False)
        self.mask = nn.Parameter(torch.zeros(shape.dim))
        self.gain = nn.Parameter(torch.tensor(shape.dim**0.5))
        self.clock = TimeEncoding(shape.dim) if shape.use_timestamps else None

    @classmethod
    def build(cls, shape: SequenceShape) -> Self:
        return cls(shape)

    def forward(
        self, vectors: Tensor, padding_mask: Tensor, times: Tensor | None = None, masked: Tensor | None = None
    ) -> Tensor:
        """See `SequenceEncoder.forward`."""
        length = vectors.shape[1]
        recency = ((~padding_mask).sum(1, keepdim=True) - 1 - torch.arange(length, device=vectors.device)).clamp(min=0)
        masked = torch.zeros_like(padding_mask) if masked is None else masked
        return self._states(vectors, recency, masked, times, padding_mask if bool(padding_mask.any()) else None)

    def encode_last(self, table: Tensor, rows: Tensor, lengths: Tensor, times: Tensor | None = None) -> Tensor:
        """See `SequenceEncoder.encode_last`."""
        without_history = self._states(
            lengths.new_zeros(1, 1, table.shape[1], dtype=table.dtype),
            torch.zeros(1, 1, dtype=torch.long, device=lengths.device),
            torch.ones(1, 1, dtype=torch.bool, device=lengths.device),
            None,
            None,
        )
        result = without_history[0].repeat(len(lengths), 1)
        for users, positions in rectangles(lengths) if len(rows) else ():
            extended = torch.cat([positions, positions[:, -1:]], 1)  # the appended event, which is masked
            recency = torch.arange(positions.shape[1], -1, -1, device=lengths.device)[None]
            masked = torch.zeros_like(extended, dtype=torch.bool)
            masked[:, -1] = True
            extended_times = None if times is None else times[extended]
            states = self._states(vectors_at(table, rows, extended), recency, masked, extended_times, None)
            result[users] = states[:, -1].to(result.dtype)
        return result

    def _states(
        self, vectors: Tensor, recency: Tensor, masked: Tensor, times: Tensor | None, padding: Tensor | None
    ) -> Tensor:
        events = torch.where(masked[..., None], self.mask.to(vectors.dtype), vectors * self.gain)
        if self.clock is None:
            times = None
        elif times is not None:
            events = events + self.clock(times)
        states: Tensor = self.network(events, recency, times, padding)
        return states
