"""LightGCN: propagation against dense matrices, and what a target may not see."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recsys.data.interactions import Interactions
from recsys.engine import FitContext, Request
from recsys.engines.graph import lightgcn
from recsys.engines.graph.lightgcn import LightGCN, split_rows
from recsys.engines.learning import run_training
from recsys.models.propagation import Propagation
from tests.engines.graph.test_spectral import random_data

DATA = random_data(30, 20)
QUICK = {"dim": 8, "batch": 64, "n_negatives": 16, "training": {"epochs": 3, "learning_rate": 0.02, "warmup": 0}}


def edges(events: Interactions = DATA.interactions) -> sp.csr_array:
    return events.to_csr(DATA.n_users, DATA.n_items)


def dense_layers(items: np.ndarray, users: np.ndarray, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """The paper's propagation: powers of the whole normalised adjacency matrix."""
    matrix = edges().toarray()
    n = DATA.n_users + DATA.n_items
    adjacency = np.zeros((n, n))
    adjacency[: DATA.n_users, DATA.n_users :] = matrix
    adjacency += adjacency.T
    scale = np.maximum(adjacency.sum(1), 1) ** -0.5
    adjacency *= scale[:, None] * scale
    layer = np.concatenate([users, items])
    total = layer.copy()
    for _ in range(layers):
        layer = adjacency @ layer
        total += layer
    mean = total / (layers + 1)
    return mean[: DATA.n_users], mean[DATA.n_users :]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_propagation_is_the_mean_of_powers_of_the_dense_adjacency_matrix(layers, own):
    rng = np.random.default_rng(0)
    items, users = rng.normal(size=(DATA.n_items, 4)), rng.normal(size=(DATA.n_users, 4)) * own
    propagation = Propagation(edges(), layers)
    starts = torch.tensor(items, dtype=torch.float32), torch.tensor(users, dtype=torch.float32) if own else None
    found_items, below = propagation(*starts)
    found_users = propagation.users_of(below, starts[1])
    expected_users, expected_items = dense_layers(items, users, layers)
    np.testing.assert_allclose(found_users, expected_users, atol=1e-5)
    np.testing.assert_allclose(found_items, expected_items, atol=1e-5)


def test_propagation_is_that_of_the_library_and_so_is_its_gradient():
    from recsys.models.geometric import geometric

    events = DATA.interactions
    pairs = np.stack([events.user, events.item + DATA.n_users]).astype(np.int64)
    both = torch.from_numpy(np.concatenate([pairs, pairs[::-1]], 1))
    model = geometric().nn.LightGCN(DATA.n_users + DATA.n_items, 4, num_layers=2)
    weight = model.embedding.weight
    expected = model.get_embedding(both)
    propagation = Propagation(edges(), 2)
    items, below = propagation(weight[DATA.n_users :], weight[: DATA.n_users])
    found = torch.cat([propagation.users_of(below, weight[: DATA.n_users]), items])
    torch.testing.assert_close(found, expected)
    factor = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad((expected * factor).sum(), weight, retain_graph=True)
    (got,) = torch.autograd.grad((found * factor).sum(), weight)
    torch.testing.assert_close(got, wanted)


def fitted(**changes) -> LightGCN:
    return LightGCN(**QUICK | changes).fit(DATA, seed=1)


def layer_0_of_items(engine: LightGCN, users: np.ndarray) -> np.ndarray:
    """The learnt start of the propagation, from what an item of a history adds to a user's vector."""
    matrix = DATA.interactions.to_csr(DATA.n_users, DATA.n_items).toarray()
    lengths, degrees = (np.maximum(matrix.sum(axis), 1.0)[:, None] for axis in (1, 0))
    edges = matrix * lengths**-0.5 * degrees.T**-0.5
    below = engine.history_factors * degrees**0.5 * (engine.config.layers + 1)  # layers 0 to L - 1 of the items
    factor, flow = np.eye(DATA.n_items), np.zeros_like(below)
    layer_factor, layer_flow, layer_users, users_factor = factor, flow, users, np.zeros_like(edges)
    for _ in range(engine.config.layers - 1):
        layer_factor, users_factor = edges.T @ users_factor, edges @ layer_factor
        layer_flow, layer_users = edges.T @ layer_users, edges @ layer_flow
        factor, flow = factor + layer_factor, flow + layer_flow
    return np.linalg.solve(factor, below - flow)


