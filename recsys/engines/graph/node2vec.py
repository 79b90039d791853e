"""Item embeddings by biased walks on the user-item graph."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from recsys.data.dataset import Dataset
from recsys.data.graph import Graph
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING
from recsys.engine import FitContext
from recsys.engines.learning import run_training
from recsys.engines.skip_gram.item2vec import Item2Vec, Item2VecConfig
from recsys.engines.skip_gram.pairs import Pairs, SkipGram


class Node2VecConfig(Item2VecConfig):
    """Options of the random walks and of the skip-gram over them.

    Items of one user are two steps apart in a walk, and the order of interactions is not used.

    Args:
        walks: random walks from each node in an epoch; every epoch draws new ones.
        length: nodes a walk.
        p: return parameter; above 1 a walk returns less often to the node before.
        q: in-out parameter; above 1 a walk stays near its start, below 1 it moves away.
    """

    walks: int = Field(1, ge=1)
    length: int = Field(10, ge=2)
    p: float = Field(1.0, gt=0)
    q: float = Field(1.0, gt=0)
    window: int = Field(2, ge=1)
    decay: float = Field(1.0, gt=0, le=1)
    batch_pairs: int = Field(16_384, ge=1)


class Node2Vec(Item2Vec):
    """Skip-gram over biased walks on the user-item graph (Grover & Leskovec, KDD 2016).

    As `Item2Vec`, with users and items as the words and walks as the sentences. The vectors of user nodes are used in
    training alone; a recommendation uses the history, so that new users are served like any other.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> Node2Vec(dim=4, epochs=1, length=4).fit(data).item_table().dim
        4
    """

    kind = "node2vec"
    Config = Node2VecConfig

    config: Node2VecConfig

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        config = self.config
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        graph = Graph.of_interactions(train, data.n_users, data.n_items)
        starts = np.repeat(np.flatnonzero(graph.degrees), config.walks)

        def pairs(epoch: int, rng: np.random.Generator) -> Pairs:
            return walked_pairs(graph.walks(starts, config.length, rng, config.p, config.q), config.window)

        torch.manual_seed(context.seed)
        task = SkipGram(pairs, graph.degrees, config.dim, config.negatives, config.k, config.batch_pairs)
        run_training(self, task, data, train, context)
        tables = (task.module.inner, task.module.outer)
        self.inner, self.outer = (table.weight.detach().cpu().numpy()[data.n_users :].copy() for table in tables)


def walked_pairs(walks: NDArray[np.int64], window: int) -> Pairs:
    """int64 [N, 2]: both directions of every pair of nodes of a walk at most ``window`` steps apart.

    Example:
        >>> walked_pairs(np.array([[4, 7, 5], [9, -1, -1]]), 1).tolist()
        [[4, 7], [7, 5], [7, 4], [5, 7]]
    """
    found = []
    for step in range(1, min(window, walks.shape[1] - 1) + 1):
        pair = np.stack([walks[:, :-step].ravel(), walks[:, step:].ravel()], 1)
        pair = pair[pair[:, 1] != MISSING]
        found += [pair, pair[:, ::-1]]
    return np.concatenate(found)
