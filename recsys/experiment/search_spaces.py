"""Search spaces: the ranges and choices that the options of an engine are tuned in, with a default for every engine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from recsys.config import Config


class Range(Config):
    """A range of numbers, both ends included; of integers where both ends are integers.

    Args:
        low: the smallest value.
        high: the largest value.
        log: whether values are drawn uniformly in their logarithm, for options that matter by their order of magnitude.

    Example:
        >>> Range(low=1, high=1000, log=True).integer
        True
    """

    low: int | float
    high: int | float
    log: bool = False

    @property
    def integer(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at low = {self.low}")
        return self

    def draw(self, rng: np.random.Generator) -> int | float:
        """A random value."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = float(rng.uniform(low, high))
        value = math.exp(value) if self.log else value
        return rounded(min(max(value, self.low), self.high), self.integer)


Values: TypeAlias = Range | Annotated[list[object], Field(min_length=1)]
"""What an option may be: a range of numbers, or a list of values to choose from."""
Space: TypeAlias = Mapping[str, Values]
"""Option, with dots into sections (``training.epochs``) -> its values."""


def rounded(value: float, integer: bool = False) -> int | float:
    """``value`` as an integer, or with four significant digits, which a person can read and write.

    Example:
        >>> rounded(0.0123456), rounded(17.6, integer=True)
        (0.01235, 18)
    """
    return round(value) if integer else float(f"{value:.4g}")


def draw(space: Space, rng: np.random.Generator) -> dict[str, object]:
    """One random combination.

    Example:
        >>> sorted(draw({"k": [5], "shrinkage": Range(low=0, high=100)}, np.random.default_rng(0)))
        ['k', 'shrinkage']
    """
    return {
        option: values.draw(rng) if isinstance(values, Range) else values[int(rng.integers(len(values)))]
        for option, values in space.items()
    }


def n_combinations(space: Space) -> int | None:
    """The number of combinations; None where an option has a range.

    Example:
        >>> n_combinations({"a": [1, 2], "b": [True, False]})
        4
    """
    lists = [values for values in space.values() if not isinstance(values, Range)]
    return math.prod(len(values) for values in lists) if len(lists) == len(space) else None


def combinations(space: Space) -> Iterator[dict[str, object]]:
    """All combinations of a space that has lists only, in the order of the lists."""
    lists = [values for values in space.values() if not isinstance(values, Range)]
    assert len(lists) == len(space), "a range has no combinations"
    for drawn in itertools.product(*lists):
        yield dict(zip(space, drawn, strict=True))


def default_space(kind: str) -> Space:
    """The search space of an engine whose config has none of its own; see `SEARCH_SPACES`."""
    return SEARCH_SPACES[kind]


def _range(low: float, high: float, log: bool = False) -> Range:
    return Range(low=low, high=high, log=log)


_DECAY: Values = [1.0, 0.98, 0.95, 0.9, 0.8, 0.6]
"""Order matters where people follow trends or sequels; 1 ignores it."""
_TRAINING: Space = {
    "training.learning_rate": _range(5e-4, 2e-2, log=True),
    "training.epochs": [10, 20, 40],
}
_GRAPH_LOSS: Space = {"temperature": _range(0.03, 0.5, log=True), "sampling_exponent": _range(0.0, 1.0)}
_TOWERS: Space = {
    "model.dim": [32, 64, 128],
    "model.dropout": _range(0.0, 0.6),
    "model.temperature": _range(0.02, 0.2, log=True),
    "model.id_dropout": _range(0.0, 0.3),
    "sampling_exponent": _range(0.0, 1.0),
    "training.weight_decay": _range(1e-4, 1.0, log=True),
    **_TRAINING,
}
_SEQUENCE: Space = {**_TOWERS, "model.layers": [1, 2, 3], "max_history": [20, 50, 100, 200]}
_POPULARITY: Space = {"window": [0, 1, 3, 7, 14, 30, 60, 90, 180], "recent": [0, 1, 3, 10, 30]}

