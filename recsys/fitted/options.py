"""Options of an engine that are far from their defaults, and what they have done to its fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from recsys.config import Config
from recsys.errors import ConfigError, reason_of
from recsys.tracking import Tracker

TRIED = 64
"""Users and items whose scores are looked at after a fit with options that are far from their defaults."""
_FAR, _NEAR_ONE = 1000.0, 0.99
"""An option is far from its default at this factor, or as a share that is next to 1."""
_NO_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "not enough memory",
    "invalid buffer size",
    "multiplication overflow",
    "calculation overflowed",
    "array is too big",
    "Maximum allowed dimension",
)
"""Of errors of NumPy and PyTorch about arrays that no memory holds."""


def far_options(config: Config, path: str = "") -> Iterator[str]:
    """Numbers of ``config`` and its sections that are far from their defaults, each with its default.

    Example:
        >>> class Options(Config):
        ...     regularization: float = 100.0
        ...     dropout: float = 0.0
        >>> list(far_options(Options(regularization=1e30, dropout=0.2)))
        ['regularization = 1e+30 (default 100)']
    """
    for name, field in type(config).model_fields.items():
        value, default = getattr(config, name), field.get_default(call_default_factory=True)
        if isinstance(value, Config):
            yield from far_options(value, f"{path}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and _is_far(float(value), default):
            yield f"{path}{name} = {value:g} (default {'none' if default is None else f'{default:g}'})"


def _is_far(value: float, default: object) -> bool:
    if not isinstance(default, int | float) or default == 0:
        return abs(value) >= _FAR or _NEAR_ONE <= value < 1 or 0 < abs(value) < 1 / _FAR
    ratio = abs(value / default)
    return ratio >= _FAR or 0 < ratio <= 1 / _FAR or (default < _NEAR_ONE <= value < 1)


@contextmanager
def explained(kind: str, config: Config) -> Iterator[None]:
    """Names the options where a fit takes more memory than there is, or diverges.

    Raises:
        ConfigError: it did; names engine, options and remedy.
    """
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if not isinstance(error, MemoryError) and not any(text in str(error) for text in _NO_MEMORY):
            raise
        options = ", ".join(far_options(config)) or "its sizes and batches"
        raise ConfigError(f"{kind} takes more memory than there is ({reason_of(error)}); lower {options}") from error
    except ConfigError as error:
        options = ", ".join(option for option in far_options(config) if option.split(" = ")[0] not in str(error))
        if "diverged" not in str(error) or not options:
            raise
        raise ConfigError(f"{error}; or set closer to their defaults: {options}") from error


def check_scores(scores: NDArray[np.float32], kind: str, config: Config, tracker: Tracker) -> None:
    """Checks a few scores of an engine that was fitted with options that are far from their defaults.

    Warns where each user's scores are all equal, for the lists are then in the order of the catalogue.

    Args:
        scores: [U, I] of users and items that have vectors.
        kind: of the engine.
        config: its options.
        tracker: gets the warning.

    Raises:
        ConfigError: a score is NaN or infinite.
    """
    options = ", ".join(far_options(config))
    if not np.isfinite(scores).all():
        raise ConfigError(f"{kind} gives scores that are NaN or infinite; set closer to their defaults: {options}")
    if min(scores.shape) == 0 or scores.shape[1] < 2:
        return
    spread = scores.max(1) - scores.min(1)
    if (spread <= np.finfo(np.float32).eps * np.abs(scores).max(1)).all():
        tracker.info(
            f"  warning: {kind} scores all items alike, so its lists are in the order of the catalogue; set closer to "
            f"their defaults: {options}"
        )
