import torch

from recsys.encoders.tags import TagsEncoder


def test_an_entity_is_the_mean_of_its_tags_and_one_without_any_is_nothing():
    torch.manual_seed(0)
    module = TagsEncoder(10, 3, 4)
    rows = [[1, 2], [3], [4, 5, 6], []]
    values = torch.tensor([row + [-1] * (4 - len(row)) for row in rows])
    means = [module.table.weight[row].mean(0) if row else torch.zeros(3) for row in rows]
    torch.testing.assert_close(module(values), module.project(torch.stack(means)))
    module(values).sum().backward()
    assert (module.table.weight.grad.abs().sum(1) > 0).tolist() == [False] + [True] * 6 + [False] * 3
