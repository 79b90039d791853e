"""Walks and sampled neighbours against brute force."""

import numpy as np
import pytest

from recsys.data.graph import Graph
from recsys.data.interactions import Interactions


def lollipop() -> Graph:
    """A triangle 0-1-2 with a tail 2-3-4, and a node 5 on its own."""
    return Graph.of(np.array([0, 0, 1, 2, 3]), np.array([1, 2, 2, 3, 4]), 6)


def probability(graph: Graph, before: int, here: int, p: float, q: float) -> dict[int, float]:
    """The distribution of the next node by the formula, one neighbour at a time."""
    weights = {}
    for node in graph.neighbours_of(here).tolist():
        near = node in graph.neighbours_of(before)
        weights[node] = 1 / p if node == before else 1.0 if near else 1 / q
    return {node: weight / sum(weights.values()) for node, weight in weights.items()}


@pytest.mark.parametrize(("p", "q"), [(1, 1), (4, 0.25), (0.25, 4), (2, 0.5)])
def test_walks_follow_the_second_order_probabilities(p, q):
    graph, n = lollipop(), 40_000
    walks = graph.walks(np.zeros(n, np.int64), 4, np.random.default_rng(3), p, q)
    for before, here in {tuple(pair) for pair in walks[:, 1:3].tolist()}:
        after = walks[(walks[:, 1] == before) & (walks[:, 2] == here), 3]
        if len(after) > 500:
            for node, expected in probability(graph, before, here, p, q).items():
                error = 5 * np.sqrt(expected * (1 - expected) / len(after)) + 1e-9
                assert (after == node).mean() == pytest.approx(expected, abs=error)


def test_every_step_of_a_walk_is_an_edge_and_a_lonely_node_stays():
    graph = lollipop()
    walks = graph.walks(np.arange(6), 8, np.random.default_rng(0), 0.5, 2)
    assert graph.connected(walks[:5, :-1].ravel(), walks[:5, 1:].ravel()).all()
    assert walks[5].tolist() == [5] + [-1] * 7


def test_sampled_neighbours_are_uniform():
    graph = lollipop()
    drawn = graph.sample(np.array([2, 5, -1]), 9000, np.random.default_rng(1))
    assert (drawn[1:] == -1).all()
    values, counts = np.unique(drawn[0], return_counts=True)
    assert values.tolist() == [0, 1, 3]
    np.testing.assert_allclose(counts / 9000, 1 / 3, atol=0.02)


def test_the_bipartite_graph_joins_users_and_items_once():
    events = Interactions.of(np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([0, 1, 0]))
    graph = Graph.of_interactions(events, 2, 3)
    assert [graph.neighbours_of(v).tolist() for v in range(5)] == [[3], [2], [1], [0], []]


def test_the_same_stream_walks_the_same_way():
    graph = lollipop()
    first, second = (graph.walks(np.arange(5), 6, np.random.default_rng(9), 2, 0.5) for _ in range(2))
    assert np.array_equal(first, second)
