"""Checks of a run's config across its sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys.choices import did_you_mean
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.config import RunConfig


def check_split(config: RunConfig, what: str) -> None:
    """Checks that the run holds interactions out, which ``what`` needs.

    Raises:
        ConfigError: it has no split.
    """
    if not config.has_split:
        raise ConfigError(
            f"{what} measures engines on held-out interactions, and the run has no split; add [split] with a protocol, "
            'such as "leave_one_out", or "random" where the data has no order'
        )


def check_engine(config: RunConfig, key: str, name: str) -> None:
    """Checks that ``name``, the value of ``key``, is an engine of the run.

    Raises:
        ConfigError: it is not; the message names the nearest.
    """
    if name not in config.engines:
        raise ConfigError(
            f"{key} = {name!r} is no engine of this run{did_you_mean(name, config.engines) or '.'} "
            f"[engines] has: {', '.join(config.engines)}"
        )
