"""The user-item graph in CSR form: neighbours, neighbour sampling and node2vec walks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING

Nodes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph of n nodes without repeated edges.

    Args:
        offsets: int64 [n + 1]; node ``v`` owns positions ``offsets[v]`` to ``offsets[v + 1]``.
        neighbours: int64 [2 E], ascending within a node.

    Example:
        >>> graph = Graph.of(np.array([0, 0, 1]), np.array([1, 2, 2]), 4)
        >>> graph.neighbours_of(0).tolist(), graph.degrees.tolist(), graph.connected(np.array([1]), np.array([2]))
        ([1, 2], [2, 2, 2, 0], array([ True]))
    """

    offsets: NDArray[np.int64]
    neighbours: Nodes

    @classmethod
    def of(cls, left: NDArray[np.integer], right: NDArray[np.integer], n: int) -> Graph:
        """Edges between ``left`` [E] and ``right`` [E], each in both directions."""
        ends = np.concatenate([left, right]), np.concatenate([right, left])
        matrix = sp.csr_array((np.ones(len(ends[0]), np.int8), ends), shape=(n, n))
        matrix.sum_duplicates()
        matrix.sort_indices()
        return cls(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64))

    @classmethod
    def of_interactions(cls, interactions: Interactions, n_users: int, n_items: int) -> Graph:
        """The bipartite graph: node ``u`` is user u, node ``n_users + i`` is item i."""
        return cls.of(interactions.user, interactions.item.astype(np.int64) + n_users, n_users + n_items)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def degrees(self) -> NDArray[np.int64]:
        """int64 [n]."""
        return np.diff(self.offsets)

    def neighbours_of(self, node: int) -> Nodes:
        """The neighbours of one node, ascending."""
        return self.neighbours[self.offsets[node] : self.offsets[node + 1]]

    def connected(self, left: Nodes, right: Nodes) -> NDArray[np.bool_]:
        """Bool [N]: whether each pair is an edge."""
        keys = left * len(self) + right
        places = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        found: NDArray[np.bool_] = self._keys[places] == keys if len(self._keys) else np.zeros(len(keys), bool)
        return found

    def sample(self, nodes: Nodes, k: int, rng: np.random.Generator) -> Nodes:
        """int64 [N, k]: neighbours of each node, drawn with replacement; MISSING for a node without any, or MISSING."""
        degrees = np.append(self.degrees, 0)[nodes]
        places = np.append(self.offsets[:-1], 0)[nodes][:, None] + self._draw(degrees, k, rng)
        return np.where(degrees[:, None] > 0, np.append(self.neighbours, MISSING)[places], MISSING)

    def walks(self, starts: Nodes, length: int, rng: np.random.Generator, p: float = 1.0, q: float = 1.0) -> Nodes:
        r"""int64 [N, length]: a biased second-order walk from each start (Grover & Leskovec, KDD 2016, "node2vec").

        From v, reached from t, the next node x is drawn with weight :math:`1/p` if it is t, 1 if it is a neighbour of
        t, and :math:`1/q` otherwise. All walks move at once: x is proposed uniformly and accepted with probability
        weight over largest weight, until every walk has moved; the result has exactly that distribution and no
        table per edge is needed. A walk from a node without neighbours is MISSING from its second step on.

        Args:
            starts: int64 [N].
            length: nodes a walk, the start included.
            rng: draws.
            p: above 1 a walk returns less.
            q: above 1 a walk stays near, below 1 it goes far.
        """
        walks = np.full((len(starts), length), MISSING, np.int64)
        walks[:, 0] = starts
        moving = np.flatnonzero(self.degrees[starts] > 0)
        for step in range(1, length):
            before = None if step == 1 else walks[moving, step - 2]
            walks[moving, step] = self._step(walks[moving, step - 1], before, rng, 1 / p, 1 / q)
        return walks

    def _step(self, nodes: Nodes, before: Nodes | None, rng: np.random.Generator, back: float, far: float) -> Nodes:
        if before is None or back == far == 1:
            return self.sample(nodes, 1, rng)[:, 0]
        chosen, open_ = np.empty_like(nodes), np.arange(len(nodes))
        highest = max(back, 1.0, far)
        while len(open_):
            here, last = nodes[open_], before[open_]
            proposed = self.sample(here, 1, rng)[:, 0]
            weight = np.where(self.connected(last, proposed), 1.0, far)
            weight[proposed == last] = back
            accepted = rng.random(len(open_)) * highest < weight
            chosen[open_[accepted]] = proposed[accepted]
            open_ = open_[~accepted]
        return chosen

    @cached_property
    def _keys(self) -> Nodes:
        return np.repeat(np.arange(len(self)), self.degrees) * len(self) + self.neighbours

    @staticmethod
    def _draw(degrees: NDArray[np.int64], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return (rng.random((len(degrees), k)) * degrees[:, None]).astype(np.int64)
