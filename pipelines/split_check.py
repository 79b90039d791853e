"""Check that a run holds interactions out to measure with."""

from __future__ import annotations

from recsys.errors import ConfigError


def check_split(has_split: bool, what: str) -> None:
    """Checks that the run has a split, which ``what`` needs.

    Raises:
        ConfigError: it has none.
    """
    if not has_split:
        raise ConfigError(
            f"{what} measures engines on held-out interactions, and the run has no split; add [split] with a protocol, "
            'such as "leave_one_out", or "random" where the data has no order'
        )
