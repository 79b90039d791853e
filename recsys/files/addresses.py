"""Addresses of servers, databases and tables as they may be shown and stored: without their passwords."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(:/{1,3})([^/@:]*):[^/]*@")


def without_password(address: str) -> str:
    """The address as it may be shown; `pathlib` writes the two slashes of some as one.

    Example:
        >>> without_password("https://ann:secret@shop.example/mlflow")
        'https://ann:...@shop.example/mlflow'
    """
    return _PASSWORD.sub(r"\1\2:...@", address)
