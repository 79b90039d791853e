"""The spectral filter against dense linear algebra."""

import numpy as np
import pytest
import scipy.sparse as sp

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Request
from recsys.engines import singular
from recsys.engines.graph.spectral import Spectral, SpectralConfig, two_hops
from recsys.engines.singular import by_degrees, truncated_svd


def random_data(users: int = 30, items: int = 20, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items)) < 0.3)
    bare = [EntityTable.bare(Vocabulary(np.arange(n))) for n in (users, items)]
    return Dataset("r", *bare, Interactions.of(user, item), False)


def fitted(data: Dataset, **options) -> Spectral:
    return Spectral(**options).fit(data)


def scores(engine: Spectral, data: Dataset) -> np.ndarray:
    request = Request.from_dataset(data, np.arange(data.n_users))
    return engine.user_vectors(request).scores(engine.item_vectors(data.items))


def operators(data: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix = data.interactions.to_csr(data.n_users, data.n_items).toarray().astype(np.float64)
    return matrix, np.maximum(matrix.sum(1), 1), np.maximum(matrix.sum(0), 1)


def without_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix - np.diag(np.diag(matrix))


def test_the_low_pass_is_the_projection_on_the_first_singular_vectors_of_a_dense_svd():
    data = random_data()
    matrix, users, items = operators(data)
    engine = fitted(data, mix=0, low_pass={"rank": 5, "users": 0.5, "items": 0.5, "popularity_exponent": 0.25})
    right = np.linalg.svd(users[:, None] ** -0.5 * matrix * items**-0.5)[2][:5]
    operator = items[:, None] ** -0.25 * (right.T @ right) * items**0.25
    expected = matrix @ operator / np.linalg.norm(without_diagonal(operator))
    np.testing.assert_allclose(scores(engine, data), expected, atol=2e-3 * expected.max())


def test_two_hops_are_the_dense_product():
    data = random_data()
    matrix, users, items = operators(data)
    engine = fitted(data, mix=1, two_hop={"users": 0.5, "history": 0.7, "output": 0.4, "neighbours": 0})
    operator = without_diagonal(items[:, None] ** -0.7 * (matrix.T @ (users[:, None] ** -0.5 * matrix)) * items**-0.4)
    np.testing.assert_allclose(scores(engine, data), matrix @ operator / np.linalg.norm(operator), rtol=1e-4)


def test_the_mix_adds_both_parts_in_the_same_unit():
    data = random_data()
    low, high, both = (scores(fitted(data, mix=mix), data) for mix in (0, 1, 0.25))
    np.testing.assert_allclose(both, 0.75 * low + 0.25 * high, rtol=1e-4, atol=1e-6)


def test_each_item_keeps_its_largest_neighbours():
    data = random_data()
    matrix = data.interactions.to_csr(data.n_users, data.n_items)
    options = SpectralConfig().two_hop
    whole = two_hops(matrix, options.model_copy(update={"neighbours": 0})).toarray()
    cut = two_hops(matrix, options.model_copy(update={"neighbours": 4}), block=7).toarray()
    limit = -np.sort(-whole, axis=1)[:, 3:4]
    np.testing.assert_array_equal(cut, np.where(whole >= limit, whole, 0))


@pytest.mark.parametrize("shape", [(40, 25), (25, 40)])
def test_the_truncated_svd_finds_the_first_singular_values(shape):
    rng = np.random.default_rng(1)
    matrix = sp.random_array(shape, density=0.4, rng=rng, dtype=np.float32, format="csr")
    vectors, values = truncated_svd(matrix, 6, rng)
    np.testing.assert_allclose(values, np.linalg.svd(matrix.toarray())[1][:6], rtol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-4)


@pytest.mark.parametrize("rows", [7, 300, 999])
def test_singular_vectors_from_blocks_of_rows_are_those_of_the_whole_matrix(monkeypatch, rows):
    rng = np.random.default_rng(1)
    matrix = sp.random_array((1000, 30), density=0.3, rng=rng, dtype=np.float32, format="csr")
    matrix = sp.csr_array(matrix @ sp.diags_array((0.7 ** np.arange(30)).astype(np.float32)))
    vectors, values = truncated_svd(matrix, 6, np.random.default_rng(2))
    monkeypatch.setattr(singular, "_TALL", 0)
    monkeypatch.setattr(singular, "_ENTRIES", rows * 30)
    in_blocks, same = truncated_svd(matrix, 6, np.random.default_rng(2))
    np.testing.assert_allclose(same, values, rtol=1e-5)
    np.testing.assert_allclose((in_blocks * same) @ in_blocks.T, (vectors * values) @ vectors.T, atol=1e-4 * values[0])


def test_entries_times_powers_of_degrees_are_a_product_of_matrices(monkeypatch):
    monkeypatch.setattr(singular, "_ENTRIES", 256 * 3)
    matrix = random_data().interactions.to_csr(30, 40)
    lengths, counts = matrix.sum(1), matrix.sum(0)
    found = by_degrees(matrix, -0.5, 0.3).toarray()
    expected = matrix.toarray() * np.maximum(lengths, 1)[:, None] ** -0.5 * np.maximum(counts, 1) ** 0.3
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (matrix.data == 1).all()


def test_the_truncated_svd_stops_at_the_rank_of_the_matrix():
    matrix = sp.csr_array(np.outer(np.arange(1, 6), np.arange(1, 8)).astype(np.float32))
    vectors, values = truncated_svd(matrix, 4, np.random.default_rng(0))
    assert vectors.shape == (7, 1)
    np.testing.assert_allclose(values, np.linalg.norm(matrix.toarray()), rtol=1e-5)
