"""The two towers of an engine as networks from tensors to the vectors of its score, as ONNX has them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from recsys.engines.two_tower.score_parts.graph_part import GraphPart
from recsys.engines.two_tower.score_parts.popularity_prior import log_popularity
from recsys.engines.two_tower.tower_inputs import ID
from recsys.engines.two_tower.two_tower import TwoTower

HISTORY, LENGTHS, TIMES, INTERACTIONS = "history", "lengths", "times", "interactions"
"""The inputs of the user tower beside those of the user."""


class ItemTower(nn.Module):
    """The item tower, and the parts that are added to the score of an item.

    Shapes:
        inputs ``[n, ...]``, in the order of ``names`` -> vectors of histories ``[n, D]``, of the score ``[n, S]``

    Args:
        engine: a fitted two-tower engine.
        names: of the inputs.
    """

    def __init__(self, engine: TwoTower, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = engine.model, names
        weight = engine.options_.popularity_weight or 0.0
        graph = graph_of(engine)
        columns = [] if graph is None else [graph.out]
        if weight:
            columns.append(log_popularity(engine.inputs.item_counts)[:, None] * np.float32(weight))
        wide = np.concatenate(columns, 1) if columns else np.zeros((1, 0), np.float32)
        self.width = wide.shape[1]
        self.register_buffer("added", torch.from_numpy(np.ascontiguousarray(wide)))
        self.added: Tensor

    def forward(self, *values: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = dict(zip(self.names, values, strict=True))
        vectors = self.model.item_vectors(features)
        scored = self.model.with_bias(vectors, features)
        if not self.width:
            return vectors, scored * 1.0  # another tensor, for an output of ONNX has one name
        rows = features[ID]
        own = self.added[rows.clamp(min=0)] * (rows >= 0)[:, None]
        return vectors, torch.cat([scored, own], 1)


class UserTower(nn.Module):
    """The user tower with the history encoder, and the parts that are added to the score of a user.

    Shapes:
        - ``history`` ``[B, L, D]``: the item tower's vectors of a history, oldest first, padded on the right
        - ``lengths`` int64 ``[B]``, at most L
        - ``times`` int64 ``[B, L]``: where the encoder reads timestamps
        - ``interactions`` int64 ``[B, W]``: with a graph part, rows of all items of the history, padded with -1
        - the inputs of the user ``[B, ...]`` -> the vectors of the score ``[B, S]``

    Args:
        engine: a fitted two-tower engine.
        names: of the inputs of the user.
    """

    def __init__(self, engine: TwoTower, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = engine.model, names
        self.timed = engine.inputs.has_timestamps and engine.options_.model.use_timestamps
        graph = graph_of(engine)
        self.graph = None if graph is None else GraphTower(graph, engine.options_.graph_weight or 0.0)
        self.constant = bool(engine.options_.popularity_weight)
        nothing, vectors = torch.zeros(0, dtype=torch.long), torch.zeros(0, engine.options_.model.dim)
        no_events = torch.zeros(1, dtype=torch.long)
        empty = self.model.history.encode_last(vectors, nothing, no_events, nothing if self.timed else None)
        self.register_buffer("empty", empty.detach())
        self.empty: Tensor

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the arguments of `forward`."""
        times, interactions = (TIMES,) * self.timed, (INTERACTIONS,) * (self.graph is not None)
        return (HISTORY, LENGTHS, *times, *interactions, *self.names)

    def forward(self, *values: Tensor) -> Tensor:
        """See the class."""
        features = dict(zip(self.inputs, values, strict=True))
        history, lengths = features[HISTORY], features[LENGTHS]
        pooled = self._pooled(history, lengths, features.get(TIMES))
        static = pooled.new_zeros(history.shape[0], 0, history.shape[2])
        if len(self.model.users):
            static = self.model.encode_users(features)
        parts = [self.model.user_vectors(pooled, static)]
        if self.graph is not None:
            parts.append(self.graph(features[INTERACTIONS]))
        if self.constant:
            parts.append(torch.ones_like(parts[0][:, :1]))
        return torch.cat(parts, 1)

    def _pooled(self, history: Tensor, lengths: Tensor, times: Tensor | None) -> Tensor:
        """[B, H * D]: the encoder's vector at the place after the last event, which is added on the right."""
        place = torch.arange(history.shape[1] + 1)
        wider = torch.cat([history, torch.zeros_like(history[:, :1])], 1)
        predicted, padding = place == lengths[:, None], place > lengths[:, None]
        if times is not None:
            last = times.gather(1, (lengths - 1).clamp(min=0)[:, None])
            times = torch.where(predicted, last, torch.cat([times, times[:, -1:]], 1))
        states = self.model.history.forward(wider, padding, times, predicted)
        found = states.gather(1, lengths[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]
        return torch.where(lengths[:, None] == 0, self.empty, found)


class GraphTower(nn.Module):
    """`recsys.engines.two_tower.score_parts.graph_part.GraphPart.user_vectors` times its weight."""

    def __init__(self, graph: GraphPart, weight: float) -> None:
        super().__init__()
        self.register_buffer("factors", torch.from_numpy(np.ascontiguousarray(graph.into)))
        self.register_buffer("covariance", torch.from_numpy(graph.covariance))
        self.factors: Tensor
        self.covariance: Tensor
        self.weight = weight

    def forward(self, rows: Tensor) -> Tensor:
        """int64 [B, W], padded with -1 -> [B, K]; an item that occurs twice counts once."""
        same = rows[:, :, None] == rows[:, None, :]
        earlier = torch.arange(rows.shape[1])[:, None] > torch.arange(rows.shape[1])
        counted = (rows >= 0) & ~((same & earlier).sum(2) > 0)
        sums = (self.factors[rows.clamp(min=0)] * counted[..., None]).sum(1)
        deviations = ((sums @ self.covariance) * sums).sum(1, keepdim=True).clamp(min=0).sqrt()
        known = deviations > 1e-12
        return torch.where(known, sums / torch.where(known, deviations, 1.0), 0.0) * self.weight


def graph_of(engine: TwoTower) -> GraphPart | None:
    """The graph part, where it has a weight."""
    return engine.graph_ if engine.options_.graph_weight else None
