"""Columns of the interactions as a command line names them, ``ROLE=NAME``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recsys.choices import did_you_mean
from recsys.errors import ConfigError


def named_columns(texts: Iterable[str], roles: Sequence[str]) -> dict[str, str]:
    """Role -> column of each ``ROLE=NAME``.

    Raises:
        ConfigError: a text is of another form, or its role is none of ``roles``.

    Example:
        >>> named_columns(["user_id=customer id"], ("user_id", "item_id"))
        {'user_id': 'customer id'}
    """
    found = {}
    for text in texts:
        role, equals, name = text.partition("=")
        if not equals or not name or role not in roles:
            raise ConfigError(
                f"--column {text}: expected ROLE=NAME{did_you_mean(role, roles) or '.'} "
                f"The roles are: {', '.join(roles)}"
            )
        found[role] = name
    return found
