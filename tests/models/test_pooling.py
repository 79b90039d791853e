import pytest
import torch

from recsys.models.pooling import POOLINGS


def pooling(name, dim=6):
    torch.manual_seed(0)
    module = POOLINGS[name](dim)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("name", list(POOLINGS))
def test_packed_equals_padded(name):
    module, lengths = pooling(name), [4, 0, 2]
    vectors = torch.randn(3, 5, 6)
    inside = torch.arange(5) < torch.tensor(lengths)[:, None]
    padded = module(vectors, inside)
    expected = torch.stack([padded[u, n] for u, n in enumerate(lengths)])
    packed = vectors[inside]
    steps = torch.cat([torch.arange(n - 1, -1, -1) for n in lengths])
    owner = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))
    torch.testing.assert_close(module.at_end(packed, steps, owner, 3), expected)


@pytest.mark.parametrize("name", list(POOLINGS))
def test_future_items_change_nothing(name):
    module = pooling(name)
    vectors = torch.randn(1, 5, 6)
    changed = vectors.clone()
    changed[:, 3:] += 1
    inside = torch.ones(1, 5, dtype=torch.bool)
    before, after = module(vectors, inside), module(changed, inside)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])


def test_the_decayed_mean_by_hand():
    module = POOLINGS["decayed"](1, 0.5)
    vectors = torch.tensor([[[4.0], [1.0], [0.0]]])
    pooled = module(vectors, torch.ones(1, 3, dtype=torch.bool))
    assert pooled.flatten().tolist() == pytest.approx([0.0, 4.0, (0.5 * 4 + 1) / 1.5])
