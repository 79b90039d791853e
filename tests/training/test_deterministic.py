"""The same seed gives the same weights from Python, where no stage of a run sets deterministic algorithms."""

import torch

from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.two_tower.two_tower import TwoTower


def test_repeated_fits_on_several_threads_have_the_same_weights():
    data, before, found = BlockTaste(users=2_000, items=200).dataset(), torch.get_num_threads(), []
    torch.set_num_threads(4)
    try:
        for _ in range(3):
            options = {"loss": "sampled_softmax", "leave_out": [], "graph_weight": 0.0, "popularity_weight": 0.0}
            training = {"epochs": 1, "device": "cpu"}
            engine = TwoTower(dim=64, max_tokens=4096, training=training, **options).fit(data, seed=1)
            found.append([value.tolist() for value in engine.model.parameters()])
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]
