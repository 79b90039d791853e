"""The softmax over shared candidates with a user vector per position, and its gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from recsys import devices
from recsys.losses.batch import LossBatch
from recsys.losses.gradients import block_rows, mean_with_gradients
from recsys.losses.seen_ranges import SeenRanges, own_targets

_LOG2E = 1 / math.log(2)
_LEAST_SHARE = 1e-3
"""Label smoothing is left out where the unmasked candidates have less than this share, for want of precision."""


def per_position_softmax(batch: LossBatch, offset: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of each position's target against the candidates; see `recsys.losses.softmax.SampledSoftmax`.

    One [block, C] buffer is used for logits and then, in place, for their exponentials; no [N, C] tensor is kept for
    the backward pass, for the gradients are computed with the loss. Each pass over the buffer costs as much as a
    matrix product of 64 dimensions, so there are few: powers of two instead of e (half the time), no maximum where the
    vectors' lengths bound the logits, divisions after the products, and drawn positives found by a search instead of a
    comparison of all pairs.

    Args:
        batch: N positions.
        offset: [C], added to the candidates' logits.
        smoothing: share of the target's probability that is spread over the candidates.

    Returns:
        Scalar, the mean over the positions.
    """
    batch = replace(batch, users=batch.position_users(), owners=None)
    with torch.no_grad():
        total, gradients = _sum_and_gradients(batch, offset, smoothing)
    return mean_with_gradients(batch, total, gradients)


def _sum_and_gradients(
    batch: LossBatch, offset: Tensor, smoothing: float
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    n, seen, weights = len(batch.users), batch.seen, None if batch.weights is None else batch.weights.float()
    u, c, p = batch.users.float(), batch.candidates.float(), batch.positives.float()
    share = torch.softmax(offset.float(), 0)  # of each candidate in the label smoothing
    mean_candidate = share @ c
    d_users, d_candidates, d_target = torch.empty_like(u), torch.zeros_like(c), u.new_empty(n)
    target, offset = (u * p).sum(1) * _LOG2E, offset.float() * _LOG2E
    total = u.new_zeros(())
    block = block_rows(c)
    buffer = u.new_empty(min(block, n), len(c))
    own = own_targets(batch.candidate_rows, batch.target_rows) if batch.own is None else batch.own
    nowhere = own.start[:0]
    bounded = not devices.runs_ahead(u) and _logit_bound(u, c, p, offset) < 100
    for start, (first, last, low, high) in zip(range(0, n, block), _bounds(n, block, own, seen), strict=True):
        rows = slice(start, min(start + block, n))
        logits = buffer[: rows.stop - start]
        torch.addmm(offset, u[rows], c.T, alpha=_LOG2E, out=logits)
        logits[own.start[first:last] - start, own.candidate[first:last]] = -torch.inf
        excluded = (nowhere, nowhere) if seen is None else seen.pairs(rows.start, rows.stop, slice(low, high))
        logits[excluded] = -torch.inf
        positive = target[rows]
        if not bounded:
            highest = torch.maximum(logits.amax(1), positive)
            logits.sub_(highest[:, None])
            positive = positive - highest
            total += highest.sum() if weights is None else highest @ weights[rows]
        logits.exp2_()
        positive = positive.exp2()
        mass = logits.sum(1) + positive
        terms = mass.log2() - target[rows]
        total += terms.sum() if weights is None else terms @ weights[rows]
        scaled = u[rows] if weights is None else u[rows] * weights[rows, None]
        torch.mm(logits, c, out=d_users[rows]).div_(mass[:, None])
        d_candidates.addmm_(logits.T, scaled / mass[:, None])
        torch.div(positive, mass, out=d_target[rows]).sub_(1)
        if smoothing:
            moved, mean = _smoothed(scaled, c, share, mean_candidate, excluded, smoothing, d_candidates)
            d_target[rows] += moved
            d_users[rows] -= mean
            moved = moved if weights is None else moved * weights[rows]
            total += moved @ target[rows] - (scaled * mean).sum() * _LOG2E
    d_users.addcmul_(d_target[:, None], p)
    if weights is not None:
        d_users.mul_(weights[:, None])
        d_target.mul_(weights)
    return total / _LOG2E, (d_users, d_candidates, d_target[:, None] * u)


def _smoothed(
    users: Tensor,
    candidates: Tensor,
    share: Tensor,
    mean_candidate: Tensor,
    excluded: tuple[Tensor, Tensor],
    smoothing: float,
    d_candidates: Tensor,
) -> tuple[Tensor, Tensor]:
    """Label smoothing of a block: the probability moved from each target, and the mean candidate it is moved to.

    Args:
        users: [n, D], times the weights of the positions.
        candidates: [C, D].
        share: [C], sums to one.
        mean_candidate: [D], the candidates' mean by ``share``.
        excluded: positions and their seen candidates, which get no probability; a position with (almost) no other
            candidates keeps its target as it is.
        smoothing: see `per_position_softmax`.
        d_candidates: [C, D], the gradient is added here.

    Returns:
        [n], and [n, D] weighted by it.
    """
    position, candidate = excluded
    lost = share[candidate]
    left = torch.ones_like(users[:, 0], dtype=torch.double).index_add_(0, position, lost.double(), alpha=-1).float()
    moved = torch.where(left > _LEAST_SHARE, smoothing, 0.0)
    weight = (moved / left.clamp(min=_LEAST_SHARE))[:, None]
    mean = mean_candidate.repeat(len(users), 1)
    mean.index_add_(0, position, lost[:, None] * candidates[candidate], alpha=-1)
    weighted_users = users * weight
    d_candidates.addr_(share, weighted_users.sum(0), alpha=-1)
    d_candidates.index_add_(0, candidate, lost[:, None] * weighted_users[position])
    return moved, mean.mul_(weight)


def _bounds(n: int, block: int, own: SeenRanges, seen: SeenRanges | None) -> list[list[int]]:
    """For each block of the n positions: those of ``own`` that meet it, and those of ``seen``."""
    edges = np.arange(0, n + block, block)
    met = (edges[:-1], edges[:-1]) if seen is None else seen.meeting(edges[:-1], edges[1:])
    bounds: list[list[int]] = np.stack([*own.meeting(edges[:-1], edges[1:]), *met], 1).tolist()
    return bounds


def _logit_bound(users: Tensor, candidates: Tensor, positives: Tensor, offset: Tensor) -> float:
    """An upper bound of the absolute logits, in powers of two."""
    if not len(users) or not len(candidates):
        return 0.0
    longest = torch.maximum(candidates.norm(dim=1).amax(), positives.norm(dim=1).amax())
    return float(users.norm(dim=1).amax() * longest * _LOG2E + offset.abs().amax())