@pytest.mark.parametrize("own", [True, False])
def test_a_known_user_asked_with_the_training_history_gets_the_vector_of_the_propagation(own):
    engine = fitted(user_vectors=own, popularity_exponent=0.0)
    users = engine.user_embeddings * 4.0 if own else np.zeros((DATA.n_users, 8))
    expected = dense_layers(layer_0_of_items(engine, users), users, 3)
    units = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in expected]
    found = engine.user_vectors(Request.from_dataset(DATA, np.arange(DATA.n_users)))
    np.testing.assert_allclose(found.dense[found.valid] * engine.config.temperature, units[0][found.valid], atol=1e-4)
    np.testing.assert_allclose(engine.item_vectors(DATA.items).dense, units[1], atol=1e-4)


def test_a_step_asks_for_a_share_of_each_user_and_shows_the_rest():
    matrix = sp.csr_array(np.triu(np.ones((9, 10), np.float32)))
    seen, held_out = split_rows(matrix, 0.3, np.random.default_rng(0))
    np.testing.assert_array_equal((seen + held_out).toarray(), matrix.toarray())
    np.testing.assert_array_equal(np.diff(held_out.indptr), [3, 3, 2, 2, 2, 2, 1, 1, 1])
    assert (np.diff(seen.indptr) > 0).all()


def test_an_item_is_as_long_as_its_degree_to_the_tilt():
    lengths = [
        np.linalg.norm(fitted(popularity_exponent=popularity_exponent).item_factors, axis=1)
        for popularity_exponent in (0.0, 0.5)
    ]
    np.testing.assert_allclose(lengths[0], 1, rtol=1e-5)
    degrees = DATA.interactions.item_counts(DATA.n_items)
    np.testing.assert_allclose(lengths[1], np.sqrt(degrees / np.average(degrees, weights=degrees)), rtol=1e-5)


@pytest.fixture
def task_of(monkeypatch):
    """Options -> what an engine with them is trained by, trained."""
    tasks = []

    def kept(engine, task, *rest):
        tasks.append(task)
        return run_training(engine, task, *rest)

    def of(**changes):
        fitted(**changes)
        return tasks[-1]

    monkeypatch.setattr(lightgcn, "run_training", kept)
    return of


def test_a_step_holds_whole_users_of_about_as_many_interactions_as_asked_for(task_of):
    batches = task_of().batches(0, np.random.default_rng(0))
    lengths = np.bincount(DATA.interactions.user, minlength=DATA.n_users)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.flatnonzero(lengths))
    assert max(lengths[batch].sum() for batch in batches) <= 64 + lengths.max()


def test_an_interaction_that_is_predicted_gives_the_user_nothing(task_of):
    """Were the target inside the user's sum, the gradient of one layer would reach the target through the user."""
    task, found = task_of(layers=1, held_out=0.3), []
    task.compute_loss = lambda batch: found.extend((batch.users, batch.positives, batch.owners)) or batch.users.sum()
    batch = np.flatnonzero(np.bincount(DATA.interactions.user) > 1)[::3]
    task.loss(batch, np.random.default_rng(0))
    users, predicted, owners = found
    targets = torch.cdist(predicted, task.module.scored(task.module()[0])).argmin(1)
    for row, user in enumerate(batch):
        (gradient,) = torch.autograd.grad(users[row].sum(), task.module.items, retain_graph=True)
        held_out = targets[owners == row].numpy()
        seen = np.setdiff1d(DATA.interactions.item[DATA.interactions.user == user], held_out)
        assert len(held_out) > 0
        assert gradient[held_out].abs().max() < 1e-6
        assert gradient[seen].abs().max(1).values.min() > 1e-4


def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path):
    whole = fitted()
    LightGCN(**QUICK).fit(DATA, context=FitContext(1, epochs=1, directory=tmp_path))
    resumed = LightGCN(**QUICK).fit(DATA, context=FitContext(1, directory=tmp_path))
    assert np.array_equal(resumed.item_factors, whole.item_factors)


def test_repeated_interactions_are_one_edge():
    twice = DATA.interactions.joined(DATA.interactions)
    items = torch.randn(DATA.n_items, 4)
    once, again = (Propagation(edges(e), 2)(items)[0] for e in (DATA.interactions, twice))
    torch.testing.assert_close(once, again)


def test_a_user_without_training_interactions_has_no_vector():
    seen = DATA.interactions.select(DATA.interactions.user != 3)
    engine = LightGCN(**QUICK).fit(DATA, seen, seed=1)
    np.testing.assert_array_equal(engine.user_embeddings.any(1), np.bincount(seen.user, minlength=DATA.n_users) > 0)
