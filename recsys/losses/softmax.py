"""Softmax losses over shared candidates."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from recsys.losses.seen import SeenRanges
from recsys.losses.shared import SharedSoftmax, drawn_share

_LOG2E = 1 / math.log(2)
_LEAST_LEFT = 1e-3
"""The share of the candidates by which smoothing needs to spread; of less, single precision keeps too few digits."""


class SampledSoftmax:
    r"""Cross-entropy of the target against sampled negatives with the log-q correction.

    .. math:: -\log \frac{e^{s_p}}{e^{s_p} + \sum_{j \ne p} e^{s_j - \log(m q_j)}}

    :math:`m q_j` is how often j is expected among the m negatives, so that the sum over negatives is an unbiased
    estimate of the sum over the catalogue. The positive is always there and is not corrected; where it is also drawn
    as a negative, it is masked, for the sum is over all items but the target. (Bengio & Senécal 2003; Yi et al. 2019
    correct the positive too, which biases the estimate: Khrylchenko et al., "Correcting the LogQ Correction", 2025.)
    What a position has ``seen`` is left out of the sum too, and gets no share of a smoothed target.

    Args:
        label_smoothing: this share of the target's probability is spread evenly over the catalogue, as far as the
            candidates stand for it: each counts by :math:`1 / (m q_j)` (Szegedy et al., 2016).
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def __call__(
        self,
        users: Tensor,
        candidates: Tensor,
        positives: Tensor,
        candidate_rows: Tensor,
        target_rows: Tensor,
        log_q: Tensor | None,
        owners: Tensor | None = None,
        seen: SeenRanges | None = None,
    ) -> Tensor:
        """The mean over positions; see `recsys.losses` for the arguments."""
        offset = torch.zeros_like(candidates[:, 0]) if log_q is None else -log_q
        if owners is not None and seen is None and not self.label_smoothing:
            drawn = drawn_share(candidate_rows, target_rows, offset.exp())
            shared: Tensor = SharedSoftmax.apply(  # type: ignore[no-untyped-call]
                users, candidates, positives, owners, offset, drawn
            )
            return shared
        users = users if owners is None else users[owners]
        result: Tensor = _Softmax.apply(  # type: ignore[no-untyped-call]
            users, candidates, positives, offset, candidate_rows, target_rows, self.label_smoothing, seen
        )
        return result


class FullSoftmax(SampledSoftmax):
    """Cross-entropy over the whole catalogue: the candidates are all items, each once, and nothing is corrected."""


