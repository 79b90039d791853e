"""Losses of pairs are those of single precision under autocast too, whose products are halves of three digits."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from recsys.content.training.contrastive import matryoshka, multiple_negatives
from recsys.engines.skip_gram.pairs import SkipGram

VECTORS = [torch.randn(40, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
IDS = torch.arange(40)


def skip_gram():
    torch.manual_seed(0)
    pairs = np.random.default_rng(0).integers(0, 30, (50, 2))
    task = SkipGram(lambda *_: pairs, np.ones(30, int), dim=16, negatives=20, k=5.0, batch_pairs=50)
    torch.nn.init.normal_(task.module.inner.weight)
    torch.nn.init.normal_(task.module.outer.weight)
    return task.loss(pairs, np.random.default_rng(1))


@pytest.mark.parametrize(
    "loss",
    [
        skip_gram,
        lambda: multiple_negatives(*(normalize(part, dim=1) for part in VECTORS), IDS, IDS, 0.05),
        lambda: matryoshka(*VECTORS, IDS, IDS, 0.05, (4, 8)),
    ],
    ids=["skip_gram", "multiple_negatives", "matryoshka"],
)
def test_under_autocast_the_loss_is_the_same(loss):
    with torch.autocast("cpu", torch.bfloat16):
        found = loss()
    assert found.dtype == torch.float32
    assert found.item() == loss().item()
