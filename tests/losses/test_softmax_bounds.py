"""The softmax without a maximum is taken only where nothing can overflow; its blocks, and what each of them masks."""

import numpy as np
import torch

from recsys.losses import LossBatch, SeenRanges, own_targets
from recsys.losses.gradients import LOGITS, block_rows
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


def test_a_block_has_so_many_logits_as_its_device_has_room_for(monkeypatch):
    assert block_rows(torch.empty(4096, 2)) == 256
    monkeypatch.setitem(LOGITS, "meta", LOGITS["cuda"])
    assert block_rows(torch.empty(4096, 2, device="meta")) == 16_384
    assert block_rows(torch.empty(10**9, 1, device="meta")) == 32


def test_ranges_that_meet_some_positions_are_those_that_a_look_at_each_finds():
    generator = torch.Generator().manual_seed(0)
    start = torch.sort(torch.randint(90, (60,), generator=generator)).values
    seen = SeenRanges(start, start + 9, torch.arange(60) % 7)
    edges = np.array([0, 1, 8, 9, 32, 64, 98, 99, 120])
    bounds = np.stack(seen.meeting(edges[:-1], edges[1:]), 1).tolist()
    for first, last, (low, high) in zip(edges[:-1].tolist(), edges[1:].tolist(), bounds, strict=True):
        met = [m for m in range(60) if seen.start[m] < last and seen.stop[m] > first]
        assert list(range(low, high)) == met
        pairs = [
            (n - first, int(seen.candidate[m])) for m in met for n in range(first, last) if start[m] <= n < start[m] + 9
        ]
        for found in (seen.pairs(first, last), seen.pairs(first, last, slice(low, high))):
            assert list(zip(*(part.tolist() for part in found), strict=True)) == pairs


def test_own_targets_are_where_a_candidate_has_the_row_of_the_target():
    generator = torch.Generator().manual_seed(0)
    candidates, targets = (torch.randint(20, (n,), generator=generator) for n in (30, 50))
    own, expected = own_targets(candidates, targets), (targets[:, None] == candidates).nonzero().tolist()
    assert own.start.tolist() == [position for position, _ in expected]
    assert sorted(zip(own.start.tolist(), own.candidate.tolist(), strict=True)) == list(map(tuple, expected))
    assert (own.stop - own.start).unique().tolist() == [1]