class _Softmax(torch.autograd.Function):
    """The loss and its gradients in one pass over blocks of positions.

    One [block, C] buffer is used for logits and then, in place, for masses; no [N, C] tensor is kept for the backward
    pass, for the gradients are computed with the loss. Each pass over the buffer costs as much as a matrix product of
    64 dimensions, so there are few: powers of two instead of e (half the time), no maximum where the vectors' lengths
    bound the logits, divisions after the products, and drawn positives found by a search instead of a comparison of all
    with all.
    """

    BLOCK = 2**20
    """Logits at a time: 4 MiB stay in the cache."""

    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        candidates: Tensor,
        positives: Tensor,
        offset: Tensor,
        candidate_rows: Tensor,
        target_rows: Tensor,
        smoothing: float,
        seen: SeenRanges | None,
    ) -> Tensor:
        n = len(users)
        # With autocast on an accelerator the vectors may come in half precision; logits are summed in single.
        u, c, p = users.float(), candidates.float(), positives.float()
        share = torch.softmax(offset.float(), 0)  # of each candidate in what smoothing spreads
        spread = share @ c
        d_users, d_candidates, pull = torch.empty_like(u), torch.zeros_like(c), u.new_empty(n)
        target, offset = (u * p).sum(1) * _LOG2E, offset.float() * _LOG2E
        total = u.new_zeros(())
        block = max(_Softmax.BLOCK // max(len(c), 1), 32)
        buffer = u.new_empty(min(block, n), len(c))
        drawn, column = _drawn_positives(candidate_rows, target_rows)
        bounded = max(_bound(u, c, offset), _bound(u, p, offset)) < 100
        for start in range(0, n, block):
            rows = slice(start, min(start + block, n))
            logits = buffer[: rows.stop - start]
            torch.addmm(offset, u[rows], c.T, alpha=_LOG2E, out=logits)
            first, last = torch.searchsorted(drawn, drawn.new_tensor([rows.start, rows.stop])).tolist()
            logits[drawn[first:last] - start, column[first:last]] = -torch.inf
            barred = (drawn[:0], drawn[:0]) if seen is None else seen.pairs(rows.start, rows.stop)
            logits[barred] = -torch.inf
            positive = target[rows]
            if not bounded:
                highest = torch.maximum(logits.amax(1), positive)
                logits.sub_(highest[:, None])
                positive = positive - highest
                total += highest.sum()
            logits.exp2_()
            own = positive.exp2()
            mass = logits.sum(1) + own
            total += (mass.log2() - target[rows]).sum()
            torch.mm(logits, c, out=d_users[rows]).div_(mass[:, None])
            d_candidates.addmm_(logits.T, u[rows] / mass[:, None])
            torch.div(own, mass, out=pull[rows]).sub_(1)
            if smoothing:
                eased, towards = _smoothed(u[rows], c, share, spread, barred, smoothing, d_candidates)
                pull[rows] += eased
                d_users[rows] -= towards
                total += eased @ target[rows] - (u[rows] * towards).sum() * _LOG2E
        d_users.addcmul_(pull[:, None], p)
        total = total / _LOG2E
        ctx.save_for_backward(d_users, d_candidates, pull[:, None] * u)
        ctx.kinds = (users.dtype, candidates.dtype, positives.dtype)
        return total / n

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        scale = grads[0] / len(ctx.saved_tensors[0])
        users, candidates, positives = (
            (part * scale).to(kind) for part, kind in zip(ctx.saved_tensors, ctx.kinds, strict=True)
        )
        return users, candidates, positives, None, None, None, None, None


def _smoothed(
    users: Tensor,
    candidates: Tensor,
    share: Tensor,
    spread: Tensor,
    barred: tuple[Tensor, Tensor],
    smoothing: float,
    d_candidates: Tensor,
) -> tuple[Tensor, Tensor]:
    """What each position of a block takes off its target, and the mean of the candidates that it is given to.

    Args:
        users: [n, D].
        candidates: [C, D].
        share: [C], sums to one.
        spread: [D], the candidates' mean by ``share``.
        barred: positions and candidates that are given nothing; a position with (almost) none left keeps its target.
        smoothing: see `SampledSoftmax`.
        d_candidates: [C, D], the gradient is added here.

    Returns:
        [n] and [n, D].
    """
    position, candidate = barred
    part = share[candidate]
    left = torch.ones_like(users[:, 0], dtype=torch.double).index_add_(0, position, part.double(), alpha=-1).float()
    eased = torch.where(left > _LEAST_LEFT, smoothing, 0.0)
    weight = (eased / left.clamp(min=_LEAST_LEFT))[:, None]
    towards = spread.repeat(len(users), 1).index_add_(0, position, part[:, None] * candidates[candidate], alpha=-1)
    moved = users * weight
    d_candidates.addr_(share, moved.sum(0), alpha=-1)
    d_candidates.index_add_(0, candidate, part[:, None] * moved[position])
    return eased, towards.mul_(weight)


def _bound(users: Tensor, candidates: Tensor, offset: Tensor) -> float:
    """No logit, in powers of two, is farther from zero than this."""
    longest = users.norm(dim=1).amax() * candidates.norm(dim=1).amax() * _LOG2E
    return float(longest + offset.abs().amax()) if len(users) and len(candidates) else 0.0


def _drawn_positives(candidate_rows: Tensor, target_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where a candidate is the position's own target: int64 [M] positions, ascending, and int64 [M] columns."""
    held, order = candidate_rows.sort()
    first = torch.searchsorted(held, target_rows)
    count = torch.searchsorted(held, target_rows, right=True) - first
    position = torch.repeat_interleave(count)
    place = torch.arange(len(position), device=count.device) - (count.cumsum(0) - count)[position]
    return position, order[first[position] + place]
