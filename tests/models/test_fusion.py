"""Every fusion, through the same tests."""

import pytest
import torch

from recsys.models.fusion import FUSIONS, AttentionFusion
from recsys.models.grow import _grow_fusion

NAMES = list(FUSIONS)


def fusion(name, inputs=3, dim=4, seed=None):
    torch.manual_seed(0)
    module = FUSIONS[name](inputs, dim, 0.0)
    if seed is not None:
        torch.manual_seed(seed)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
    return module.eval()


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_as_the_plain_sum_and_can_learn(name):
    module, vectors = fusion(name), torch.randn(5, 3, 4)
    torch.testing.assert_close(module(vectors), vectors.sum(1))
    (module(vectors.requires_grad_()) ** 2).sum().backward()
    assert not module.state_dict() or any(p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_grown_one_that_sees_nothing_new_gives_what_it_gave(name):
    old, new, vectors = fusion(name, 2, seed=1), fusion(name, 3, seed=2), torch.randn(5, 2, 4)
    with torch.no_grad():
        _grow_fusion(new, old, ["a", "new", "b"], ["a", "b"], 4)
    grown = torch.stack([vectors[:, 0], torch.zeros(5, 4), vectors[:, 1]], 1)
    torch.testing.assert_close(new(grown), old(vectors))


def test_attention_by_hand():
    module = AttentionFusion(2, 2)
    with torch.no_grad():
        module.query.copy_(torch.tensor([2.0**0.5, 0.0]))
        module.key.weight.copy_(torch.eye(2))
        module.place.zero_()
    vectors = torch.tensor([[[0.0, 1.0], [torch.tensor(3.0).log(), 0.0]]])
    expected = 2 * (0.25 * vectors[0, 0] + 0.75 * vectors[0, 1])
    torch.testing.assert_close(module(vectors)[0], expected)
