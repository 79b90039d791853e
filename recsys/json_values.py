"""The type of JSON and TOML values, which no annotation can say more precisely: the one place where they are `Any`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object or a TOML table."""

JsonMapping: TypeAlias = Mapping[str, Any]
"""A `JsonObject` that is only read."""
