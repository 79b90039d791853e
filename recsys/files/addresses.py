"""Addresses of servers, databases and tables as they may be shown and stored: without their passwords."""

from __future__ import annotations

import re
from pathlib import Path

LEFT_OUT = "..."
_PASSWORD = re.compile(r"(:/{1,3})([^/@:]*):[^/]*@")
_PARAMETER = re.compile(
    r"((?:^|[?&;\s])(?:[a-z0-9_-]*(?:password|passwd|pwd|token|secret|signature)|sig|[a-z_-]*api_?key)=)[^&;\s]+", re.I
)
_MAY_HOLD_PARAMETERS = re.compile(r":/|(^|\s)(host|dbname|user)=")
_WORD = re.compile(r"\S+")


def without_password(address: str) -> str:
    """The address as it may be shown; `pathlib` writes the two slashes of some as one.

    Example:
        >>> without_password("https://ann:secret@shop.example/mlflow")
        'https://ann:...@shop.example/mlflow'
        >>> without_password("https://shop.example/x.csv?part=1&token=secret")
        'https://shop.example/x.csv?part=1&token=...'
    """
    shown = _PASSWORD.sub(rf"\1\2:{LEFT_OUT}@", address)
    return _PARAMETER.sub(rf"\1{LEFT_OUT}", shown) if _MAY_HOLD_PARAMETERS.search(shown) else shown


def without_passwords(text: str) -> str:
    """A message without the passwords of the addresses in it.

    Example:
        >>> without_passwords("nothing at s3://ann:secret@shop/x.csv; write to bob@shop.example")
        'nothing at s3://ann:...@shop/x.csv; write to bob@shop.example'
    """
    return _WORD.sub(lambda word: without_password(word[0]), text)


def nameable(path: Path) -> Path:
    """``path`` as things are named after it: of an address without user, password and parameters.

    Example:
        >>> nameable(Path("s3://ann:secret@shop/events.csv?token=secret")).as_posix()
        's3:/shop/events.csv'
    """
    text = str(path)
    if not re.search(r"(^|/)[a-z][a-z0-9+.-]+:/", text):
        return path
    return Path(re.sub(r"(:/+)[^/]*@", r"\1", text).partition("?")[0])


def lacks_password(address: str) -> bool:
    """Whether a password was left out of an address, as in a config that recsys has written."""
    return f":{LEFT_OUT}@" in address or re.search(rf"={re.escape(LEFT_OUT)}(&|;|\s|$)", address) is not None
