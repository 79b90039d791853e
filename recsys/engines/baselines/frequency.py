"""Frequency: what the user chose most often, then what is popular."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsys.data.entities import EntityTable
from recsys.engine import Request, Vectors
from recsys.engines.baselines.popularity import Popularity, PopularityConfig
from recsys.engines.sparse import rows_of
from recsys.engines.storage import dense_vectors, known_rows


class FrequencyConfig(PopularityConfig):
    """Options of the shares, and of the popularity that is mixed with them.

    Args:
        decay: of an interaction's weight, for each newer one of the user.
        mix: share of popularity in the score.
    """

    decay: float = Field(1.0, gt=0, le=1)
    mix: float = Field(0.5, gt=0, le=1)


class Frequency(Popularity):
    r"""Ranks items by their share of the user's own interactions, mixed with their share of all.

    .. math:: s_{ui} = (1 - m) \, \frac{\sum_{t: i_t = i} w_t d^{n_u - t}}{\sum_t w_t d^{n_u - t}}
                       + m \, \frac{c_i}{\sum_j c_j}

    over the interactions with items that training knows. The baseline that a model must beat where people choose again
    what they chose before and lists keep it (GP-TopFreq; Li et al., "A next basket recommendation reality check",
    2023). Item-item models cannot rank repeats: they hold no weight of an item for itself. Where lists leave out what a
    user had, this is `Popularity`.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> engine = Frequency(decay=0.9).fit(data)
        >>> request = Request.from_dataset(data, np.array([0]))
        >>> scores = engine.user_vectors(request).scores(engine.item_vectors(data.items))
        >>> set(np.argsort(-scores[0])[:7].tolist()) == set(request.histories.items.tolist())
        True
    """

    kind = "frequency"
    Config = FrequencyConfig
    config: FrequencyConfig

    def user_vectors(self, request: Request) -> Vectors:
        histories, shape = request.histories, (len(request), len(self.items))
        dated = replace(histories, times=histories.steps_ago())
        known = dated.remap_items(known_rows(request.items, self.items, self.counts))
        owners, steps = known.users(), known.times.astype(np.float64)
        newest = np.full(len(histories), np.inf)
        np.minimum.at(newest, owners, steps)
        weights = np.maximum(known.weights, 0) * self.config.decay ** (steps - newest[owners])
        sums = np.bincount(owners, weights, len(histories))
        share = (1 - self.config.mix) * weights / np.where(sums > 0, sums, 1)[owners]
        own = sp.coo_array((share.astype(np.float32), (owners, known.items)), shape).tocsr()
        return Vectors(np.full((len(histories), 1), self.config.mix, np.float32), own)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        share = self.counts / max(float(self.counts.sum(dtype=np.float64)), 1e-12)
        found = dense_vectors(items, self.items, self.counts, share[:, None].astype(np.float32))
        rows = known_rows(items, self.items, self.counts)
        same = sp.eye_array(len(self.items), dtype=np.float32, format="csr")
        return Vectors(found.dense, rows_of(same, rows), found.valid)
