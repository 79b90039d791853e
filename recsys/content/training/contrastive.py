"""Contrastive losses over positive pairs.

| loss | use it when |
|---|---|
| `multiple_negatives` | there are only positive pairs; the negatives are the rest of the batch |
| `matryoshka` | vectors are also used truncated to their first dimensions, for a smaller index |

Labels instead of pairs: `recsys.content.transforms.metric_learning`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recsys.losses.batch import single


def multiple_negatives(left: Tensor, right: Tensor, left_ids: Tensor, right_ids: Tensor, temperature: float) -> Tensor:
    r"""Multiple-negatives ranking (InfoNCE with in-batch negatives) in both directions (Henderson et al., 2017).

    :math:`-\frac{1}{2N} \sum_i \log\mathrm{softmax}_j(a_i \cdot b_j / \tau)_i` and the same with the sides exchanged. A
    column with the row's own item, or with the row's positive item again, is masked.

    Args:
        left: [N, D], unit vectors.
        right: [N, D], unit vectors.
        left_ids: int64 [N], the items of ``left``.
        right_ids: int64 [N], the items of ``right``.
        temperature: divides the cosines.

    Returns:
        The loss, a scalar.

    Example:
        >>> pairs, ids = torch.eye(2), torch.arange(2)
        >>> round(multiple_negatives(pairs, pairs, ids, ids, 1.0).item(), 4)  # log(1 + exp(-1))
        0.3133
    """
    with torch.autocast(left.device.type, enabled=False):  # a half has three digits
        logits = single(left) @ single(right).T / temperature
    same = (left_ids[:, None] == right_ids) | (right_ids[:, None] == right_ids) | (left_ids[:, None] == left_ids)
    diagonal = torch.eye(len(left), dtype=torch.bool, device=left.device)
    logits = logits.masked_fill(same & ~diagonal, -torch.inf)
    target = torch.arange(len(left), device=left.device)
    loss: Tensor = (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2
    return loss


def matryoshka(
    left: Tensor, right: Tensor, left_ids: Tensor, right_ids: Tensor, temperature: float, dims: Sequence[int]
) -> Tensor:
    """Matryoshka loss: the mean of `multiple_negatives` over vectors cut to d dimensions (Kusupati et al., 2022).

    Args:
        left: [N, D], not normalised.
        right: [N, D], not normalised.
        left_ids: int64 [N].
        right_ids: int64 [N].
        temperature: divides the cosines.
        dims: the numbers of dimensions d; if empty, only D.
    """
    losses = [
        multiple_negatives(
            nn.functional.normalize(left[:, :dim], dim=1),
            nn.functional.normalize(right[:, :dim], dim=1),
            left_ids,
            right_ids,
            temperature,
        )
        for dim in (dims or (left.shape[1],))
    ]
    return torch.stack(losses).mean()
