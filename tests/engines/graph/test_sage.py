"""GraphSAGE: sampled blocks against the graph, and what it can place."""

from dataclasses import replace

import numpy as np
import torch

from recsys.data.entities import EntityTable
from recsys.data.graph import Graph
from recsys.data.histories import Histories
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Request
from recsys.engines.graph.sage import GraphSAGE
from recsys.models.sage import mean_matrix, sample_block
from tests.engines.graph.test_spectral import random_data
from tests.engines.two_tower.test_two_tower import world

DATA = random_data(30, 20)
EVENTS = DATA.interactions


def block(hidden: np.ndarray, users: np.ndarray, items: np.ndarray):
    graph = Graph.of_interactions(EVENTS, DATA.n_users, DATA.n_items)
    return sample_block(graph, DATA.n_users, users, items, (4, 3), hidden, 0.0, np.random.default_rng(0))


def test_every_message_passes_along_an_edge_of_training_and_none_along_one_that_is_predicted():
    hidden = (EVENTS.user.astype(np.int64) * DATA.n_items + EVENTS.item)[::5]
    users, items = np.unique(EVENTS.user[::5]).astype(np.int64), np.unique(EVENTS.item[::5]).astype(np.int64)
    found = block(hidden, users, items)
    allowed = set((EVENTS.user.astype(np.int64) * DATA.n_items + EVENTS.item).tolist()) - set(hidden.tolist())
    for ring in (0, 1):
        source, target = found.to_users[ring].numpy()
        edges = found.users[ring][target] * DATA.n_items + found.items[ring + 1][source]
        assert len(edges) > 0
        assert set(edges.tolist()) <= allowed
        source, target = found.to_items[ring].numpy()
        edges = found.users[ring + 1][source] * DATA.n_items + found.items[ring][target]
        assert set(edges.tolist()) <= allowed


def test_each_ring_holds_the_one_before_and_all_sources():
    found = block(np.empty(0, np.int64), np.array([1, 4]), np.array([0, 7, 9]))
    for rings in (found.users, found.items):
        assert set(rings[0]) <= set(rings[1]) <= set(rings[2])
    assert found.to_users[0][0].max() < len(found.items[1])
    assert found.to_items[1][0].max() < len(found.users[2])


def test_a_convolution_gives_the_same_by_links_and_by_matrix():
    engine = fitted(random_data(12, 9, seed=4))
    convolution = engine.model.to_users[1]
    matrix = (torch.rand(5, 7) < 0.5).float()
    matrix[2] = 0
    sources, own = torch.randn(7, 8), torch.randn(5, 8)
    target, source = matrix.nonzero().T
    by_links = convolution((sources, own), torch.stack([source, target]))
    offsets = np.concatenate([[0], np.cumsum(matrix.sum(1).int().numpy())])
    by_matrix = convolution((sources, own), mean_matrix(offsets, source.numpy(), 7))
    mean = matrix @ sources / matrix.sum(1, keepdim=True).clamp(min=1)
    torch.testing.assert_close(by_links, by_matrix)
    torch.testing.assert_close(by_matrix, convolution.lin_l(mean) + convolution.lin_r(own))


def fitted(data, **changes) -> GraphSAGE:
    quick = {"dim": 8, "batch": 64, "n_negatives": 16}
    training = {"epochs": 15, "learning_rate": 0.02, "warmup": 0}
    return GraphSAGE(**quick | {"training": training} | changes).fit(data, seed=1)


def test_a_stranger_with_the_history_of_a_known_user_gets_the_same_vector():
    engine = fitted(DATA)
    known = Request.from_dataset(DATA, np.array([3]))
    history = known.histories.items.tolist()
    stranger = Request(EntityTable.bare(Vocabulary(np.array(["someone"], object))), DATA.items, Histories.of([history]))
    np.testing.assert_allclose(engine.user_vectors(stranger).dense, engine.user_vectors(known).dense, rtol=1e-5)


def test_an_item_that_training_never_saw_is_placed_by_its_features():
    data = world()
    engine = fitted(
        data, id_dropout=0.5, neighbour_dropout=0.5, training={"epochs": 60, "learning_rate": 0.02, "warmup": 0}
    )
    grown = world(new_items=2)
    vectors = engine.item_vectors(grown.items)
    assert vectors.valid.all()
    assert vectors.dense.shape == (22, 8)
    np.testing.assert_allclose(vectors.dense[:20], engine.item_vectors(data.items).dense)
    scores = engine.user_vectors(Request.from_dataset(data, np.arange(30))).scores(vectors)[:, 20:]
    assert (scores.argmax(1) == np.arange(30) % 2).mean() > 0.9


def test_an_item_without_interactions_gets_a_vector_from_its_current_features(tmp_path):
    """Items 20 and 21 have no parity in training; once it is known, their vectors are those of new items with it."""
    whole = world(new_items=2).items
    known = whole.columns["parity"].where(whole.vocabulary.ids < 20)
    blank = replace(whole, columns=whole.columns.assign(parity=known))
    engine = fitted(replace(world(), items=blank))
    engine.save(tmp_path / "e")
    strangers = replace(whole, vocabulary=Vocabulary(np.append(np.arange(20), [90, 91])))
    for model in (engine, GraphSAGE.load(tmp_path / "e")):
        before, after = model.item_vectors(blank).dense, model.item_vectors(whole).dense
        assert np.array_equal(before[:20], after[:20])
        assert (np.abs(before - after).max(1)[20:] > 0.01).all()
        np.testing.assert_allclose(after, model.item_vectors(strangers).dense, atol=1e-6)
