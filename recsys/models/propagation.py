"""Embedding propagation on the user-item graph (He et al., SIGIR 2020, "LightGCN")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag


class Propagation(nn.Module):
    r"""Layers :math:`U^{l+1} = \tilde R I^l` and :math:`I^{l+1} = \tilde R^\top U^l`.

    :math:`\tilde R = D_U^{-1/2} R D_I^{-1/2}`, R [U, I] being the edges and D the degrees.
    The vectors of users and items are the means of their layers 0 to L. Layer 0 of a user is a learned embedding, or
    zero: then a user's vector is the propagated history, and half of the products are zero and left out. A product is
    computed as sums of bags of rows, which on CPU takes a third of the time of a product with a compressed sparse
    matrix; PyTorch Geometric's model is the reference in the tests.

    Args:
        matrix: R [U, I], binary; see `Interactions.to_csr`.
        layers: L.
    """

    def __init__(self, matrix: sp.csr_array, layers: int) -> None:
        super().__init__()
        users, items = (np.maximum(np.asarray(matrix.sum(axis)).ravel(), 1) ** -0.5 for axis in (1, 0))
        scaled = sp.csr_array(sp.diags_array(users) @ matrix @ sp.diags_array(items))
        self.layers = layers
        self.users, self.items = Bags(scaled), Bags(sp.csr_array(scaled.T))
        self.register_buffer("item_scale", torch.from_numpy(items).float()[:, None], persistent=False)
        self.item_scale: Tensor

    def forward(self, items: Tensor, users: Tensor | None = None) -> tuple[Tensor, Tensor]:
        r"""Vectors of the items [I, D], and the sums of their layers below L [I, D], which `users_of` multiplies.

        Args:
            items: [I, D], layer 0.
            users: [U, D], layer 0; None is zero.
        """
        share = 1 / (self.layers + 1)
        below = items * share
        layer: Tensor | None = below
        user = None if users is None else users * share
        last: Tensor | None = None
        for depth in range(self.layers):
            last = None if user is None else product(user, self.items, self.users)
            if depth == self.layers - 1:
                break
            user = None if layer is None else product(layer, self.users, self.items)
            layer = last
            below = below if last is None else below + last
        return below if last is None else below + last, below

    def users_of(self, below: Tensor, users: Tensor | None = None) -> Tensor:
        """Vectors of the users [U, D], given the sums of `forward` [I, D] and layer 0 [U, D]."""
        sums = product(below, self.users, self.items)
        return sums if users is None else sums + users / (self.layers + 1)


class Bags(nn.Module):
    """A sparse matrix [n, m], whose product with a tensor is computed as weighted sums of bags of rows."""

    def __init__(self, matrix: sp.csr_array) -> None:
        super().__init__()
        kind = np.int32 if matrix.nnz < 2**31 else np.int64
        parts = {"members": matrix.indices.astype(kind), "offsets": matrix.indptr.astype(kind)}
        for name, array in {**parts, "weights": matrix.data.astype(np.float32)}.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self.members: Tensor
        self.offsets: Tensor
        self.weights: Tensor

    def forward(self, rows: Tensor) -> Tensor:
        """[m, D] -> [n, D]."""
        return embedding_bag(
            self.members, rows, self.offsets, mode="sum", per_sample_weights=self.weights, include_last_offset=True
        )


class _Context(Protocol):
    transposed: Bags


class _Product(torch.autograd.Function):
    """A sparse matrix times a tensor; the gradient is the transpose times the incoming one, by sums of bags too."""

    @staticmethod
    def forward(ctx: _Context, rows: Tensor, bags: Bags, transposed: Bags) -> Tensor:
        ctx.transposed = transposed
        result: Tensor = bags(rows.detach())
        return result

    @staticmethod
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed(grads[0].contiguous()), None, None


def product(rows: Tensor, bags: Bags, transposed: Bags) -> Tensor:
    """``bags`` times ``rows`` [m, D], [n, D]; ``transposed`` gives the gradient."""
    return cast("Callable[..., Tensor]", _Product.apply)(rows, bags, transposed)
