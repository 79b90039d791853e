"""GraphSAGE on the user-item graph (Hamilton, Ying & Leskovec, NeurIPS 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys.data.graph import Graph, Nodes
from recsys.data.vocabulary import MISSING
from recsys.models.geometric import geometric
from recsys.models.two_tower import Features, Tower

Links = Tensor
"""int64 [2, E]: the index of each message's source and of its target; or a sparse matrix [targets, sources]."""


@dataclass(frozen=True, eq=False)
class Block:
    """The sampled two-hop neighbourhood of users ``users[0]`` and items ``items[0]``: rows by hop, and messages.

    Args:
        users: three int64 arrays of ascending rows: the target users, the users within one hop and those within two,
            each a superset of the one before.
        items: likewise.
        to_users: links into ``users[0]`` from ``items[1]``, and into ``users[1]`` from ``items[2]``.
        to_items: likewise, from users.
        own_users: the places of ``users[0]`` in ``users[1]``, and of ``users[1]`` in ``users[2]``; int64.
        own_items: likewise.
    """

    users: tuple[Nodes, Nodes, Nodes]
    items: tuple[Nodes, Nodes, Nodes]
    to_users: tuple[Links, Links]
    to_items: tuple[Links, Links]
    own_users: tuple[Tensor, Tensor]
    own_items: tuple[Tensor, Tensor]


class SageModel(nn.Module):
    r"""Two layers of mean aggregation, each with weights of its own for users and for items.

    .. math:: h_u = \mathrm{relu}(W x_u + W' \mathrm{mean}_{i \in N(u)} x_i), \quad
              z_u = V h_u + V' \mathrm{mean}_{i \in N(u)} h_i

    and the same for items with their users. Inputs x come from features and, for items, an id embedding; users without
    features share one learned input, so that the model is inductive in users.

    Args:
        items: the item tower.
        users: the user tower; None without user features.
        dim: D.
    """

    def __init__(self, items: Tower, users: Tower | None, dim: int) -> None:
        super().__init__()
        convolution = geometric().nn.SAGEConv
        self.items, self.users = items, users
        self.anyone = nn.Parameter(torch.zeros(dim))
        self.to_users = nn.ModuleList([convolution((dim, dim), dim) for _ in range(2)])
        self.to_items = nn.ModuleList([convolution((dim, dim), dim) for _ in range(2)])
        for layer in (*self.to_users, *self.to_items):
            nn.init.zeros_(layer.lin_l.bias)  # a random bias would be larger than the initial inputs

    def user_inputs(self, features: Features, n: int) -> Tensor:
        """[n, D]."""
        return self.anyone.expand(n, -1) if self.users is None else self.users(features)

    def first(self, convolution: nn.Module, sources: Tensor, own: Tensor, links: Links) -> Tensor:
        """[n, D]: the layer h, from the inputs of the sources and those of the n nodes."""
        result: Tensor = torch.relu(convolution((sources, own), links))
        return result

    def forward(self, block: Block, items: Features, users: Features) -> tuple[Tensor, Tensor]:
        """Vectors of ``block.users[0]`` and of ``block.items[0]``, from features of all users and items of the block.

        Args:
            block: the sampled neighbourhood.
            items: features of ``block.items[2]``.
            users: features of ``block.users[2]``.
        """
        x_items, x_users = self.items(items), self.user_inputs(users, len(block.users[2]))
        own_users, own_items = x_users[block.own_users[1]], x_items[block.own_items[1]]
        h_users = self.first(self.to_users[0], x_items, own_users, block.to_users[1])
        h_items = self.first(self.to_items[0], x_users, own_items, block.to_items[1])
        last_users, last_items = h_users[block.own_users[0]], h_items[block.own_items[0]]
        z_users = self.to_users[1]((h_items, last_users), block.to_users[0])
        z_items = self.to_items[1]((h_users, last_items), block.to_items[0])
        return z_users, z_items


def sample_block(
    graph: Graph,
    n_users: int,
    users: Nodes,
    items: Nodes,
    fan_out: tuple[int, int],
    hidden: Nodes,
    neighbour_dropout: float,
    rng: np.random.Generator,
) -> Block:
    """The block of ``users`` and ``items``, with at most ``fan_out`` sampled neighbours of each node.

    Args:
        graph: the bipartite graph of training.
        n_users: its first item node.
        users: ascending rows.
        items: ascending rows.
        fan_out: sampled neighbours of ``users`` and ``items``, and of each of those.
        hidden: edges ``user * n_items + item`` that the batch predicts; they are left out of the messages.
        neighbour_dropout: share of ``items`` that get no messages, which trains the model for items without neighbours.
        rng: draws neighbours and the items without messages.
    """
    n_items = len(graph) - n_users
    hops: list[tuple[Nodes, Nodes]] = [(users, items)]
    drawn = []
    isolated = items[rng.random(len(items)) < neighbour_dropout]
    for width in fan_out:
        of_users, of_items = hops[-1]
        their_items = graph.sample(of_users, width, rng)
        their_users = graph.sample(of_items + n_users, width, rng)
        their_items = np.where(their_items == MISSING, MISSING, their_items - n_users)
        their_items[np.isin(of_users[:, None] * n_items + their_items, hidden)] = MISSING
        their_users[np.isin(their_users * n_items + of_items[:, None], hidden)] = MISSING
        their_users[np.isin(of_items, isolated)] = MISSING
        drawn.append((their_items, their_users))
        hops.append((_union(of_users, their_users), _union(of_items, their_items)))
    (near_items, near_users), (far_items, far_users) = drawn
    hop_users, hop_items = ((hops[0][side], hops[1][side], hops[2][side]) for side in (0, 1))
    return Block(
        hop_users,
        hop_items,
        (_links(near_items, hop_items[1]), _links(far_items, hop_items[2])),
        (_links(near_users, hop_users[1]), _links(far_users, hop_users[2])),
        (_indices(hop_users[0], hop_users[1]), _indices(hop_users[1], hop_users[2])),
        (_indices(hop_items[0], hop_items[1]), _indices(hop_items[1], hop_items[2])),
    )


def _union(rows: Nodes, more: Nodes) -> Nodes:
    return np.union1d(rows, more[more != MISSING])


def _links(sources: Nodes, hop: Nodes) -> Links:
    """Links from ``sources`` [n, k], rows of which ``hop`` has the index, into the n targets."""
    target, _ = np.nonzero(sources != MISSING)
    return torch.from_numpy(np.stack([np.searchsorted(hop, sources[sources != MISSING]), target]))


def _indices(rows: Nodes, hop: Nodes) -> Tensor:
    return torch.from_numpy(np.searchsorted(hop, rows))


def mean_matrix(offsets: NDArray[np.int64], items: NDArray[np.integer], n_items: int) -> Tensor:
    """The binary CSR matrix [n, n_items] with row ranges ``offsets`` and columns ``items``, for mean convolutions."""
    columns = torch.from_numpy(items.astype(np.int64))
    rows = torch.from_numpy(offsets.astype(np.int64))
    geometric()
    return torch.sparse_csr_tensor(rows, columns, torch.ones(len(items)), size=(len(offsets) - 1, n_items))
