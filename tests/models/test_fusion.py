"""Every fusion, through the same tests."""

import pytest
import torch

from recsys.encoders.sequence.pooling import DecayedPooling
from recsys.encoders.vector import VectorEncoder
from recsys.models.fusion import FUSIONS, AttentionFusion
from recsys.models.grow import transfer_weights
from recsys.models.two_tower import Scoring, Tower, TwoTowerModel

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


def model(name, columns, seed):
    """A two-tower model whose fusions have random weights."""
    inputs = len(columns)
    towers = [{column: VectorEncoder(width=3, dim=4) for column in columns} for _ in range(2)]
    fusions = fusion(name, inputs, seed=seed), fusion(name, inputs + 1, seed=seed)
    items, scoring = Tower(towers[0], fusions[0]), Scoring(4, cosine=False, temperature=1.0, dropout=0.0)
    return TwoTowerModel(items, DecayedPooling(4), 1, towers[1], fusions[1], scoring).eval()


@pytest.mark.parametrize("name", NAMES)
def test_a_new_input_changes_no_vector_until_it_is_trained(name):
    old, new = model(name, ["a", "b"], seed=1), model(name, ["a", "new", "b"], seed=2)
    features, history = {column: torch.randn(5, 3) for column in ("a", "new", "b")}, torch.randn(5, 4)
    with torch.no_grad():
        transfer_weights(new, old)
    torch.testing.assert_close(new.item_vectors(features), old.item_vectors(features))
    users = [model.user_vectors(history, model.encode_users(features)) for model in (new, old)]
    torch.testing.assert_close(*users)


def test_attention_by_hand():
    module = AttentionFusion(2, 2)
    with torch.no_grad():
        module.query.copy_(torch.tensor([2.0**0.5, 0.0]))
        module.key.weight.copy_(torch.eye(2))
        module.place.zero_()
    vectors = torch.tensor([[[0.0, 1.0], [torch.tensor(3.0).log(), 0.0]]])
    expected = 2 * (0.25 * vectors[0, 0] + 0.75 * vectors[0, 1])
    torch.testing.assert_close(module(vectors)[0], expected)
