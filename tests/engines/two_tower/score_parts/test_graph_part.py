"""The graph part of the two-tower score, against its formula."""

import numpy as np
import pytest

from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.engines.two_tower.score_parts.graph_part import GraphPart
from recsys.errors import ArtifactError


@pytest.fixture(scope="module")
def train() -> Interactions:
    rng = np.random.default_rng(0)
    rows = [(user, item) for user in range(60) for item in np.flatnonzero(rng.random(30) < 0.2) if item != 7]
    users, items = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions.of(users, items, np.arange(len(rows)), np.ones(len(rows), np.float32))


@pytest.fixture(scope="module")
def graph(train) -> GraphPart:
    return GraphPart.fit(train, 60, 30, seed=0)


def test_scores_are_those_of_the_formula(train, graph):
    matrix = train.to_csr(60, 30).toarray()
    of_users, of_items = np.maximum(matrix.sum(1), 1), np.maximum(matrix.sum(0), 1)
    v = np.linalg.svd(of_users[:, None] ** -0.4 * matrix * of_items**-0.4)[2][:5].T
    scores = (matrix * of_items**-0.35) @ v @ (of_items[:, None] ** 0.35 * v).T
    seen = matrix.sum(0) > 0
    scores -= scores[:, seen].mean(1, keepdims=True)
    scores /= scores[:, seen].std(1, keepdims=True)
    part = graph.of_rank(5)
    found = part.user_vectors(Histories.from_interactions(train, np.arange(60))) @ part.item_vectors(np.arange(30)).T
    np.testing.assert_allclose(found[:, seen], scores[:, seen], atol=0.02)


def test_every_user_has_scores_of_mean_0_and_deviation_1_and_unknown_items_the_mean(train, graph):
    users = graph.user_vectors(Histories.from_interactions(train, np.arange(60)))
    scores = users @ graph.item_vectors(np.arange(30)).T
    known = np.delete(scores, 7, axis=1)
    np.testing.assert_allclose(known.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(known.std(1), 1, rtol=1e-3)
    assert not scores[:, 7].any()
    assert not (users @ graph.item_vectors(np.array([-1, -1])).T).any()


def test_a_user_without_history_gets_zeros(graph):
    assert not graph.user_vectors(Histories.of([[], []])).any()


def test_a_long_history_counts_from_its_first_event(graph):
    short, long = (graph.user_vectors(Histories.of([items])) for items in ([2] * 200, [4] + [2] * 200))
    assert np.abs(short - long).max() > 0.01


def test_rows_of_a_grown_vocabulary_keep_their_vectors(graph):
    rows = np.arange(30)[::-1] + 2
    grown = graph.at_rows(rows, 33)
    np.testing.assert_array_equal(grown.item_vectors(rows), graph.item_vectors(np.arange(30)))
    histories = Histories.of([[1, 3, 8]])
    np.testing.assert_allclose(
        grown.user_vectors(histories.remap_items(rows)), graph.user_vectors(histories), rtol=1e-6
    )


def test_what_was_saved_is_loaded_and_damage_is_refused(graph, tmp_path):
    graph.save(tmp_path)
    again = GraphPart.load(tmp_path, 30)
    np.testing.assert_array_equal(again.out, graph.out)
    np.testing.assert_array_equal(again.into, graph.into)
    with pytest.raises(ArtifactError, match="there are 31 items"):
        GraphPart.load(tmp_path, 31)
    (tmp_path / "graph.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="does not hold a graph part"):
        GraphPart.load(tmp_path, 30)
