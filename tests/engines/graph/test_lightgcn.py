"""LightGCN: propagation against dense matrices, and what a target may not see."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recsys.data.interactions import Interactions
from recsys.engine import FitContext, Request
from recsys.engines.graph.lightgcn import LightGCN, LightGCNConfig, _Task, split_rows
from recsys.models.propagation import Propagation
from tests.engines.graph.test_spectral import random_data

DATA = random_data(30, 20)
QUICK = {"dim": 8, "batch": 64, "n_negatives": 16, "training": {"epochs": 3, "learning_rate": 0.02, "warmup": 0}}


def dense_layers(items: np.ndarray, users: np.ndarray, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """The paper's propagation: powers of the whole normalised adjacency matrix."""
    matrix = DATA.interactions.to_csr(DATA.n_users, DATA.n_items).toarray()
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
    propagation = Propagation(DATA.interactions, DATA.n_users, DATA.n_items, layers)
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
    propagation = Propagation(events, DATA.n_users, DATA.n_items, 2)
    items, below = propagation(weight[DATA.n_users :], weight[: DATA.n_users])
    found = torch.cat([propagation.users_of(below, weight[: DATA.n_users]), items])
    torch.testing.assert_close(found, expected)
    factor = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad((expected * factor).sum(), weight, retain_graph=True)
    (got,) = torch.autograd.grad((found * factor).sum(), weight)
    torch.testing.assert_close(got, wanted)


def fitted(**changes) -> LightGCN:
    engine = LightGCN(LightGCNConfig.model_validate(QUICK | changes), FitContext(1))
    engine.fit(DATA, DATA.interactions)
    return engine


@pytest.mark.parametrize("own", [True, False])
def test_a_known_user_asked_with_the_training_history_gets_the_vector_of_the_propagation(own):
    engine = fitted(user_vectors=own)
    task = _Task(engine, DATA.interactions, DATA)
    torch.manual_seed(0)
    engine._take(task.module)
    module = task.module
    users = module.propagation.users_of(module()[1], module.users)
    users = torch.nn.functional.normalize(users, dim=1) / engine.config.temperature
    found = engine.user_vectors(Request.from_dataset(DATA, np.arange(DATA.n_users)))
    np.testing.assert_allclose(found.dense[found.valid], users.detach().numpy()[found.valid], rtol=1e-4, atol=1e-4)


def test_a_step_asks_for_a_share_of_each_user_and_shows_the_rest():
    matrix = sp.csr_array(np.triu(np.ones((9, 10), np.float32)))
    seen, asked = split_rows(matrix, 0.3, np.random.default_rng(0))
    np.testing.assert_array_equal((seen + asked).toarray(), matrix.toarray())
    np.testing.assert_array_equal(np.diff(asked.indptr), [3, 3, 2, 2, 2, 2, 1, 1, 1])
    assert (np.diff(seen.indptr) > 0).all()


def test_an_item_is_as_long_as_its_degree_to_the_tilt():
    lengths = [
        np.linalg.norm(fitted(popularity_exponent=popularity_exponent).out, axis=1)
        for popularity_exponent in (0.0, 0.5)
    ]
    np.testing.assert_allclose(lengths[0], 1, rtol=1e-5)
    degrees = DATA.interactions.item_counts(DATA.n_items)
    np.testing.assert_allclose(lengths[1], np.sqrt(degrees / np.average(degrees, weights=degrees)), rtol=1e-5)


def test_a_step_holds_whole_users_of_about_as_many_interactions_as_asked_for():
    engine = LightGCN(LightGCNConfig.model_validate(QUICK))
    engine.counts = DATA.interactions.item_counts(DATA.n_items)
    task = _Task(engine, DATA.interactions, DATA)
    batches = task.batches(0, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), task.users)
    sizes = [task.matrix[batch].nnz for batch in batches]
    assert max(sizes) <= 64 + np.diff(task.matrix.indptr).max()


def test_an_interaction_that_is_predicted_gives_the_user_nothing():
    """Were the target inside the user's sum, the gradient of one layer would reach the target through the user."""
    engine = LightGCN(LightGCNConfig.model_validate(QUICK | {"layers": 1}), FitContext(1))
    engine.counts = DATA.interactions.item_counts(DATA.n_items)
    task = _Task(engine, DATA.interactions, DATA)
    seen, asked = split_rows(task.matrix[task.users], 0.3, np.random.default_rng(0))
    asking = task._asking(task.users, seen, task.module()[1])
    for user in range(0, len(task.users), 7):
        (gradient,) = torch.autograd.grad(asking[user].sum(), task.module.items, retain_graph=True)
        assert gradient[asked[[user]].indices].abs().max() < 1e-6
        assert gradient[seen[[user]].indices].abs().min() > 1e-4


def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path):
    whole = fitted()
    config = LightGCNConfig.model_validate(QUICK)
    half = LightGCN(config, FitContext(1, epochs=1, directory=tmp_path))
    half.fit(DATA, DATA.interactions)
    resumed = LightGCN(config, FitContext(1, directory=tmp_path))
    resumed.fit(DATA, DATA.interactions)
    assert np.array_equal(resumed.out, whole.out)


def test_repeated_interactions_are_one_edge():
    twice = DATA.interactions.joined(DATA.interactions)
    items = torch.randn(DATA.n_items, 4)
    once, again = (Propagation(e, DATA.n_users, DATA.n_items, 2)(items)[0] for e in (DATA.interactions, twice))
    torch.testing.assert_close(once, again)
    assert isinstance(twice, Interactions)


def test_a_user_without_training_interactions_has_no_vector():
    engine = LightGCN(LightGCNConfig.model_validate(QUICK), FitContext(1))
    seen = DATA.interactions.select(DATA.interactions.user != 3)
    engine.fit(DATA, seen)
    np.testing.assert_array_equal(engine.own.any(1), np.bincount(seen.user, minlength=DATA.n_users) > 0)
