"""Bayesian personalised ranking."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from recsys.losses.seen import SeenRanges, is_negative


class Bpr:
    r"""The mean over positions and shared negatives of :math:`-\log\sigma(s_p - s_j)` (Rendle et al., 2009).

    Negatives come by the sampler's distribution, not by a uniform one, and are not reweighed.
    """

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
        margin = users @ candidates.T - (users * positives).sum(1, keepdim=True)
        other = is_negative(candidate_rows, target_rows, seen)
        return (softplus(margin) * other).sum() / other.sum().clamp(min=1)
