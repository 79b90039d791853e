r"""The demand model: a recurrent network or a transformer over the periods of an item, which corrects a forecast.

The count of the next period is negative binomial,

.. math:: y_{t+1} \sim \mathrm{NB}(\mu = V_{t+1} s_{t+1} e^{w \cdot h_t}, \; r_{t+1} e^v)

where the share :math:`s` and the size :math:`r` are the gamma-Poisson forecast (`recsys.data.demand.forecast`),
:math:`V` is the volume of the period, :math:`h_t` the network's state, and :math:`w` [D] and :math:`v` (a scalar) are
learned. Counts of items are overdispersed, the more so the fewer there are: under a Poisson likelihood the items with
the largest counts would dominate the loss. Training starts from the forecast itself, as :math:`w` and :math:`v` start
at zero. DeepAR (Salinas et al., 2020) has the same likelihood; its implementation in GluonTS is not used here, for it
has its own training loop and does not expose the states, which are the item embeddings.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import NegativeBinomial

from recsys.data.demand.forecast import Forecast
from recsys.encoders.sequence.encoder import SequenceShape
from recsys.encoders.sequence.gru import Gru
from recsys.encoders.sequence.transformer import Transformer


class DemandModel(nn.Module):
    """States of items after each period, and the log corrections of the forecast of the next one.

    Args:
        inputs: F, features per period.
        dim: D.
        kind: of the network.
        layers: layers of the network.
        dropout: dropout rate of the network.
        length: longest distance of two periods with a position bias of its own in the transformer.
    """

    def __init__(
        self, inputs: int, dim: int, kind: Literal["gru", "transformer"], layers: int, dropout: float, length: int
    ) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, dim)
        shape = SequenceShape(dim, heads=2, layers=layers, dropout=dropout, length=length)
        self.network = Gru(dim, layers, dropout) if kind == "gru" else Transformer(shape)
        self.correction = nn.Linear(dim, 1)
        self.size = nn.Parameter(torch.zeros(()))
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, F] -> the states [B, T, D] and the log corrections [B, T]."""
        recency = torch.arange(inputs.shape[1] - 1, -1, -1, device=inputs.device)
        states = self.network(self.project(inputs), recency, None)
        return states, self.correction(states).squeeze(-1)

    def loss(self, correction: Tensor, counts: Tensor, mean: Tensor, size: Tensor) -> Tensor:
        """The negative log likelihood of each count [...]; ``mean`` and ``size`` [...] are the forecast's."""
        total = size * self.size.exp()
        logits = mean.log() + correction - total.log()
        distribution = NegativeBinomial(total, logits=logits, validate_args=False)
        result: Tensor = -distribution.log_prob(counts)  # type: ignore[no-untyped-call]
        return result


def demand_inputs(
    counts: NDArray[np.float32], volume: NDArray[np.float64], found: Forecast, angles: NDArray[np.float64]
) -> NDArray[np.float32]:
    r"""Features of each item after each period: of its counts so far, and of the seasonal phase of the next period.

    Args:
        counts: [n, T].
        volume: [T].
        found: the forecast of ``counts``.
        angles: [T + 1, S], the phase :math:`\phi` of each period, and of the next one, in each season.

    Returns:
        float32 [n, T, 3 + 5 S]. As logarithms: the count over its forecast, the forecast share of the next period, and
        the age. For each season: cosine and sine of :math:`\phi_{t+1}`; the correlations of the forecast errors
        :math:`e` so far with both, :math:`a_t = 2 \sum_{s \le t} e_s \cos\phi_s / w_t` and :math:`b_t` with the sine,
        where :math:`w_t` is one plus the sum of the forecasts; and their prediction for the next period,
        :math:`a_t \cos\phi_{t+1} + b_t \sin\phi_{t+1}`.
    """
    expected = found.share[:, :-1] * volume * (found.age[:, :-1] >= 0)
    parts = [
        np.log((counts + 1) / (expected + 1)),
        np.log(found.share[:, 1:] * len(counts)),
        np.log1p(np.maximum(found.age[:, 1:], 0)),
    ]
    weight = 1 + np.cumsum(expected, axis=1)
    for angle in angles.T:
        waves = np.stack([np.cos(angle), np.sin(angle)])
        in_step = [2 * np.cumsum((counts - expected) * wave[:-1], axis=1) / weight for wave in waves]
        ahead = [np.broadcast_to(wave[1:], counts.shape) for wave in waves]
        parts += [*ahead, *in_step, sum(a * b for a, b in zip(in_step, ahead, strict=True))]
    return np.stack(parts, axis=-1).astype(np.float32)
