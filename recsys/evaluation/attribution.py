"""The attribution: the contribution of each modality to a metric, as Shapley values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from recsys.evaluation.intervals import Interval, bootstrap_interval

Values = NDArray[np.float64]
"""float64 [U]: a metric of each user."""

Coalition = frozenset[str]


@dataclass(frozen=True)
class Contribution:
    """The contribution of one modality, in points of the metric, with 95 % intervals over users.

    Args:
        shapley: its mean contribution over all orders in which the modalities could be added.
        left_out: the metric of all modalities minus that of all but this one.
        alone: the metric of this modality alone minus that of a model with all modalities masked.
        share: its Shapley value divided by the sum of all, which is ``full - empty`` of the `Attribution`.
    """

    shapley: Interval
    left_out: Interval
    alone: Interval
    share: float


@dataclass(frozen=True)
class Attribution:
    """The contribution of each modality over all users and over slices of them.

    Args:
        metric: such as ``recall@20``.
        full: mean metric of the model with all modalities.
        empty: mean metric of the model with all modalities masked.
        contributions: modality -> its contribution over all users.
        slices: slice name -> modality -> its contribution over the slice's users.
    """

    metric: str
    full: Interval
    empty: Interval
    contributions: Mapping[str, Contribution]
    slices: Mapping[str, Mapping[str, Contribution]]


def coalitions(modalities: Sequence[str]) -> Iterator[Coalition]:
    """All subsets, the empty one first.

    Example:
        >>> [sorted(c) for c in coalitions(["a", "b"])]
        [[], ['a'], ['b'], ['a', 'b']]
    """
    for size in range(len(modalities) + 1):
        yield from map(frozenset, combinations(modalities, size))


def shapley_values(values: Mapping[Coalition, Values], modalities: Sequence[str]) -> dict[str, Values]:
    r"""The exact Shapley value of each modality, user by user (Shapley, 1953).

    :math:`\phi_m = \sum_{S \not\ni m} \frac{|S|! (n - |S| - 1)!}{n!} (v(S \cup m) - v(S))`; for every user they
    add up to :math:`v(\text{all}) - v(\emptyset)`.

    Args:
        values: coalition -> float64 [U], the metric of each user.
        modalities: n names.

    Example:
        >>> v = {frozenset(c): np.array([float(x)]) for c, x in (("", 0), ("a", 1), ("b", 0), ("ab", 3))}
        >>> {name: value.tolist() for name, value in shapley_values(v, "ab").items()}
        {'a': [2.0], 'b': [1.0]}
    """
    n = len(modalities)
    result = {}
    for name in modalities:
        others = [other for other in modalities if other != name]
        terms = [
            factorial(len(inside))
            * factorial(n - len(inside) - 1)
            / factorial(n)
            * (values[inside | {name}] - values[inside])
            for inside in coalitions(others)
        ]
        result[name] = np.sum(terms, axis=0)
    return result


def build_attribution(
    evaluate: Callable[[Coalition], Values],
    modalities: Sequence[str],
    metric: str,
    slices: Mapping[str, NDArray[np.bool_]] | None = None,
    seed: int = 0,
) -> Attribution:
    """Exact Shapley attribution of a metric: evaluates each of the 2^n coalitions, the other modalities masked.

    Args:
        evaluate: maps a coalition, the modalities that are not masked, to the metric of each user [U]; the users and
            their order are always the same.
        modalities: their names.
        metric: the name of the metric that ``evaluate`` computes.
        slices: slice name -> bool [U], the users that belong to it; slices of no user or of all are left out.
        seed: of the bootstrap resampling.
    """
    values = {inside: evaluate(inside) for inside in coalitions(modalities)}
    everyone = np.ones(len(values[frozenset()]), bool)
    full, empty = values[frozenset(modalities)], values[frozenset()]
    return Attribution(
        metric,
        bootstrap_interval(full, seed),
        bootstrap_interval(empty, seed),
        _contributions(values, modalities, everyone, seed),
        {
            name: _contributions(values, modalities, users, seed)
            for name, users in (slices or {}).items()
            if users.any() and not users.all()
        },
    )


def attribution_table(attribution: Attribution) -> str:
    """A Markdown table: a row per slice and modality, by descending Shapley value."""
    lines = [
        f"{attribution.metric}: all {attribution.full.value:.4f}, nothing {attribution.empty.value:.4f}",
        "| users | modality | Shapley | 95 % | share | left out | alone |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for users, contributions in {"all": attribution.contributions, **attribution.slices}.items():
        for name, contribution in sorted(contributions.items(), key=lambda pair: -pair[1].shapley.value):
            interval = f"{contribution.shapley.low:+.4f} to {contribution.shapley.high:+.4f}"
            lines.append(
                f"| {users} | {name} | {contribution.shapley.value:+.4f} | {interval} | {contribution.share:.0%} | "
                f"{contribution.left_out.value:+.4f} | {contribution.alone.value:+.4f} |"
            )
    return "\n".join(lines)


def _contributions(
    values: Mapping[Coalition, Values], modalities: Sequence[str], users: NDArray[np.bool_], seed: int
) -> dict[str, Contribution]:
    everything, nothing = frozenset(modalities), frozenset[str]()
    per_user = shapley_values(values, modalities)
    total = float((values[everything] - values[nothing])[users].mean())
    return {
        name: Contribution(
            bootstrap_interval(per_user[name][users], seed),
            bootstrap_interval((values[everything] - values[everything - {name}])[users], seed),
            bootstrap_interval((values[frozenset({name})] - values[nothing])[users], seed),
            float(per_user[name][users].mean()) / total if total else 0.0,
        )
        for name in modalities
    }
