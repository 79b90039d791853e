"""Losses over shared candidates, by name.

A loss is built as ``LOSSES[name]()``, the softmax losses also with ``label_smoothing``, and called with a `LossBatch`;
it gives the mean over positions.

==================  ================================================================================================
loss                when to use it
==================  ================================================================================================
`SampledSoftmax`    the default: close to the full softmax at the cost of the sampled negatives alone
`FullSoftmax`       small catalogues (up to some ten thousand items, all scored in every step): no sampling noise
`Gbce`              few negatives per step and scores that should be read as calibrated probabilities
`Bpr`               a baseline: pairwise, without correction for how the negatives were drawn
==================  ================================================================================================
"""

from collections.abc import Callable

from recsys.choices import Choices
from recsys.losses.batch import Loss, LossBatch
from recsys.losses.seen_ranges import SeenRanges, own_targets

LOSSES: Choices[Callable[..., Loss]] = Choices(
    "loss",
    {
        "sampled_softmax": "recsys.losses.softmax:SampledSoftmax",
        "full_softmax": "recsys.losses.softmax:FullSoftmax",
        "bpr": "recsys.losses.bpr:Bpr",
        "gbce": "recsys.losses.gbce:Gbce",
    },
)

__all__ = ["LOSSES", "Loss", "LossBatch", "SeenRanges", "own_targets"]
