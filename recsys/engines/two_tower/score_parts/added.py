"""What is added to the towers' score after training, and how much of it: chosen on validation users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.splits.holdout import Holdout
from recsys.engine import Vectors
from recsys.engines.two_tower.score_parts.graph_part import RANK, GraphPart
from recsys.engines.two_tower.score_parts.popularity_prior import (
    best_weight,
    standard_error,
    with_constant,
    with_popularity,
)
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.evaluation.evaluate import score_values
from recsys.evaluation.metrics import on_long_lists
from recsys.json_values import JsonObject

RANKS = (RANK // 2, RANK)
GRAPH_WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""The ranks and weights of the graph part that are tried beside weight 0."""
_SCORES, _FEWEST, MAX_USERS = 10**9, 1000, 10_000
"""Scores of a pass over validation at most, users at least, and users at most."""


@dataclass(frozen=True, eq=False)
class AddedParts:
    """The parts beside the towers, and their weights.

    Args:
        graph: of the rank that is used; None adds none.
        graph_weight: of the graph part, whose scores have the deviation 1 for every user.
        popularity_weight: of an item's log popularity.
    """

    graph: GraphPart | None = None
    graph_weight: float = 0.0
    popularity_weight: float = 0.0

    @classmethod
    def of(cls, options: TwoTowerConfig, graph: GraphPart | None) -> AddedParts:
        """With the weights of ``options``, where None is 0."""
        return cls(graph, options.graph_weight or 0.0, options.popularity_weight or 0.0)

    def __bool__(self) -> bool:
        """Whether there is a part with a weight."""
        return bool(self.graph is not None and self.graph_weight) or bool(self.popularity_weight)

    def items(self, towers: Vectors, rows: NDArray[np.integer], popularity: NDArray[np.float32]) -> Vectors:
        """The item vectors of the towers with more components.

        Args:
            towers: [n] vectors.
            rows: int [n], rows of the items in train, MISSING for those without interactions.
            popularity: float32 [n], see `recsys.engines.two_tower.score_parts.popularity_prior.log_popularity`.
        """
        if self.graph is not None and self.graph_weight:
            towers = towers.with_columns(self.graph.item_vectors(rows))
        return with_popularity(towers, popularity, self.popularity_weight) if self.popularity_weight else towers

    def users(self, towers: Vectors, histories: Histories) -> Vectors:
        """The user vectors of the towers with the components that `items` adds.

        Args:
            towers: [U] vectors.
            histories: whole histories, of rows in train.
        """
        if self.graph is not None and self.graph_weight:
            towers = towers.with_columns(self.graph.user_vectors(histories) * np.float32(self.graph_weight))
        return with_constant(towers) if self.popularity_weight else towers


@dataclass(frozen=True, eq=False)
class Towers:
    """The towers' own vectors on validation, and what the added parts are computed from.

    Args:
        users: vectors of the validation users.
        items: vectors of the catalogue.
        rows: int [I], of the catalogue in train.
        popularity: float32 [I], log popularity.
        histories: of the validation users, of rows in train.
        holdout: the validation users.
        device: see `recsys.ranking.Ranker`.
    """

    users: Vectors
    items: Vectors
    rows: NDArray[np.integer]
    popularity: NDArray[np.float32]
    histories: Histories
    holdout: Holdout
    device: torch.device | None = None

    def values(self, added: AddedParts, metric: str) -> NDArray[np.float64]:
        """float64 [U]: the metric of each validation user with ``added``."""
        users, items = added.users(self.users, self.histories), added.items(self.items, self.rows, self.popularity)
        return score_values(users, items, self.holdout, metric, self.device)


def n_users(n_items: int, limit: int) -> int:
    """How many validation users choose the weights, at most ``limit``: fewer where the catalogue is large.

    Example:
        >>> n_users(3_000, 100_000), n_users(10**6, 100_000), n_users(3_000, 500)
        (10000, 1000, 500)
    """
    return min(limit, MAX_USERS, max(_FEWEST, _SCORES // max(n_items, 1)))


def fitted_parts(
    options: TwoTowerConfig, graph: Callable[[], GraphPart], towers: Towers | None
) -> tuple[GraphPart | None, TwoTowerConfig]:
    """The graph part, and ``options`` with the weights that were None and that validation has chosen.

    Args:
        options: weights and rank, None where they are to be chosen.
        graph: computes the graph part; called where it has a weight, or may get one.
        towers: the towers on validation; None chooses nothing.
    """
    added = AddedParts.of(options, None)
    chosen: JsonObject = {}
    if options.graph_weight:
        added = replace(added, graph=graph().of_rank(options.graph_rank or RANK))
    if towers is not None and options.popularity_weight is None:
        added = with_best_popularity(towers, added, options.metric)
        chosen["popularity_weight"] = added.popularity_weight
    if towers is not None and options.graph_weight is None:
        ranks = RANKS if options.graph_rank is None else (options.graph_rank,)
        added = with_best_graph(towers, replace(added, graph=graph()), options.metric, ranks)
        chosen |= {"graph_weight": added.graph_weight, "graph_rank": added.graph and added.graph.rank}
    return added.graph, options.model_copy(update=chosen)


def with_best_graph(towers: Towers, added: AddedParts, metric: str, ranks: Sequence[int]) -> AddedParts:
    """``added`` with the rank and the weight of its graph part that are best on validation.

    A weight must be better than 0 by one standard error of the paired differences, as that of popularity must; long
    lists are compared.
    """
    assert added.graph is not None
    metric = on_long_lists(metric)
    graphs = [added.graph.of_rank(rank) for rank in dict.fromkeys(min(rank, added.graph.rank) for rank in ranks)]
    tried = [replace(added, graph=graph, graph_weight=weight) for graph in graphs for weight in GRAPH_WEIGHTS]
    plain, found = towers.values(replace(added, graph=None), metric), [towers.values(one, metric) for one in tried]
    best = max(range(len(tried)), key=lambda i: float(found[i].mean()))
    gain = found[best] - plain
    return tried[best] if gain.mean() > standard_error(gain) else replace(added, graph=None, graph_weight=0.0)


def with_best_popularity(towers: Towers, added: AddedParts, metric: str) -> AddedParts:
    """``added`` with the weight of popularity that is best on validation, see `best_weight`."""

    def values(weight: float) -> NDArray[np.float64]:
        return towers.values(replace(added, popularity_weight=weight), metric)

    return replace(added, popularity_weight=best_weight(values))
