"""Embeddings of columns of tags."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from recsys import devices
from recsys.encoders.categorical import CategoricalEncoder


class TagsEncoder(CategoricalEncoder):
    """Mean embedding of an entity's tags, projected to ``dim``; entities without tags share a learned vector.

    Shapes:
        int64 ``[n, T]``, padded with MISSING -> ``[n, dim]``

    Example:
        >>> import torch
        >>> TagsEncoder(size=10, width=4, dim=8)(torch.tensor([[2, 3, -1], [0, -1, -1]])).shape
        torch.Size([2, 8])
    """

    def forward(self, values: Tensor) -> Tensor:
        """int64 [n, T], padded with MISSING -> [n, dim]."""
        is_tag = values >= 0
        count = is_tag.sum(1)
        if torch.onnx.is_in_onnx_export():  # an exported network has no bags
            shown = self.table(values.clamp(min=0)) * is_tag[..., None]
            of_padded: Tensor = self.project(shown.sum(1) / count.clamp(min=1)[:, None])
            return of_padded
        # Bags are summed without padding: a [n, T, width] tensor of tag vectors would be mostly padding.
        if devices.runs_ahead(values):  # whose number of tags is not read: those of padding weigh nothing
            share = (is_tag / count.clamp(min=1)[:, None]).to(self.table.weight.dtype)
            summed: Tensor = self.project(
                embedding_bag(values.clamp(min=0), self.table.weight, per_sample_weights=share, mode="sum")
            )
            return summed
        mean = embedding_bag(values[is_tag], self.table.weight, count.cumsum(0) - count, mode="mean")
        projected: Tensor = self.project(mean)
        return projected
