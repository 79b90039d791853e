"""Embedding propagation on the user-item graph (He et al., SIGIR 2020, "LightGCN")."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from recsys.data.interactions import Interactions


class Propagation(nn.Module):
    r"""Layers :math:`U^{l+1} = \tilde R I^l` and :math:`I^{l+1} = \tilde R^\top U^l`.

    :math:`\tilde R = D_U^{-1/2} R D_I^{-1/2}`, R [U, I] being the edges and D the degrees.
    The vectors of users and items are the means of their layers 0 to L. Layer 0 of a user is zero (a user is the
    history; then every other product falls away) or a learned vector of its own. A product sums bags of rows, which on
    CPU takes a third of the time of a product with a compressed sparse matrix; PyTorch Geometric's model is the
    reference in the tests.

    Args:
        train: the edges; repeated pairs count once.
        n_users: U.
        n_items: I.
        layers: L.
    """

    def __init__(self, train: Interactions, n_users: int, n_items: int, layers: int) -> None:
        super().__init__()
        matrix = train.to_csr(n_users, n_items)
        self.layers = layers
        self.users, self.items = Bags(matrix), Bags(sp.csr_array(matrix.T))
        users, items = (np.maximum(np.asarray((matrix > 0).sum(axis)).ravel(), 1) ** -0.5 for axis in (1, 0))
        self.register_buffer("user_scale", torch.from_numpy(users).float()[:, None], persistent=False)
        self.register_buffer("item_scale", torch.from_numpy(items).float()[:, None], persistent=False)
        self.user_scale: Tensor
        self.item_scale: Tensor

    def to_users(self, items: Tensor) -> Tensor:
        r"""[I, D] -> :math:`\tilde R` times it, [U, D]."""
        return self.user_scale * _product(self.item_scale * items, self.users, self.items)

    def to_items(self, users: Tensor) -> Tensor:
        r"""[U, D] -> :math:`\tilde R^\top` times it, [I, D]."""
        return self.item_scale * _product(self.user_scale * users, self.items, self.users)

    def forward(self, items: Tensor, users: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of users [U, D] and items [I, D], and what each item adds to a user before the user's scale [I, D].

        Args:
            items: [I, D], layer 0.
            users: [U, D], layer 0; None is zero.
        """
        of_users: list[Tensor | None] = [users]
        of_items: list[Tensor | None] = [items]
        for _ in range(self.layers):
            last_user, last_item = of_users[-1], of_items[-1]
            of_users.append(None if last_item is None else self.to_users(last_item))
            of_items.append(None if last_user is None else self.to_items(last_user))
        share = 1 / (self.layers + 1)
        into = _total(of_items[:-1]) * self.item_scale * share
        return _total(of_users) * share, _total(of_items) * share, into


class Bags(nn.Module):
    """A matrix of ones [n, m] that multiplies as sums of bags of rows.

    Args:
        matrix: where it is not zero.
    """

    def __init__(self, matrix: sp.csr_array) -> None:
        super().__init__()
        self.register_buffer("members", torch.from_numpy(matrix.indices.astype(np.int64)), persistent=False)
        self.register_buffer("offsets", torch.from_numpy(matrix.indptr.astype(np.int64)), persistent=False)
        self.members: Tensor
        self.offsets: Tensor

    def forward(self, rows: Tensor) -> Tensor:
        """[m, D] -> [n, D]."""
        return embedding_bag(self.members, rows, self.offsets, mode="sum", include_last_offset=True)


class _Product(torch.autograd.Function):
    """A matrix of ones times a tensor; the gradient is the transpose times it, again a sum of bags."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, bags: Bags, transposed: Bags) -> Tensor:
        ctx.transposed = transposed
        result: Tensor = bags(rows)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return ctx.transposed(grads[0].contiguous()), None, None


def _product(rows: Tensor, bags: Bags, transposed: Bags) -> Tensor:
    result: Tensor = _Product.apply(rows, bags, transposed)  # type: ignore[no-untyped-call]
    return result


def _total(layers: list[Tensor | None]) -> Tensor:
    found = [layer for layer in layers if layer is not None]
    return torch.stack(found).sum(0) if len(found) > 1 else found[0]
