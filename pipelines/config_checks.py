"""Checks of a run's config across its sections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recsys.choices import did_you_mean
from recsys.errors import ConfigError
from recsys.evaluation.metrics import parse_metric
from recsys.registry.gate import GateConfig

if TYPE_CHECKING:
    from pipelines.config import RunConfig


@contextmanager
def named(key: str) -> Iterator[None]:
    """Puts a key or section of the config before the message of a `ConfigError`."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}") from error


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


def check_gate(config: RunConfig, gate: GateConfig) -> None:
    """Checks that the report has every metric of the gate.

    Raises:
        ConfigError: its k is not in ``evaluate.ks``.
    """
    for name in (gate.metric, *gate.must_not_lose):
        if parse_metric(name)[1] not in config.evaluate.ks:
            raise ConfigError(
                f"promote.gate names {name!r}, but its k is not in evaluate.ks = {list(config.evaluate.ks)}; add it"
            )
