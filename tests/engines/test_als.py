"""What an interaction weighs in iALS, in training and when asked."""

import numpy as np
import pytest

from recsys.config import parse
from recsys.data.synthetic import BlockTaste
from recsys.engine import Request
from recsys.engines.als import Als, AlsConfig, as_matrix
from recsys.errors import ConfigError
from recsys.tracking import SilentTracker

DATA = BlockTaste(noise=0.2).dataset()


def fitted(data=DATA, **options) -> Als:
    engine = Als(AlsConfig(factors=4, iterations=3, **options))
    engine.fit(data, data.interactions, SilentTracker())
    return engine


def asked(engine, data=DATA):
    users = np.arange(data.n_users)
    return engine.user_vectors(Request.from_dataset(data, users, data.interactions)).dense


@pytest.mark.parametrize("alpha", [1.0, 40.0])
def test_a_user_is_solved_with_the_confidence_that_training_had(alpha):
    from implicit.cpu.als import AlternatingLeastSquares

    engine = fitted(alpha=alpha)
    theirs = AlternatingLeastSquares(factors=4, regularization=1.0)
    theirs.item_factors = engine.factors
    confidence = as_matrix(DATA.interactions.to_csr(DATA.n_users, DATA.n_items) * np.float32(alpha))
    expected = theirs.recalculate_user(np.arange(DATA.n_users), confidence)
    assert asked(engine) == pytest.approx(expected, abs=1e-4)


def test_an_interaction_weighs_no_less_than_a_missing_pair():
    with pytest.raises(ConfigError, match="alpha"):
        parse(AlsConfig, {"alpha": 0.5}, "this test")
