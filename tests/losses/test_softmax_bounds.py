"""The softmax without a maximum is taken only where nothing can overflow."""

import torch

from recsys.losses import LossBatch
from recsys.losses.softmax import SampledSoftmax


def test_a_target_far_longer_than_every_candidate_does_not_overflow():
    users, candidates = torch.ones(2, 3), torch.ones(4, 3) * 0.1
    positives = torch.full((2, 3), 60.0, requires_grad=True)
    loss = SampledSoftmax()(
        LossBatch(users, candidates, positives, torch.arange(4), torch.tensor([7, 8]), torch.zeros(4))
    )
    loss.backward()
    assert 0 <= loss.item() < 1e-6
    assert positives.grad.isfinite().all()
