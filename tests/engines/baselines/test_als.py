"""What an interaction weighs in iALS, in training and when asked."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import Request
from recsys.engines.baselines.als import ALS, ALSConfig, as_matrix
from recsys.errors import ConfigError, DataError

DATA = BlockTaste(noise=0.2).dataset()
WEIGHTS = (1 + np.arange(len(DATA.interactions)) % 5).astype(np.float32)
WEIGHED = replace(DATA, interactions=replace(DATA.interactions, weight=WEIGHTS))


def fitted(data=DATA, **options) -> ALS:
    return ALS(factors=4, iterations=3, **options).fit(data)


def asked(engine, data=DATA):
    users = np.arange(data.n_users)
    return engine.user_vectors(Request.from_dataset(data, users, data.interactions)).dense


@pytest.mark.parametrize("alpha", [1.0, 40.0])
@pytest.mark.parametrize("data", [DATA, WEIGHED], ids=["all alike", "weighed"])
def test_a_user_is_solved_with_the_confidence_that_training_had(alpha, data):
    from implicit.cpu.als import AlternatingLeastSquares

    engine = fitted(data, alpha=alpha)
    theirs = AlternatingLeastSquares(factors=4, regularization=1.0)
    theirs.item_factors = engine.factors
    confidence = as_matrix(data.interactions.to_csr(data.n_users, data.n_items, weighted=True) * np.float32(alpha))
    expected = theirs.recalculate_user(np.arange(data.n_users), confidence)
    assert asked(engine, data) == pytest.approx(expected, abs=1e-4)


def test_an_interaction_weighs_no_less_than_a_missing_pair():
    with pytest.raises(ConfigError, match="alpha"):
        parse(ALSConfig, {"alpha": 0.5}, "this test")


def test_weights_move_what_training_learns():
    assert not np.allclose(fitted().factors, fitted(WEIGHED).factors)


def reweighed(most: float) -> Dataset:
    """Every seventh interaction weighs ``most``, the others 1."""
    weights = np.where(np.arange(len(DATA.interactions)) % 7, 1, most).astype(np.float32)
    return replace(DATA, interactions=replace(DATA.interactions, weight=weights))


@pytest.mark.parametrize("most", [4e6, 1e9])
def test_large_weights_are_solved_as_exactly_as_small_ones(most):
    """Against stacked least squares, whose condition is the root of that of the normal equations."""
    engine, data = fitted(), reweighed(most)
    factors = engine.factors.astype(np.float64)
    confidence = data.interactions.to_csr(data.n_users, data.n_items, weighted=True).toarray() * 10.0
    for found, counts in zip(asked(engine, data), confidence, strict=True):
        root = np.sqrt(np.where(counts, counts, 1))
        rows = np.concatenate([factors * root[:, None], np.eye(4)])
        expected = np.linalg.lstsq(rows, np.append(root * (counts > 0), np.zeros(4)), rcond=None)[0]
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4 * np.abs(expected).max())


def test_weights_too_far_apart_are_an_error_that_names_them():
    with pytest.raises(DataError, match=r"from 1 to 1e\+25.*logarithm"):
        asked(fitted(), reweighed(1e25))
    with pytest.raises(DataError, match=r"from 1 to 1e\+25.*logarithm"):
        fitted(reweighed(1e25))
