"""Generalized binary cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from recsys.losses.batch import LossBatch, in_single_precision
from recsys.losses.seen_ranges import negative_mask


class Gbce:
    r"""Generalized binary cross-entropy, gBCE (Petrov & Macdonald, RecSys 2023, "gSASRec").

    .. math:: -\beta \log\sigma(s_p) - \sum_{j} \log(1 - \sigma(s_j)), \quad
              \beta = \alpha\,(t\,(1 - 1/\alpha) + 1/\alpha), \quad \alpha = m / (I - 1)

    Raising the positive's probability to :math:`\beta` undoes the overconfidence that sampling m of I - 1 negatives
    brings. The sampling rate :math:`\alpha` is read from ``log_q``, the log of each negative's expected count
    :math:`m q_j`: however unevenly the items are drawn, the mean of :math:`1 / (m q_j)` over draws tends to I / m. The
    sum is divided by its m + 1 terms.

    When to use: with few negatives per position, and where a score should read as a calibrated probability of an
    interaction. With a thousand shared negatives `SampledSoftmax` ranks at least as well.

    Args:
        t: calibration, from 0 (plain binary cross-entropy) to 1 (as calibrated as with all negatives).

    Example:
        >>> import torch
        >>> items, targets = torch.zeros(3, 2), torch.tensor([1])
        >>> batch = LossBatch(items[targets], items, items[targets], torch.arange(3), targets)
        >>> round(float(Gbce()(batch)), 4)  # three terms of log 2, over 3 + 1
        0.5199
    """

    def __init__(self, t: float = 0.75) -> None:
        self.t = t

    @in_single_precision
    def __call__(self, batch: LossBatch) -> Tensor:
        """The mean over the positions."""
        users, log_q = batch.position_users(), batch.log_q
        alpha: Tensor | float = 1.0
        if log_q is not None:
            alpha = (-log_q).exp().mean().clamp(min=1.0).reciprocal().double()
        beta = alpha * (self.t * (1 - 1 / alpha) + 1 / alpha)
        positive = logsigmoid((users * batch.positives).sum(1)) * beta
        is_negative = negative_mask(batch.candidate_rows, batch.target_rows, batch.seen)
        negative = (softplus(users @ batch.candidates.T) * is_negative).sum(1)
        terms = (negative - positive) / (len(batch.candidates) + 1)
        return (terms if batch.weights is None else terms * batch.weights).mean()
