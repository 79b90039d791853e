"""EASE, whole and on neighbours alone, against a ridge regression an item."""

import numpy as np
import pytest
import scipy.sparse as sp

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Request
from recsys.engines.baselines.ease import EASE, MAX_DENSE_ITEMS, local_weights
from recsys.engines.neighbour_grams import NeighbourGrams
from recsys.engines.sparse import first_of_rows, nearest_items
from recsys.errors import ConfigError, DataError


def random_matrix(users: int = 90, items: int = 15, share: float = 0.35) -> np.ndarray:
    return (np.random.default_rng(0).random((users, items)) < share).astype(np.float64)


def dataset(matrix: np.ndarray) -> Dataset:
    tables = [EntityTable.bare(Vocabulary(np.arange(n))) for n in matrix.shape]
    return Dataset("r", *tables, Interactions.of(*np.nonzero(matrix)), False)


def fitted(matrix: np.ndarray, **options) -> EASE:
    return EASE(**options).fit(dataset(matrix))


def weights(engine: EASE) -> np.ndarray:
    return engine.weights.toarray() if isinstance(engine.weights, sp.csr_array) else engine.weights


def regressed(matrix: np.ndarray, item: int, others: list[int], penalty: np.ndarray) -> np.ndarray:
    """[I]: the weights of ``others`` that predict the column of ``item``, by least squares on stacked rows."""
    rows = np.concatenate([matrix[:, others], np.diag(np.sqrt(penalty[others]))])
    target = np.concatenate([matrix[:, item], np.zeros(len(others))])
    found = np.zeros(matrix.shape[1])
    found[others] = np.linalg.lstsq(rows, target, rcond=None)[0]
    return found


def cosines(matrix: np.ndarray) -> np.ndarray:
    norms = np.sqrt(matrix.sum(0))
    found = matrix.T @ matrix / np.outer(norms, norms)
    np.fill_diagonal(found, -1)
    return found


@pytest.mark.parametrize("dropout", [0.0, 0.6])
@pytest.mark.parametrize("neighbours", [0, 4, 14, 50])
def test_each_item_is_a_ridge_regression_on_its_neighbours(neighbours, dropout):
    matrix = random_matrix()
    engine = fitted(matrix, regularization=3.0, dropout=dropout, neighbours=neighbours)
    penalty = 3.0 + dropout / (1 - dropout) * matrix.sum(0)
    for item, near in enumerate(cosines(matrix)):
        others = sorted(np.argsort(-near, kind="stable")[: min(neighbours or 14, 14)].tolist())
        expected = regressed(matrix, item, others, penalty)
        np.testing.assert_allclose(weights(engine)[item], expected, atol=1e-5)


def test_dropout_is_the_expectation_over_dropped_inputs():
    """Each draw keeps an entry with 1 - p, the regression sees the rest scaled up to keep its mean."""
    matrix, p = random_matrix(40, 6), 0.4
    rng = np.random.default_rng(1)
    draws = [matrix * (rng.random(matrix.shape) >= p) / (1 - p) for _ in range(4000)]
    inputs, outputs = np.concatenate(draws), np.concatenate([matrix] * len(draws))
    expected = regressed(np.column_stack([outputs[:, 0], inputs[:, 1:]]), 0, [1, 2, 3, 4, 5], np.full(6, 2.0 * 4000))
    engine = fitted(matrix, regularization=2.0, dropout=p)
    np.testing.assert_allclose(weights(engine)[0], expected, atol=0.01)


def test_items_that_never_meet_another_have_no_weights():
    alone = np.eye(7)
    assert not weights(fitted(alone, neighbours=3)).any()
    alone[0, 1] = 1
    assert np.argwhere(weights(fitted(alone, neighbours=3))).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("block_floats", [1, 7 * 5**2])
def test_the_size_of_a_block_of_systems_does_not_change_the_weights(block_floats):
    matrix, penalty = sp.csr_array(random_matrix(80, 30).astype(np.float32)), np.full(30, 3, np.float32)
    whole, blocks = local_weights(matrix, penalty, 5), local_weights(matrix, penalty, 5, block_floats)
    np.testing.assert_allclose(blocks.toarray(), whole.toarray(), atol=1e-6)


@pytest.mark.parametrize("block_pairs", [1, 500])
def test_the_size_of_a_block_of_items_does_not_change_their_neighbours(block_pairs):
    matrix = sp.csr_array(random_matrix(80, 30).astype(np.float32))
    whole, blocks = nearest_items(matrix, 5, shrinkage=2), nearest_items(matrix, 5, 2, block_pairs)
    assert np.array_equal(blocks.toarray(), whole.toarray())


@pytest.mark.parametrize("share", [0.004, 0.3])
@pytest.mark.parametrize("values", [[1], [0.5, 3], [1, -1]])
def test_neighbours_are_the_highest_shrunk_cosines_however_full_the_matrix_is(share, values):
    rng = np.random.default_rng(3)
    matrix = np.where(rng.random((300, 200)) < share, rng.choice(values, (300, 200)), 0).astype(np.float32)
    found = nearest_items(sp.csr_array(matrix), 7, shrinkage=2).toarray()
    norms = np.linalg.norm(matrix, axis=0)
    wanted = (matrix.T @ matrix) / (norms[:, None] * norms + 2)
    np.fill_diagonal(wanted, 0)
    for row, near in zip(found, wanted, strict=True):
        order = np.argsort(np.where(near == 0, np.inf, -near.round(5)), kind="stable")[: min(7, np.count_nonzero(near))]
        np.testing.assert_allclose(np.sort(row[row != 0]), np.sort(near[order]), rtol=1e-4, atol=1e-5)


