"""Samplers of shared negatives, by name.

A sampler is built as ``NEGATIVES[name](counts, n, **options)`` and called as ``sampler.sample(targets, rng)``; it
returns `Candidates`: the item rows [C] that every position of the batch is scored against, and the log of the expected
count of each, which a softmax loss subtracts from the logit (log-q correction).
"""

from recsys.choices import Choices
from recsys.negatives.sampler import Candidates, Sampler, SamplerFactory

NEGATIVES: Choices[SamplerFactory] = Choices(
    "negative sampler",
    {
        "uniform": "recsys.negatives.popularity:uniform",
        "popularity": "recsys.negatives.popularity:Popularity",
        "in_batch": "recsys.negatives.in_batch:InBatch",
        "mixed": "recsys.negatives.mixed:Mixed",
    },
)

__all__ = ["NEGATIVES", "Candidates", "Sampler", "SamplerFactory"]
