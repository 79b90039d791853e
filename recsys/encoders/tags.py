"""Embeddings of several tags."""

from __future__ import annotations

from torch import Tensor

from recsys.encoders.categorical import CategoricalEncoder


class TagsEncoder(CategoricalEncoder):
    """The mean of the vectors of an entity's tags; one without tags has a vector of its own."""

    def forward(self, values: Tensor) -> Tensor:
        """int64 [n, T], filled up with MISSING -> [n, dim]."""
        held = (values >= 0)[..., None]
        mean = (self.table(values.clamp(min=0)) * held).sum(1) / held.sum(1).clamp(min=1)
        projected: Tensor = self.project(mean)
        return projected
