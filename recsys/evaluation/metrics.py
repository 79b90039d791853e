"""Ranking metrics of top-k lists, by name.

Every metric takes ``hits`` bool [U, K] (is the item at each place relevant), ``relevant`` int64 [U] (the number of
relevant items) and k, and returns float64 [U]; a user without relevant items has 0. In a list shorter than k the
missing places count as misses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.choices import Choices
from recsys.errors import ConfigError

LONGEST_LIST, MOST_LENGTHS = 1_000_000_000, 100
"""The largest k of a metric, and the largest number of list lengths of a report; each one costs bootstraps."""

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Metric = Callable[[Hits, Counts, int], Values]

BLOCK = 1024
"""Users that are ranked and measured together."""


def recall(hits: Hits, relevant: Counts, k: int) -> Values:
    """Hits among the first k, divided by the number of relevant items."""
    return _divided(hits[:, :k].sum(1), relevant)


def recall_capped(hits: Hits, relevant: Counts, k: int) -> Values:
    """Hits among the first k, divided by the largest possible number of hits, ``min(relevant, k)``."""
    return _divided(hits[:, :k].sum(1), np.minimum(relevant, k))


def precision(hits: Hits, relevant: Counts, k: int) -> Values:
    """Hits among the first k, divided by k."""
    return np.asarray(hits[:, :k].sum(1) / k, np.float64)


def hit_rate(hits: Hits, relevant: Counts, k: int) -> Values:
    """1 where any of the first k is a hit."""
    return np.asarray(hits[:, :k].any(1), np.float64)


def mrr(hits: Hits, relevant: Counts, k: int) -> Values:
    """One over the place of the first hit among the first k."""
    first = hits[:, :k].argmax(1) + 1
    return np.asarray(np.where(hits[:, :k].any(1), 1 / first, 0.0), np.float64)


def average_precision(hits: Hits, relevant: Counts, k: int) -> Values:
    """The precision at each hit among the first k, summed and divided by ``min(relevant, k)``."""
    top = hits[:, :k]
    at_hits = np.cumsum(top, 1) / np.arange(1, top.shape[1] + 1) * top
    return _divided(at_hits.sum(1), np.minimum(relevant, k))


def ndcg(hits: Hits, relevant: Counts, k: int) -> Values:
    """Discounted gain ``1 / log2(place + 1)`` of the hits among the first k, over that of a perfect list."""
    top, most = hits[:, :k], np.minimum(relevant, k)
    discount = 1 / np.log2(np.arange(2, max(top.shape[1], int(most.max(initial=0))) + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    return _divided(top @ discount[: top.shape[1]], ideal[most])


def _divided(top: NDArray[np.number], bottom: NDArray[np.number]) -> Values:
    return np.asarray(np.where(bottom > 0, top / np.maximum(bottom, 1e-12), 0.0), np.float64)


METRICS: Choices[Metric] = Choices(
    "metric",
    {
        "recall": "recsys.evaluation.metrics:recall",
        "recall_capped": "recsys.evaluation.metrics:recall_capped",
        "ndcg": "recsys.evaluation.metrics:ndcg",
        "map": "recsys.evaluation.metrics:average_precision",
        "mrr": "recsys.evaluation.metrics:mrr",
        "hit_rate": "recsys.evaluation.metrics:hit_rate",
        "precision": "recsys.evaluation.metrics:precision",
    },
)


@dataclass(frozen=True, eq=False)
class ListMetrics(Mapping[str, Values]):
    """``"recall@10"`` -> float64 [U] of top-k lists, computed when it is asked for: a place is held as one bit.

    Args:
        hits: uint8 [U, B], whether the item at each place is relevant, eight places a byte.
        relevant: int64 [U], the number of relevant items.
        ks: list lengths.
        depth: the number of places of a list.

    Example:
        >>> found = ListMetrics.of(np.array([[False, True], [True, False]]), np.array([1, 2]), ks=(1, 2))
        >>> found["recall@2"].tolist(), len(found)
        ([1.0, 0.5], 14)
    """

    hits: NDArray[np.uint8]
    relevant: Counts
    ks: tuple[int, ...]
    depth: int

    @classmethod
    def of(cls, hits: Hits, relevant: Counts, ks: Sequence[int]) -> ListMetrics:
        """The metrics of lists from ``hits`` bool [U, K]."""
        return cls(np.packbits(hits, axis=1), relevant, tuple(dict.fromkeys(ks)), hits.shape[1])

    @classmethod
    def joined(cls, parts: Sequence[ListMetrics]) -> ListMetrics:
        """Those of the users of one or more ``parts``, one after the other."""
        hits, relevant = (np.concatenate([getattr(part, name) for part in parts]) for name in ("hits", "relevant"))
        return cls(hits, relevant, parts[0].ks, parts[0].depth)

    def __getitem__(self, metric: str) -> Values:
        if metric not in self:
            raise KeyError(metric)
        name, k = parse_metric(metric)
        found, places = np.empty(len(self.relevant)), min(k, self.depth)
        for start in range(0, len(found), BLOCK):
            users = slice(start, start + BLOCK)
            hits = np.unpackbits(self.hits[users], axis=1, count=places).view(np.bool_)
            found[users] = METRICS[name](hits, self.relevant[users], k)
        return found

    def __contains__(self, metric: object) -> bool:
        return metric in set(self)

    def __iter__(self) -> Iterator[str]:
        return (f"{name}@{k}" for k in self.ks for name in METRICS)

    def __len__(self) -> int:
        return len(self.ks) * len(METRICS)


def parse_metric(text: str) -> tuple[str, int]:
    """``"ndcg@10"`` -> ``("ndcg", 10)``.

    Raises:
        ConfigError: not of that form, an unknown metric, or k below 1 or above `LONGEST_LIST`.
    """
    name, at, k = text.partition("@")
    whole = k.isascii() and k.isdigit() and len(k) <= len(str(LONGEST_LIST))
    if not at or not whole or not 1 <= int(k) <= LONGEST_LIST:
        raise ConfigError(
            f"metric {text[:60]!r}: expected a name, @ and a list length from 1 to {LONGEST_LIST:,}, as in 'ndcg@10'"
        )
    METRICS[name]
    return name, int(k)


_LONG = 100


def on_long_lists(metric: str) -> str:
    """The metric on lists of at least 100 items, among which are the targets of many more users.

    It tells weights apart that the metric on short lists, a matter of one or two targets, does not.

    Example:
        >>> on_long_lists("ndcg@10"), on_long_lists("recall@200")
        ('ndcg@100', 'recall@200')
    """
    name, k = parse_metric(metric)
    return f"{name}@{max(k, _LONG)}"


def check_lengths(ks: Sequence[int]) -> None:
    """Checks the list lengths of a report; those above the catalogue are allowed, and their lists end with it.

    Raises:
        ConfigError: there are more than `MOST_LENGTHS`, or one is above `LONGEST_LIST`.
    """
    if len(ks) > MOST_LENGTHS:
        raise ConfigError(f"ks has {len(ks):,} list lengths; give at most {MOST_LENGTHS}, such as 1, 10, 100")
    if max(ks, default=1) > LONGEST_LIST:
        raise ConfigError(f"ks has {max(ks):.3g}; the largest list length is {LONGEST_LIST:,}")


def compared(metrics: Iterable[str]) -> tuple[str, str]:
    """The metrics by which engines are compared: recall and NDCG at the largest k up to 10, else at the smallest k.

    Example:
        >>> compared(["recall@5", "ndcg@5", "recall@20", "ndcg@20"])
        ('recall@5', 'ndcg@5')
    """
    ks = {parse_metric(metric)[1] for metric in metrics}
    k = max((k for k in ks if k <= 10), default=min(ks))
    return f"recall@{k}", f"ndcg@{k}"


def shown(engines: Mapping[str, Mapping[str, object]], wanted: Iterable[str]) -> list[str]:
    """The ``wanted`` metrics that all ``engines`` of a report have, or else those of `compared`.

    Example:
        >>> shown({"a": {"recall@5": 0, "ndcg@5": 0}}, ["recall@10"]), shown({"a": {"recall@10": 0}}, ["recall@10"])
        (['recall@5', 'ndcg@5'], ['recall@10'])
    """
    found = [metric for metric in wanted if all(metric in engine for engine in engines.values())]
    return found or list(compared(metric for metric in next(iter(engines.values())) if "@" in metric))
