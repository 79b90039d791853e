"""From a network over events to an encoder of histories: shifted by one, and applied to packed histories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from recsys.encoders.sequence.clock import EventClock


class EventNetwork(Protocol):
    """A module from events to states; the state of an event knows it and what came before."""

    def __call__(self, vectors: Tensor, recency: Tensor, times: Tensor | None) -> Tensor:
        """[B, L, D], how many events later came int64 [B, L], seconds int64 [B, L] -> [B, L, D]."""
        ...


class Causal(nn.Module):
    """The past at every position: the state of the event before it.

    Args:
        network: from events to states.
        dim: D.
        has_timestamps: whether the moments of the events are an input.
    """

    mask_probability = 0.0
    heads = 1

    def __init__(self, network: nn.Module, dim: int, has_timestamps: bool) -> None:
        super().__init__()
        self.network = network
        self.empty = nn.Parameter(torch.zeros(dim))
        # Item vectors have length about one; the network wants components of about one.
        self.gain = nn.Parameter(torch.tensor(dim**0.5))
        self.clock = EventClock(dim) if has_timestamps else None

    def forward(
        self, vectors: Tensor, inside: Tensor, times: Tensor | None = None, hidden: Tensor | None = None
    ) -> Tensor:
        """See `SequenceEncoder`."""
        first = self.empty.expand(len(vectors), 1, -1)
        if vectors.shape[1] < 2:
            return first
        recency = inside.sum(1, keepdim=True) - 2 - torch.arange(vectors.shape[1] - 1, device=vectors.device)
        states = self._states(vectors[:, :-1], recency.clamp(min=0), None if times is None else times[:, :-1])
        return torch.cat([first.to(states.dtype), states], 1)

    def encode_last(
        self, vectors: Tensor, steps_ago: Tensor, owner: Tensor, users: int, times: Tensor | None = None
    ) -> Tensor:
        """See `SequenceEncoder`."""
        result = self.empty.to(vectors.dtype).repeat(users, 1)
        for asked, places in rectangles(owner, users):
            recency = steps_ago[places]
            states = self._states(vectors[places], recency, None if times is None else times[places])
            last = recency.argmin(1)
            result[asked] = states[torch.arange(len(asked), device=states.device), last].to(result.dtype)
        return result

    def _states(self, vectors: Tensor, recency: Tensor, times: Tensor | None) -> Tensor:
        events = vectors * self.gain
        if self.clock is None:
            times = None
        elif times is not None:
            events = events + self.clock(times)
        states: Tensor = self.network(events, recency, times)
        return states


def rectangles(owner: Tensor, users: int, max_tokens: int = 8192) -> Iterator[tuple[Tensor, Tensor]]:
    """Packed histories as rectangles of histories of exactly the same length, so that nothing is padding.

    Args:
        owner: int64 [N], the user of each position, ascending.
        users: U.
        max_tokens: positions a rectangle.

    Yields:
        int64 [B] users and int64 [B, L] their positions; users without a history do not occur.
    """
    lengths = torch.bincount(owner, minlength=users)
    start = lengths.cumsum(0) - lengths
    order = torch.argsort(lengths, stable=True)
    for length, same in zip(*torch.unique_consecutive(lengths[order], return_counts=True), strict=True):
        asked, order = order[: int(same)], order[int(same) :]
        if length > 0:
            for part in torch.split(asked, max(max_tokens // int(length), 1)):
                yield part, start[part][:, None] + torch.arange(int(length), device=owner.device)
