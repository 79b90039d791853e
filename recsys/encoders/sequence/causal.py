"""Causal encoders of histories: a network over events whose states are shifted by one position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from recsys.encoders.sequence.time_encoding import TimeEncoding


class EventNetwork(Protocol):
    """A module from events to hidden states; the state of an event depends on it and on earlier events alone."""

    def __call__(self, vectors: Tensor, recency: Tensor, times: Tensor | None) -> Tensor:
        """The hidden state of each event, [B, L, D].

        Args:
            vectors: [B, L, D], oldest first.
            recency: int64 [B, L], or broadcast to it, the number of later events in the history.
            times: int64 [B, L], seconds; None without timestamps.
        """
        ...


class CausalEncoder(nn.Module):
    """A causal sequence encoder: each position gets the hidden state of the event before it.

    Item vectors are scaled to components of about one and, with ``use_timestamps``, a `TimeEncoding` is added; a
    position without earlier events gets a learned vector.

    Shapes:
        - **forward**: ``[B, L, D]`` -> ``[B, L, D]``
        - **encode_last**: ``[I, D]`` and the packed rows ``[N]`` of U histories -> ``[U, D]``

    Args:
        network: an `EventNetwork`.
        dim: D.
        use_timestamps: whether the times of the events are an input.
    """

    mask_probability = 0.0
    heads = 1

    def __init__(self, network: nn.Module, dim: int, use_timestamps: bool) -> None:
        super().__init__()
        self.network = network
        self.empty = nn.Parameter(torch.zeros(dim))
        # Item vectors have length about one; the network is initialized for components of about one.
        self.gain = nn.Parameter(torch.tensor(dim**0.5))
        self.clock = TimeEncoding(dim) if use_timestamps else None

    def forward(
        self, vectors: Tensor, padding_mask: Tensor, times: Tensor | None = None, masked: Tensor | None = None
    ) -> Tensor:
        """See `SequenceEncoder.forward`."""
        first = self.empty.expand(vectors.shape[0], 1, -1)
        if vectors.shape[1] < 2:
            return first
        recency = (~padding_mask).sum(1, keepdim=True) - 2 - torch.arange(vectors.shape[1] - 1, device=vectors.device)
        states = self._states(vectors[:, :-1], recency.clamp(min=0), None if times is None else times[:, :-1])
        return torch.cat([first.to(states.dtype), states], 1)

    def encode_last(self, table: Tensor, rows: Tensor, lengths: Tensor, times: Tensor | None = None) -> Tensor:
        """See `SequenceEncoder.encode_last`."""
        result = self.empty.to(table.dtype).repeat(len(lengths), 1)
        for users, positions in rectangles(lengths) if len(rows) else ():
            recency = torch.arange(positions.shape[1] - 1, -1, -1, device=lengths.device)[None]
            states = self._states(
                vectors_at(table, rows, positions), recency, None if times is None else times[positions]
            )
            result[users] = states[:, -1].to(result.dtype)
        return result

    def _states(self, vectors: Tensor, recency: Tensor, times: Tensor | None) -> Tensor:
        events = vectors * self.gain
        if self.clock is None:
            times = None
        elif times is not None:
            events = events + self.clock(times)
        states: Tensor = self.network(events, recency, times)
        return states


def vectors_at(table: Tensor, rows: Tensor, positions: Tensor) -> Tensor:
    """The vectors of the events at ``positions``, on the device of these, of a table that may lie on another."""
    return table[rows[positions.to(rows.device)]].to(positions.device)


def rectangles(lengths: Tensor, max_tokens: int = 8192) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of packed histories of equal length, as index arrays [B, L] without padding.

    Args:
        lengths: int64 [U], the number of positions of each user.
        max_tokens: most positions per batch, B * L.

    Yields:
        int64 [B] users and int64 [B, L] their positions; users without a history do not occur.
    """
    start = lengths.cumsum(0) - lengths
    order = torch.argsort(lengths, stable=True)
    distinct, counts = torch.unique_consecutive(lengths[order], return_counts=True)
    for length, same in zip(distinct.tolist(), counts.tolist(), strict=True):
        equally_long, order = order[:same], order[same:]
        if length > 0:
            for part in torch.split(equally_long, max(max_tokens // length, 1)):
                yield part, start[part][:, None] + torch.arange(length, device=lengths.device)