SEARCH_SPACES: Mapping[str, Space] = {
    "popularity": _POPULARITY,
    "frequency": {**_POPULARITY, "decay": _range(0.5, 1.0), "mix": _range(0.05, 0.95)},
    "trend": {
        "network": ["gru", "transformer"],
        "period": [1, 7, 14, 30],
        "dim": [16, 32, 64],
        "dropout": _range(0.0, 0.5),
        **_TRAINING,
    },
    "itemknn": {
        "neighbours": _range(20, 500, log=True),
        "shrinkage": _range(1.0, 300.0, log=True),
        "weighting": ["binary", "idf"],
        "decay": _DECAY,
    },
    "ease": {"regularization": _range(5.0, 5000.0, log=True), "dropout": _range(0.0, 0.8), "decay": _DECAY},
    "als": {
        "factors": [16, 32, 64, 128],
        "regularization": _range(0.1, 200.0, log=True),
        "alpha": _range(1.0, 50.0, log=True),
        "iterations": [10, 15, 25],
    },
    "bpr": {
        "factors": [16, 32, 64, 128],
        "learning_rate": _range(0.003, 0.2, log=True),
        "regularization": _range(3e-4, 0.1, log=True),
        "iterations": [30, 100, 200],
    },
    "item2vec": {
        "dim": [32, 64, 128],
        "window": _range(1, 20, log=True),
        "k": _range(1.0, 20.0, log=True),
        "decay": _DECAY,
        "training.learning_rate": _range(2e-3, 5e-2, log=True),
        "training.epochs": [5, 10, 20],
    },
    "spectral": {
        "low_pass.rank": _range(16, 1024, log=True),
        "low_pass.users": _range(0.0, 0.8),
        "low_pass.popularity_exponent": _range(0.0, 0.8),
        "two_hop.history": _range(0.2, 1.0),
        "two_hop.output": _range(0.0, 0.8),
        "mix": _range(0.0, 1.0),
        "decay": _DECAY,
    },
    "node2vec": {
        "dim": [32, 64, 128],
        "walks": [1, 2, 5],
        "p": _range(0.25, 4.0, log=True),
        "q": _range(0.25, 4.0, log=True),
        "window": [1, 2, 4],
        "decay": _DECAY,
        "training.learning_rate": _range(2e-3, 5e-2, log=True),
    },
    "sage": {
        "dim": [32, 64, 128],
        "id_dropout": _range(0.0, 0.5),
        "neighbour_dropout": _range(0.0, 0.5),
        **_GRAPH_LOSS,
        **_TRAINING,
    },
    "lightgcn": {
        "dim": [32, 64, 128],
        "layers": [1, 2, 3],
        "popularity_exponent": _range(0.0, 0.5),
        "held_out": _range(0.0, 0.6),
        "training.weight_decay": _range(0.01, 2.0, log=True),
        **_GRAPH_LOSS,
        **_TRAINING,
    },
    "auto": {},  # chooses engines and their options itself
    "hybrid": {"steps": [5, 10, 20, 40]},
    "content_knn": {"idf": [True, False], "centred": [True, False], "decay": _DECAY},
    "two_tower": {
        **_TOWERS,
        "model.layers": [1, 2, 3],
        "model.feature_init_scale": _range(0.03, 1.0, log=True),
        "feature_lr_multiplier": _range(0.05, 1.0, log=True),
        "model.table_dropout": _range(0.0, 0.5),
    },
    "sequence": {**_SEQUENCE, "model.pooling": ["transformer", "gru", "hstu"]},
    "sasrec": _SEQUENCE,
    "gru4rec": _SEQUENCE,
    "bert4rec": {**_SEQUENCE, "model.mask_probability": _range(0.1, 0.6)},
    "hstu": _SEQUENCE,
}
"""Kind of engine -> the options that its accuracy depends on most. Wide enough for small and large data; an option that
only trades memory for time is not in it."""
