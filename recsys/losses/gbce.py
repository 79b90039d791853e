"""Generalised binary cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from recsys.losses.seen import SeenRanges, is_negative


class Gbce:
    r"""gBCE (Petrov & Macdonald, RecSys 2023, "gSASRec"): binary cross-entropy whose positive is raised to beta.

    .. math:: -\beta \log\sigma(s_p) - \sum_{j} \log(1 - \sigma(s_j)), \quad
              \beta = \alpha\,(t\,(1 - 1/\alpha) + 1/\alpha), \quad \alpha = m / (I - 1)

    which undoes the overconfidence that sampling m of I - 1 negatives brings. The share of the catalogue :math:`\alpha`
    is read from ``log_q``, the log of each negative's expected count :math:`m q_j`: however unevenly the items are
    drawn, the mean of :math:`1 / (m q_j)` over draws tends to I / m. The sum is divided by its m + 1 terms.

    Args:
        t: calibration, from 0 (plain binary cross-entropy) to 1 (as calibrated as with all negatives).
    """

    def __init__(self, t: float = 0.75) -> None:
        self.t = t

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
        users = users if owners is None else users[owners]
        alpha = 1.0 if log_q is None else float((-log_q).exp().mean().clamp(min=1.0).reciprocal())
        beta = alpha * (self.t * (1 - 1 / alpha) + 1 / alpha)
        positive = logsigmoid((users * positives).sum(1)) * beta
        other = is_negative(candidate_rows, target_rows, seen)
        negative = (softplus(users @ candidates.T) * other).sum(1)
        return ((negative - positive) / (len(candidates) + 1)).mean()
