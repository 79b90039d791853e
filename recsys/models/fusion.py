"""Fusion of the vectors of several inputs into one vector per entity."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recsys.choices import Choices
from recsys.encoders.dropout import ByteDropout


class SumFusion(nn.Module):
    """Sum of the inputs.

    Shapes:
        ``[n, M, D]`` -> ``[n, D]``

    Args:
        inputs: M, how many vectors are fused.
        dim: D of each and of the result.
        dropout: not used.

    Example:
        >>> SumFusion(2, 3)(torch.ones(1, 2, 3)).tolist()
        [[2.0, 2.0, 2.0]]
    """

    def __init__(self, inputs: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, M, D] -> [n, D]."""
        return vectors.sum(1)


class GatedFusion(nn.Module):
    r"""Gated sum of the inputs: :math:`\sum_m 2\sigma(W [v_1 .. v_M])_m v_m`, initialized to the plain sum.

    Shapes:
        ``[n, M, D]`` -> ``[n, D]``

    Example:
        >>> GatedFusion(2, 3)(torch.ones(1, 2, 3)).tolist()
        [[2.0, 2.0, 2.0]]
    """

    def __init__(self, inputs: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.gate = nn.Linear(inputs * dim, inputs)
        self.dropout = ByteDropout(dropout)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, M, D] -> [n, D]."""
        gates = 2 * torch.sigmoid(self.gate(self.dropout(vectors.flatten(1))))
        return torch.einsum("nm,nmd->nd", gates, vectors)


class ConcatFusion(nn.Module):
    """Sum of the inputs plus a perceptron of their concatenation.

    The perceptron's last layer is initialized to zero, so that training starts from the plain sum.

    Shapes:
        ``[n, M, D]`` -> ``[n, D]``

    Example:
        >>> ConcatFusion(2, 3)(torch.ones(1, 2, 3)).tolist()
        [[2.0, 2.0, 2.0]]
    """

    def __init__(self, inputs: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs * dim, 2 * dim)
        self.dropout = ByteDropout(dropout)
        self.out = nn.Linear(2 * dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, M, D] -> [n, D]."""
        hidden = torch.nn.functional.gelu(self.hidden(vectors.flatten(1)))
        fused: Tensor = self.out(self.dropout(hidden)) + vectors.sum(1)
        return fused


class AttentionFusion(nn.Module):
    r"""Attention over inputs: :math:`M \sum_m a_m v_m` with :math:`a_m \propto \exp(q \cdot (K v_m + e_m) / \sqrt D)`.

    One learned query attends to all inputs; the key of an input is a projection of its vector plus a learned embedding
    of its index, so that a missing input can give its weight to the others. Initialized to the plain sum. The weights
    of the inputs that the module was built with sum to one; the weight of an input added later (`transfer_weights`)
    comes on top, so that a new input whose vector is zero leaves the result as it was.

    Shapes:
        ``[n, M, D]`` -> ``[n, D]``

    Example:
        >>> AttentionFusion(2, 3)(torch.ones(1, 2, 3)).tolist()
        [[2.0, 2.0, 2.0]]
    """

    def __init__(self, inputs: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(dim))
        self.key = nn.Linear(dim, dim, bias=False)
        self.place = nn.Parameter(torch.randn(inputs, dim) * 0.1)
        self.register_buffer("counted", torch.ones(inputs))
        self.counted: Tensor
        self.dropout = ByteDropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """[n, M, D] -> [n, D]."""
        keys = self.key(self.dropout(vectors)) + self.place
        logits = keys @ self.query * len(self.query) ** -0.5
        weights = torch.exp(logits - logits.amax(1, keepdim=True))
        mean = torch.einsum("nm,nmd->nd", weights, vectors) / (weights @ self.counted)[:, None]
        return self.counted.sum() * mean


FUSIONS: Choices[type[nn.Module]] = Choices(
    "fusion",
    {
        "sum": "recsys.models.fusion:SumFusion",
        "gated": "recsys.models.fusion:GatedFusion",
        "concat": "recsys.models.fusion:ConcatFusion",
        "attention": "recsys.models.fusion:AttentionFusion",
    },
)
