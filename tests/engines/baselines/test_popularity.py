"""What popularity counts."""

from dataclasses import replace

import numpy as np

from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.baselines.popularity import Popularity


def test_an_interaction_counts_as_much_as_it_weighs():
    data = BlockTaste().dataset()
    weight = (1 + np.arange(len(data.interactions)) % 3).astype(np.float32)
    engine = Popularity().fit(data, replace(data.interactions, weight=weight))
    expected = [weight[data.interactions.item == item].sum() for item in range(data.n_items)]
    np.testing.assert_allclose(engine.counts, expected, rtol=1e-5)
