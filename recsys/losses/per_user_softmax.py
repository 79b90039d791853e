"""The sampled softmax where a user vector is shared by several positions, and its gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys.losses.batch import LossBatch
from recsys.losses.gradients import block_rows, mean_with_gradients


def per_user_softmax(batch: LossBatch, offset: Tensor) -> Tensor:
    r"""Sampled softmax where position n has the vector of user o(n): logits once per user, not per position.

    With :math:`Z_u = \sum_j e^{s_{uj} - \log(m q_j)}` over all candidates and :math:`c_n` the part of them that are the
    position's own target, each counted by :math:`1 / (m q_j)`:

    .. math:: -\log \frac{e^{s_n}}{e^{s_n} (1 - c_n) + Z_{o(n)}}

    is the sampled softmax whose negatives leave out the target: as the target's vector is that of the same item among
    the candidates, :math:`c_n e^{s_n}` is the part of :math:`Z_{o(n)}` due to the target. A step costs U C D instead of
    N C D operations. The gradients are computed with the loss, over blocks of users.

    Args:
        batch: with ``owners``, without ``seen`` and ``weights``.
        offset: [C], added to the candidates' logits: :math:`-\log(m q_j)`.

    Returns:
        Scalar, the mean over the positions.
    """
    assert batch.owners is not None
    assert batch.seen is None
    assert batch.weights is None
    drawn = drawn_share(batch.candidate_rows, batch.target_rows, offset.exp())
    with torch.no_grad():
        total, gradients = _sum_and_gradients(batch, batch.owners, offset, drawn)
    return mean_with_gradients(batch, total, gradients)


def _sum_and_gradients(
    batch: LossBatch, owners: Tensor, offset: Tensor, drawn: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    u, c, p = batch.users.float(), batch.candidates.float(), batch.positives.float()
    target = (u[owners] * p).sum(1)
    d_users, d_candidates, d_target = torch.empty_like(u), torch.zeros_like(c), torch.empty_like(target)
    block = block_rows(c)
    buffer = u.new_empty(min(block, len(u)), len(c))
    ends = torch.searchsorted(owners, torch.arange(0, len(u) + block, block, device=u.device)).tolist()
    total = u.new_zeros(())
    for number, start in enumerate(range(0, len(u), block)):
        positions = slice(ends[number], ends[number + 1])
        positive, owner = target[positions], owners[positions] - start
        logits = torch.addmm(offset, u[start : start + block], c.T, out=buffer[: len(u) - start])
        highest = logits.amax(1).scatter_reduce_(0, owner, positive, "amax")
        logits.sub_(highest[:, None]).exp_()
        total -= positive.sub_(highest[owner]).sum()
        mass = torch.addcmul(logits.sum(1)[owner], positive.exp_(), 1 - drawn[positions]).maximum(positive)
        total += mass.log().sum()
        weight = torch.zeros_like(highest).index_add_(0, owner, 1 / mass)
        torch.mm(logits, c, out=d_users[start : start + block]).mul_(weight[:, None])
        d_candidates.addmm_(logits.T, u[start : start + block] * weight[:, None])
        d_target[positions] = positive * (1 - drawn[positions]) / mass - 1
    d_users.index_add_(0, owners, d_target[:, None] * p)
    return total, (d_users, d_candidates, d_target[:, None] * u[owners])


def drawn_share(candidate_rows: Tensor, target_rows: Tensor, weight: Tensor) -> Tensor:
    """[N]: the sum of ``weight`` [C] over the candidates that are the position's own target.

    Example:
        >>> drawn_share(torch.tensor([3, 1, 3]), torch.tensor([3, 2]), torch.tensor([0.5, 1.0, 0.25])).tolist()
        [0.75, 0.0]
    """
    ordered, order = candidate_rows.sort()
    sums = torch.cat([weight.new_zeros(1), weight[order].double().cumsum(0)])
    first = torch.searchsorted(ordered, target_rows)
    last = torch.searchsorted(ordered, target_rows, right=True)
    return (sums[last] - sums[first]).to(weight.dtype)