def test_a_small_penalty_on_equal_columns_is_still_solved():
    equal = np.ones((20_000, 3))
    found = weights(fitted(equal, regularization=1e-3, neighbours=2))
    np.testing.assert_allclose(found, 0.5 * (1 - np.eye(3)), atol=1e-4)


@pytest.mark.parametrize(("regularization", "neighbours"), [(1e-5, 0), (1e-15, 2)])
def test_a_penalty_too_small_for_equal_columns_is_an_error_that_says_to_raise_it(regularization, neighbours):
    with pytest.raises(ConfigError, match="raise `regularization`"):
        fitted(np.ones((20_000, 3)), regularization=regularization, neighbours=neighbours)


def test_items_without_interactions_are_in_the_catalogue_and_in_nobodys_way():
    matrix = np.concatenate([random_matrix(), np.zeros((90, 2))], 1)
    engine = fitted(matrix, neighbours=4, dropout=0.5)
    assert not weights(engine)[15:].any()
    assert not weights(engine)[:, 15:].any()
    np.testing.assert_allclose(weights(engine)[:15, :15], weights(fitted(random_matrix(), neighbours=4, dropout=0.5)))


def test_the_most_similar_are_kept_and_ties_go_to_the_lower_row():
    matrix = random_matrix()
    found = nearest_items(sp.csr_array(matrix.astype(np.float32)), 3, shrinkage=0).toarray()
    for row, near in zip(found, cosines(matrix), strict=True):
        assert np.flatnonzero(row).tolist() == sorted(np.argsort(-near, kind="stable")[:3].tolist())
    tied = sp.csr_array(np.array([[0, 2, 1, 2, 1, 1]], np.float32))
    assert first_of_rows(tied, 3).indices.tolist() == [1, 2, 3]
    unsorted = sp.csr_array((np.float32([1, 2, 1, 1, 2]), np.array([5, 4, 1, 3, 0]), np.array([0, 5])), shape=(1, 6))
    assert first_of_rows(unsorted, 3).indices.tolist() == [0, 1, 4]


def test_the_gram_matrix_of_all_items_gives_the_weights_of_single_ones():
    matrix = sp.csr_array(random_matrix().astype(np.float32))
    penalty = np.full(matrix.shape[1], 5, np.float32)
    whole, single = (local_weights(matrix, penalty, 4, gram_bytes=most) for most in (10**6, 0))
    np.testing.assert_array_equal(whole.indices, single.indices)
    np.testing.assert_allclose(whole.data, single.data, rtol=1e-6)


@pytest.mark.parametrize("most_bytes", [10**6, 200, 0], ids=["one pass", "several passes", "a pass an item"])
@pytest.mark.parametrize("block_pairs", [1 << 24, 40, 1])
def test_products_of_neighbours_are_counted_in_passes(most_bytes, block_pairs):
    matrix = random_matrix().astype(np.float32)
    matrix[:, 3] = matrix[:, 0] * matrix[:, 1]
    near = nearest_items(sp.csr_array(matrix), 4, shrinkage=0)
    near[5, near[[5]].indices] = 0  # an item without neighbours
    near.eliminate_zeros()
    grams = NeighbourGrams(sp.csr_array(matrix), near, most_bytes, block_pairs)
    assert (grams.passes == 1) == (most_bytes == 10**6)
    for item in range(matrix.shape[1]):
        items = np.append(near[[item]].indices, item)
        np.testing.assert_array_equal(grams.of(items), (matrix.T @ matrix)[np.ix_(items, items)])


def test_by_passes_weights_are_the_same(monkeypatch):
    matrix = sp.csr_array(np.tile(random_matrix().astype(np.float32), (1, 3)))
    penalty = np.full(matrix.shape[1], 5, np.float32)
    whole = local_weights(matrix, penalty, 4)
    for used in (1, 10**6):
        monkeypatch.setattr(NeighbourGrams, "passes", used)
        other = local_weights(matrix, penalty, 4, gram_bytes=1000)
        np.testing.assert_array_equal(whole.indices, other.indices)
        np.testing.assert_allclose(whole.data, other.data, rtol=1e-5, atol=1e-7)


def test_sparse_weights_survive_the_disk(tmp_path):
    matrix = random_matrix()
    engine, request = fitted(matrix, neighbours=4), Request.from_dataset(dataset(matrix), np.arange(90))
    engine.save(tmp_path / "e")
    loaded = EASE.load(tmp_path / "e")
    scores = [e.user_vectors(request).scores(e.item_vectors(dataset(matrix).items)) for e in (engine, loaded)]
    assert sp.issparse(loaded.weights)
    assert np.array_equal(*scores)
    np.testing.assert_allclose(scores[0], matrix @ weights(engine).T, atol=1e-5)


def test_more_items_than_a_matrix_of_all_by_all_may_have_are_an_error_that_says_to_set_neighbours():
    users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (1, MAX_DENSE_ITEMS + 1))
    data = Dataset("r", users, items, Interactions.of(np.array([0, 0]), np.array([3, 7])), False)
    with pytest.raises(DataError, match="set neighbours = 200"):
        EASE().fit(data)
