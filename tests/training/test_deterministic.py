"""The same seed gives the same weights from Python, where no stage of a run sets deterministic algorithms."""

import pytest
import torch

from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.training.deterministic import deterministic


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


def test_an_operation_without_a_deterministic_algorithm_is_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    place, value = torch.tensor([0]), torch.ones(1)
    with pytest.raises(RuntimeError, match="put_") as told, deterministic(), deterministic():
        torch.zeros(2).put_(place, value)
    assert ["call torch.set_deterministic_debug_mode(0) before it" in note for note in told.value.__notes__] == [True]
    with deterministic():
        before = torch.get_deterministic_debug_mode()
        torch.set_deterministic_debug_mode(0)
        assert torch.zeros(2).put_(place, value).tolist() == [1, 0]
        torch.set_deterministic_debug_mode(before)


def test_another_error_gets_no_note():
    with pytest.raises(RuntimeError) as told, deterministic():
        raise RuntimeError("out of memory")
    assert not hasattr(told.value, "__notes__")
