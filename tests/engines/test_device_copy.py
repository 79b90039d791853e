"""Which network encodes: the engine's own or its copy on a device, for which the CPU stands in."""

import pytest
import torch
from torch import nn

from recsys.engines import device_copy
from recsys.engines.baselines.popularity import Popularity
from recsys.engines.device_copy import DeviceCopy, near
from recsys.ranking import on_device

ENGINE = Popularity()


def network():
    made = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    made[2].weight = made[0].weight  # shared
    return made


@pytest.fixture
def a_device(monkeypatch):
    monkeypatch.setattr(device_copy, "device_of", lambda engine: torch.device("cpu"))


def test_without_a_device_the_network_itself_encodes():
    own = network()
    assert DeviceCopy().of(ENGINE, own) is own


def test_a_copy_has_the_weights_in_evaluation_mode_and_is_made_once_a_network(a_device):
    own, held = network(), DeviceCopy()
    copy = held.of(ENGINE, own)
    assert held.of(ENGINE, own) is copy is not own
    assert own.training
    assert not copy.training
    assert copy[2].weight is copy[0].weight is not own[0].weight
    assert {name: value.tolist() for name, value in copy.state_dict().items()} == {
        name: value.tolist() for name, value in own.state_dict().items()
    }
    other = network()
    assert torch.equal(held.of(ENGINE, other)[0].weight, other[0].weight)


def test_weights_that_have_changed_are_copied_anew_after_a_clear(a_device):
    own, held = network(), DeviceCopy()
    held.of(ENGINE, own)
    with torch.no_grad():
        own[0].weight.add_(1)
    held.clear()
    assert torch.equal(held.of(ENGINE, own)[0].weight, own[0].weight)


def test_weights_of_over_half_and_vectors_of_over_a_quarter_of_the_free_memory_stay_where_they_are(
    a_device, monkeypatch
):
    own = network()
    size = sum(part.nbytes for part in [*own.parameters(), *own.buffers()])
    for free, is_copied in ((2 * size, True), (2 * size - 1, False)):
        monkeypatch.setattr(on_device, "free_bytes", lambda _, free=free: free)
        assert (DeviceCopy().of(ENGINE, own) is not own) == is_copied
    vectors, there = torch.ones(10, 4), network().to("meta")
    for free, is_near in ((4 * vectors.nbytes, True), (4 * vectors.nbytes - 1, False)):
        monkeypatch.setattr(on_device, "free_bytes", lambda _, free=free: free)
        assert (near(vectors, there).device.type == "meta") == is_near


def test_a_network_that_lies_on_a_device_already_encodes_itself(a_device):
    own = network().to("meta")
    assert DeviceCopy().of(ENGINE, own) is own
