"""What is wrong with a training that ended without an error: it stopped in its warm-up, diverged, or learnt nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_LEAST_FALL = 0.001
"""A loss that falls by less than this share has not moved."""


def diagnose(curve: Sequence[Mapping[str, float]], steps: int, warmup: int) -> list[str]:
    """What a person should know of a finished training; nothing where all is well.

    Args:
        curve: one point per epoch: ``{"epoch": 1, "loss": 5.2, "metric": 0.07}``; the metric may be absent.
        steps: that were taken in all.
        warmup: steps in which the learning rate rises to its peak.

    Example:
        >>> diagnose([{"epoch": 1, "loss": 5.0}, {"epoch": 2, "loss": 6.1}], steps=200, warmup=50)
        ['the loss rose from 5 to 6.1: lower learning_rate, or set max_grad_norm = 1.0']
    """
    found: list[str] = []
    if not curve:
        return found
    first, last = curve[0]["loss"], curve[-1]["loss"]
    if steps < warmup:
        found.append(
            f"it ended after {steps} steps, inside its warm-up of {warmup}: the learning rate never reached its peak; "
            "lower max_tokens or warmup, or raise epochs or patience"
        )
    if len(curve) > 1 and last > first * (1 + _LEAST_FALL):
        found.append(f"the loss rose from {first:.4g} to {last:.4g}: lower learning_rate, or set max_grad_norm = 1.0")
    elif len(curve) > 2 and last > first * (1 - _LEAST_FALL):
        found.append(f"the loss has not moved from {first:.4g} in {len(curve)} epochs: raise learning_rate or epochs")
    metrics = [point["metric"] for point in curve if "metric" in point]
    if metrics and max(metrics) == 0:
        found.append(
            "the validation metric is 0 in every epoch: nothing that the validation users chose was ranked high"
        )
    return found
