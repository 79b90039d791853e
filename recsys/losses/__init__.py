"""Losses of the two towers, by name.

A loss is built as ``LOSSES[name]()``, the softmax ones also with ``label_smoothing``, and called as ``loss(users,
candidates, positives, candidate_rows, target_rows, log_q)``, with ``owners`` and ``seen`` where there are such; it
gives the mean over positions. All logits are inner products: whatever temperature or normalisation applies is already
in the vectors.

    users           [N, D]  one vector a position
    candidates      [C, D]  shared by all positions
    positives       [N, D]  the vector of each position's target
    candidate_rows  [C]     the item of each candidate
    target_rows     [N]     the item of each position
    log_q           [C]     log of the candidate's expected count in the sample; None: candidates are the catalogue
    owners          [N]     where a user has many positions: ascending rows of ``users`` [U, D], one a position
    seen                    which candidates the histories before the positions hold; they are no negatives there.
                            The two-tower model gives it; of LightGCN and GraphSAGE a user's other items are negatives
"""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from recsys.choices import Choices
from recsys.losses.seen import SeenRanges


class Loss(Protocol):
    """See the module."""

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
    ) -> Tensor: ...


LOSSES: Choices[Callable[..., Loss]] = Choices(
    "loss",
    {
        "sampled_softmax": "recsys.losses.softmax:SampledSoftmax",
        "full_softmax": "recsys.losses.softmax:FullSoftmax",
        "bpr": "recsys.losses.bpr:Bpr",
        "gbce": "recsys.losses.gbce:Gbce",
    },
)
