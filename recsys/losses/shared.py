"""The sampled softmax of users who have many targets at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class SharedSoftmax(torch.autograd.Function):
    r"""The sampled softmax where position n asks with the vector of user o(n): logits once a user, not once a position.

    With :math:`Z_u = \sum_j e^{s_{uj} - \log(m q_j)}` over all candidates and :math:`c_n` the part of them that are the
    position's own target, each counted by :math:`1 / (m q_j)`:

    .. math:: -\log \frac{e^{s_n}}{e^{s_n} (1 - c_n) + Z_{o(n)}}

    is the loss in which a drawn positive is masked, for the target's vector is the same as a candidate's. A step costs
    U C D instead of N C D. The gradients are computed with the loss, over blocks of users, as in `SampledSoftmax`.
    """

    BLOCK = 2**20
    """Logits at a time: 4 MiB stay in the cache."""

    @staticmethod
    def forward(
        ctx: Any, users: Tensor, candidates: Tensor, positives: Tensor, owners: Tensor, offset: Tensor, drawn: Tensor
    ) -> Tensor:
        """Scalar, the mean over positions.

        Args:
            ctx: keeps the gradients.
            users: [U, D].
            candidates: [C, D].
            positives: [N, D].
            owners: int64 [N], ascending rows of ``users``.
            offset: [C], added to the candidates' logits.
            drawn: [N], :math:`c_n`.
        """
        u, c, p = users.float(), candidates.float(), positives.float()
        target = (u[owners] * p).sum(1)
        d_users, d_candidates, pull = torch.empty_like(u), torch.zeros_like(c), torch.empty_like(target)
        block = max(SharedSoftmax.BLOCK // max(len(c), 1), 32)
        buffer = u.new_empty(min(block, len(u)), len(c))
        ends = torch.searchsorted(owners, torch.arange(0, len(u) + block, block, device=u.device)).tolist()
        total = u.new_zeros(())
        for number, start in enumerate(range(0, len(u), block)):
            mine = slice(ends[number], ends[number + 1])
            own, owner = target[mine], owners[mine] - start
            logits = torch.addmm(offset, u[start : start + block], c.T, out=buffer[: len(u) - start])
            highest = logits.amax(1).scatter_reduce_(0, owner, own, "amax")
            logits.sub_(highest[:, None]).exp_()
            total -= own.sub_(highest[owner]).sum()
            mass = torch.addcmul(logits.sum(1)[owner], own.exp_(), 1 - drawn[mine]).maximum(own)
            total += mass.log().sum()
            weight = torch.zeros_like(highest).index_add_(0, owner, 1 / mass)
            torch.mm(logits, c, out=d_users[start : start + block]).mul_(weight[:, None])
            d_candidates.addmm_(logits.T, u[start : start + block] * weight[:, None])
            pull[mine] = own * (1 - drawn[mine]) / mass - 1
        d_users.index_add_(0, owners, pull[:, None] * p)
        ctx.save_for_backward(d_users, d_candidates, pull[:, None] * u[owners])
        ctx.kinds = (users.dtype, candidates.dtype, positives.dtype)
        return total / len(owners)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        scale = grads[0] / len(ctx.saved_tensors[2])
        parts = zip(ctx.saved_tensors, ctx.kinds, strict=True)
        return *((part * scale).to(kind) for part, kind in parts), None, None, None


def drawn_share(candidate_rows: Tensor, target_rows: Tensor, weight: Tensor) -> Tensor:
    """[N]: the sum of ``weight`` [C] over the candidates that are the position's own target.

    Example:
        >>> drawn_share(torch.tensor([3, 1, 3]), torch.tensor([3, 2]), torch.tensor([0.5, 1.0, 0.25])).tolist()
        [0.75, 0.0]
    """
    held, order = candidate_rows.sort()
    sums = torch.cat([weight.new_zeros(1), weight[order].double().cumsum(0)])
    first = torch.searchsorted(held, target_rows)
    last = torch.searchsorted(held, target_rows, right=True)
    return (sums[last] - sums[first]).to(weight.dtype)
