"""Softmax losses over shared candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys.losses.batch import LossBatch, in_single_precision
from recsys.losses.per_position_softmax import per_position_softmax
from recsys.losses.per_user_softmax import per_user_softmax


class SampledSoftmax:
    r"""Sampled softmax: cross-entropy of the target against sampled negatives with the log-q correction.

    .. math:: -\log \frac{e^{s_p}}{e^{s_p} + \sum_{j \ne p} e^{s_j - \log(m q_j)}}

    :math:`m q_j` is how often j is expected among the m negatives, so that the sum over negatives is an unbiased
    estimate of the sum over the catalogue. The positive is always there and is not corrected; where it is also drawn
    as a negative, it is masked, for the sum is over all items but the target. (Bengio & Senécal 2003; Yi et al. 2019
    correct the positive too, which biases the estimate: Khrylchenko et al., "Correcting the LogQ Correction", 2025.)
    Candidates that a position has ``seen`` are masked too, and get no share of a smoothed target.

    When to use: the default. It costs a product with the sampled candidates alone, and with some thousand of them it is
    close to `FullSoftmax`, whatever the size of the catalogue.

    Args:
        label_smoothing: this share of the target's probability is spread evenly over the catalogue, as estimated from
            the candidates: each counts by :math:`1 / (m q_j)` (Szegedy et al., 2016).

    Example:
        >>> items, targets = torch.eye(4), torch.tensor([2])
        >>> rows = torch.tensor([0, 2])  # the drawn positive is masked
        >>> batch = LossBatch(items[targets], items[rows], items[targets], rows, targets, torch.zeros(2))
        >>> round(float(SampledSoftmax()(batch)), 4)  # log(1 + exp(0 - 1))
        0.3133
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    @in_single_precision
    def __call__(self, batch: LossBatch) -> Tensor:
        """The mean over the positions."""
        offset = torch.zeros_like(batch.candidates[:, 0]) if batch.log_q is None else -batch.log_q
        plain = batch.seen is None and batch.weights is None and not self.label_smoothing
        if batch.owners is not None and plain:
            return per_user_softmax(batch, offset)
        return per_position_softmax(batch, offset, self.label_smoothing)


class FullSoftmax(SampledSoftmax):
    """Full softmax: cross-entropy over the whole catalogue; the candidates are all items, each once, uncorrected.

    When to use: for small catalogues (up to some ten thousand items), as every step scores all items. There is no
    sampling noise and no sampler to choose.

    Example:
        >>> items, targets = torch.eye(4), torch.tensor([2])
        >>> batch = LossBatch(items[targets], items, items[targets], torch.arange(4), targets)
        >>> expected = torch.nn.functional.cross_entropy(items[targets] @ items.T, targets)
        >>> torch.allclose(FullSoftmax()(batch), expected)
        True
    """
