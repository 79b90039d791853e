"""Types of JSON and TOML values; their precise type would be recursive, so they are `Any` here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object or a TOML table."""

JsonMapping: TypeAlias = Mapping[str, Any]
"""A `JsonObject` that is only read."""
