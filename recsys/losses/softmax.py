"""Softmax losses over shared candidates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class SampledSoftmax:
    r"""Cross-entropy of the target against sampled negatives with the log-q correction.

    .. math:: -\log \frac{e^{s_p}}{e^{s_p} + \sum_{j \ne p} e^{s_j - \log(m q_j)}}

    :math:`m q_j` is how often j is expected among the m negatives, so that the sum over negatives is an unbiased
    estimate of the sum over the catalogue. The positive is always there and is not corrected; where it is also drawn
    as a negative, it is masked, for the sum is over all items but the target. (Bengio & Senécal 2003; Yi et al. 2019
    correct the positive too, which biases the estimate: Khrylchenko et al., "Correcting the LogQ Correction", 2025.)
    """

    def __call__(
        self,
        users: Tensor,
        candidates: Tensor,
        positives: Tensor,
        candidate_rows: Tensor,
        target_rows: Tensor,
        log_q: Tensor | None,
    ) -> Tensor:
        """The mean over positions; see `recsys.losses` for the arguments."""
        offset = torch.zeros_like(candidates[:, 0]) if log_q is None else -log_q
        result: Tensor = _Softmax.apply(  # type: ignore[no-untyped-call]
            users, candidates, positives, offset, candidate_rows, target_rows
        )
        return result


class FullSoftmax(SampledSoftmax):
    """Cross-entropy over the whole catalogue: the candidates are all items, each once, and nothing is corrected."""


class _Softmax(torch.autograd.Function):
    """The loss and its gradients in one pass over blocks of positions.

    One [block, C] buffer is used for logits and then, in place, for probabilities; no [N, C] tensor is kept for the
    backward pass, for the gradients are computed with the loss. On CPU fresh large tensors cost more than arithmetic.
    """

    BLOCK = 1024

    @staticmethod
    def forward(
        ctx: Any,
        users: Tensor,
        candidates: Tensor,
        positives: Tensor,
        offset: Tensor,
        candidate_rows: Tensor,
        target_rows: Tensor,
    ) -> Tensor:
        n = len(users)
        # With autocast on an accelerator the vectors may come in half precision; logits are summed in single.
        u, c, p = users.float(), candidates.float(), positives.float()
        d_users, d_candidates = torch.empty_like(u), torch.zeros_like(c)
        d_positives = torch.empty_like(p)
        target = (u * p).sum(1)
        total = u.new_zeros(())
        buffer = u.new_empty(min(_Softmax.BLOCK, n), len(c))
        for start in range(0, n, _Softmax.BLOCK):
            rows = slice(start, min(start + _Softmax.BLOCK, n))
            logits = buffer[: rows.stop - start]
            torch.addmm(offset.float(), u[rows], c.T, out=logits)
            logits.masked_fill_(candidate_rows == target_rows[rows, None], -torch.inf)
            positive = target[rows]
            highest = torch.maximum(logits.amax(1), positive)
            logits.sub_(highest[:, None]).exp_()
            own = (positive - highest).exp()
            mass = logits.sum(1) + own
            total += (highest + mass.log() - positive).sum()
            logits.div_(mass[:, None])
            pull = (own / mass - 1)[:, None]
            torch.mm(logits, c, out=d_users[rows])
            d_users[rows].addcmul_(pull, p[rows])
            torch.mul(pull, u[rows], out=d_positives[rows])
            d_candidates.addmm_(logits.T, u[rows])
        ctx.save_for_backward(d_users, d_candidates, d_positives)
        ctx.kinds = (users.dtype, candidates.dtype, positives.dtype)
        return total / n

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        scale = grads[0] / len(ctx.saved_tensors[0])
        users, candidates, positives = (
            (part * scale).to(kind) for part, kind in zip(ctx.saved_tensors, ctx.kinds, strict=True)
        )
        return users, candidates, positives, None, None, None
