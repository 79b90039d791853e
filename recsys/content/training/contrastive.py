"""Contrastive losses over positive pairs.

| loss | use it when |
|---|---|
| `multiple_negatives` | there are positive pairs alone; the batch gives the negatives, so that larger is harder |
| `matryoshka` | the vectors shall also work when cut to their first dimensions, for a smaller index |

Labels instead of pairs: `recsys.content.transforms.metric_learning`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def multiple_negatives(left: Tensor, right: Tensor, left_ids: Tensor, right_ids: Tensor, temperature: float) -> Tensor:
    r"""Multiple-negatives ranking (InfoNCE with in-batch negatives) in both directions (Henderson et al., 2017).

    :math:`-\frac{1}{2N} \sum_i \log\mathrm{softmax}_j(a_i \cdot b_j / \tau)_i` and the same with the sides exchanged. A
    column that holds the item of the row itself, or the row's positive once more, is no negative and is masked.

    Args:
        left: [N, D], unit vectors.
        right: [N, D], unit vectors.
        left_ids: int64 [N], which item each is.
        right_ids: int64 [N].
        temperature: divides the cosines.

    Example:
        >>> pairs, ids = torch.eye(2), torch.arange(2)
        >>> round(multiple_negatives(pairs, pairs, ids, ids, 1.0).item(), 4)  # log(1 + exp(-1))
        0.3133
    """
    logits = left @ right.T / temperature
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
        dims: lengths at which a vector that is cut must still work; empty is D alone.
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
