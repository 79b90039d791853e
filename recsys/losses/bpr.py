"""Bayesian personalized ranking."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from recsys.losses.batch import LossBatch, in_single_precision
from recsys.losses.seen_ranges import negative_mask


class Bpr:
    r"""Bayesian personalized ranking loss (Rendle et al., UAI 2009) over shared negatives.

    .. math:: \frac{1}{|P|} \sum_{(n, j) \in P} -\log \sigma(s_n - s_{nj})

    P are the pairs of a position and a negative of it; :math:`s_n` is the score of the position's target.

    When to use: as the classic pairwise baseline. Negatives come by the sampler's distribution and are not reweighted,
    so popularity sampling pushes popular items down; `SampledSoftmax` corrects for it and is nearly always better.

    Example:
        >>> import torch
        >>> items, targets = torch.eye(3), torch.tensor([1])
        >>> batch = LossBatch(items[targets], items, items[targets], torch.arange(3), targets)
        >>> round(float(Bpr()(batch)), 4)  # log(1 + exp(-1))
        0.3133
    """

    @in_single_precision
    def __call__(self, batch: LossBatch) -> Tensor:
        """The mean over the pairs of a position and one of its negatives."""
        users = batch.position_users()
        margin = users @ batch.candidates.T - (users * batch.positives).sum(1, keepdim=True)
        negative = negative_mask(batch.candidate_rows, batch.target_rows, batch.seen)
        terms = softplus(margin) * negative
        if batch.weights is not None:
            terms = terms * batch.weights[:, None]
        return terms.sum() / negative.sum().clamp(min=1)
