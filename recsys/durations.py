"""Lengths of time as they are written in configs and on the command line."""

from __future__ import annotations

import re

from recsys.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds_of(text: str, key: str = "budget") -> float:
    """A length of time in seconds: numbers with the units s, m or h; a number alone is seconds.

    Args:
        text: such as ``90s``, ``10m``, ``2h`` or ``1h30m``.
        key: of the config, or option of the command, for messages.

    Raises:
        ConfigError: ``text`` is no length of time, or nought.

    Example:
        >>> seconds_of("90"), seconds_of("1.5h"), seconds_of("1h30m")
        (90.0, 5400.0, 5400.0)
    """
    lower = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smh]?)", lower)
    if "".join(number + unit for number, unit in parts) != "".join(lower.split()) or not parts:
        raise ConfigError(f"{key} = {text!r} is no length of time; write such as 90s, 10m, 2h or 1h30m")
    seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if seconds <= 0:
        raise ConfigError(f"{key} = {text!r} leaves no time; write such as 90s, 10m, 2h or 1h30m")
    return seconds
