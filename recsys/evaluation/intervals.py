"""Bootstrap confidence intervals and paired tests of metrics; users are resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.seeding import stream

_BINS = 2**12
_MANY = 50_000
"""Above this many users the values are binned to `_BINS` and the counts of the bins are drawn, not single users."""


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, its 95 % bootstrap interval, and the p-value of a sign-flip test."""

    difference: float
    low: float
    high: float
    p: float


def bootstrap_interval(values: NDArray[np.float64], seed: int = 0, n: int = 2000) -> Interval:
    """The percentile bootstrap over users (Efron, 1979).

    Args:
        values: float64 [U], one per user.
        seed: of the resampling.
        n: number of resamples; they are drawn in blocks, so memory does not grow with U.
    """
    if not len(values):
        return Interval(0.0, 0.0, 0.0)
    means = _resampled(values, stream(seed, "bootstrap"), n)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def ratio_interval(parts: NDArray[np.integer], wholes: NDArray[np.integer], seed: int = 0, n: int = 2000) -> Interval:
    """The sum of ``parts`` over the sum of ``wholes``, and its percentile bootstrap over users.

    Users are drawn with all their targets, for these are found or missed together. If every whole is 1
    this is `bootstrap_interval` of the parts. Memory is a block of resamples of the distinct pairs.

    Args:
        parts: int64 [U], such as hits; each at most its whole.
        wholes: int64 [U], such as targets; users with 0 are left out.
        seed: of the resampling.
        n: number of resamples.
    """
    counted = np.flatnonzero(wholes)
    if not len(counted):
        return Interval(0.0, 0.0, 0.0)
    width = int(wholes.max()) + 1
    pairs, counts = np.unique(wholes[counted] * width + parts[counted], return_counts=True)
    whole, part = np.divmod(pairs, width)
    rng, block = stream(seed, "bootstrap"), max(1, 2**22 // len(pairs))
    sizes = [min(block, n - start) for start in range(0, n, block)]
    drawn = (rng.multinomial(len(counted), counts / len(counted), size) for size in sizes)
    ratios = np.concatenate([(times @ part) / (times @ whole) for times in drawn])
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(float(parts.sum() / wholes.sum()), float(low), float(high))


def paired_test(a: NDArray[np.float64], b: NDArray[np.float64], seed: int = 0, n: int = 2000) -> Difference:
    """Paired sign-flip test of the mean difference ``a - b`` over the same users.

    The interval is a bootstrap of the users' differences; p is two-sided, from flipping the sign of each user's
    difference at random, and never below ``1 / (n + 1)``.

    Args:
        a: float64 [U], the metric of one engine.
        b: float64 [U], of the other, the same users in the same order.
        seed: of the resampling.
        n: number of resamples, and of random sign flips.
    """
    assert len(a) == len(b), "paired values are of the same users"
    interval = bootstrap_interval(a - b, seed, n)
    rng, difference = stream(seed, "flips"), a - b
    moving = difference[difference != 0]
    if not len(moving):
        return Difference(interval.value, interval.low, interval.high, 1.0)
    extreme = int((np.abs(_flipped(moving, rng, n)) >= abs(moving.sum()) - 1e-12).sum())
    return Difference(interval.value, interval.low, interval.high, (extreme + 1) / (n + 1))


def unpaired_test(a: NDArray[np.float64], b: NDArray[np.float64], seed: int = 0, n: int = 2000) -> Difference:
    """Permutation test of the difference of means ``a - b`` of two groups of users.

    The interval is a bootstrap of each group by itself; p is two-sided, from dividing all users at random into groups
    of the same sizes, and never below ``1 / (n + 1)``.

    Args:
        a: float64 [U], one value per user of the first group.
        b: float64 [V], of the second.
        seed: of the resampling.
        n: number of resamples, and of random divisions.

    Example:
        >>> found = unpaired_test(np.array([1.0, 2, 3]), np.array([1.0, 2, 3]))
        >>> found.difference, found.p
        (0.0, 1.0)
    """
    assert len(a), "a group has users"
    assert len(b), "a group has users"
    difference = float(a.mean() - b.mean())
    spread = _resampled(a, stream(seed, "bootstrap"), n) - _resampled(b, stream(seed, "other bootstrap"), n)
    low, high = np.quantile(spread, [0.025, 0.975])
    distinct, counts = _binned(np.concatenate([a, b]))
    drawn = stream(seed, "permutations").multivariate_hypergeometric(counts, len(a), n, method="marginals")
    firsts = drawn @ distinct
    shuffled = firsts / len(a) - (counts @ distinct - firsts) / len(b)
    extreme = int((np.abs(shuffled) >= abs(difference) - 1e-12).sum())
    return Difference(difference, float(low), float(high), (extreme + 1) / (n + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): adjusted p-values, each compared with the same significance level.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, row in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[row]))
        corrected[row] = highest
    return corrected


def _flipped(moving: NDArray[np.float64], rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Sums of ``moving`` under n random sign flips; among users of equal difference the number flipped is binomial."""
    if len(moving) > _MANY:
        size, counts = _binned(np.abs(moving))
        result: NDArray[np.float64] = (2.0 * rng.binomial(counts, 0.5, (n, len(counts))) - counts) @ size
        return result
    block = max(1, 2**22 // len(moving))
    parts = [
        (rng.integers(0, 2, (min(block, n - start), len(moving)), np.int8) * 2.0 - 1) @ moving
        for start in range(0, n, block)
    ]
    return np.concatenate(parts)


def _binned(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """At most `_BINS` values and the number of users of each; a bin of several values has their mean."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= _BINS:
        return distinct, counts
    width = (distinct[-1] - distinct[0]) / _BINS
    bins = np.minimum(((values - distinct[0]) / width).astype(np.int64), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    sums = np.bincount(bins, values, _BINS)
    return sums[counts > 0] / counts[counts > 0], counts[counts > 0]


def _resampled(values: NDArray[np.float64], rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Means of n resamples; multinomial counts of the distinct values are the same as drawing users."""
    distinct, counts = _binned(values) if len(values) > _MANY else np.unique(values, return_counts=True)
    if len(distinct) <= _BINS:
        drawn = rng.multinomial(len(values), counts / len(values), n)
        means: NDArray[np.float64] = drawn @ distinct / len(values)
        return means
    block = max(1, 2**22 // len(values))
    parts = [
        values[rng.integers(0, len(values), (min(block, n - start), len(values)))].mean(1)
        for start in range(0, n, block)
    ]
    return np.concatenate(parts)
