"""Embeddings of several tags."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import embedding_bag

from recsys.encoders.categorical import CategoricalEncoder


class TagsEncoder(CategoricalEncoder):
    """The mean of the vectors of an entity's tags; one without tags has a vector of its own."""

    def forward(self, values: Tensor) -> Tensor:
        """int64 [n, T], filled up with MISSING -> [n, dim]."""
        held = values >= 0
        count = held.sum(1)
        # Bags are read where they lie: a rectangle of tag vectors would be mostly padding.
        mean = embedding_bag(values[held], self.table.weight, count.cumsum(0) - count, mode="mean")
        projected: Tensor = self.project(mean)
        return projected
