"""Embedding propagation on the user-item graph (He et al., SIGIR 2020, "LightGCN")."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from recsys.data.interactions import Interactions
from recsys.models.geometric import geometric


class Propagation(nn.Module):
    r"""Layers :math:`U^{l+1} = \tilde R I^l` and :math:`I^{l+1} = \tilde R^\top U^l`.

    :math:`\tilde R = D_U^{-1/2} R D_I^{-1/2}`, R [U, I] being the edges and D the degrees.
    The vectors of users and items are the means of their layers 0 to L. Layer 0 of a user is zero (a user is the
    history; then every other product falls away) or a learned vector of its own. Products are those of PyTorch
    Geometric's `EdgeIndex`, one compressed matrix in each direction, twenty times as fast on CPU as a message an edge.

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
        self.edges = {"users": _edges(matrix), "items": _edges(sp.csr_array(matrix.T))}
        users, items = (np.maximum(np.asarray((matrix > 0).sum(axis)).ravel(), 1) ** -0.5 for axis in (1, 0))
        self.register_buffer("user_scale", torch.from_numpy(users).float()[:, None], persistent=False)
        self.register_buffer("item_scale", torch.from_numpy(items).float()[:, None], persistent=False)
        self.user_scale: Tensor
        self.item_scale: Tensor

    def to_users(self, items: Tensor) -> Tensor:
        r"""[I, D] -> :math:`\tilde R` times it, [U, D]."""
        return self.user_scale * self._product("users", self.item_scale * items)

    def to_items(self, users: Tensor) -> Tensor:
        r"""[U, D] -> :math:`\tilde R^\top` times it, [I, D]."""
        return self.item_scale * self._product("items", self.user_scale * users)

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

    def _product(self, side: str, other: Tensor) -> Tensor:
        if self.edges[side].device != other.device:
            self.edges[side] = self.edges[side].to(other.device)
        product: Tensor = self.edges[side].matmul(other)
        return product


def _edges(matrix: sp.csr_array) -> Any:
    """A matrix of ones as an `EdgeIndex` that multiplies vectors of its columns into its rows."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    pairs = torch.from_numpy(np.stack([rows, matrix.indices]).astype(np.int64))
    return geometric().EdgeIndex(pairs, sparse_size=matrix.shape, sort_order="row").fill_cache_()


def _total(layers: list[Tensor | None]) -> Tensor:
    found = [layer for layer in layers if layer is not None]
    return torch.stack(found).sum(0) if len(found) > 1 else found[0]
