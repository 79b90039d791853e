"""Exceptions of the library; each message says where the error is, what was found and how to correct it."""

import re

_OBJECT = re.compile(r"<(?:[\w.]*\.)?(\w+)[^<>]*\bat 0x[0-9a-fA-F]+>")


class RecsysError(Exception):
    """Base class of the exceptions of this library."""


class DataError(RecsysError):
    """A table, a stored dataset or a request has errors."""


class ConfigError(RecsysError):
    """A configuration key is unknown, or values are out of range or do not fit together."""


class ArtifactError(RecsysError):
    """A bundle, checkpoint, table or report is missing, damaged or of an unknown version."""


class PromotionError(RecsysError):
    """The model registry lacks the champion, earlier version or alias that an operation needs."""


def without_objects(text: str) -> str:
    """A message without the addresses of objects in memory, which help no user.

    Example:
        >>> without_objects("cannot read <_io.BytesIO object at 0x7f1d2c>")
        'cannot read BytesIO'
    """
    return _OBJECT.sub(r"\1", text)


def reason_of(error: BaseException) -> str:
    """The first line of the message of another library's exception; its kind where it has none."""
    lines = without_objects(str(error)).splitlines()
    return lines[0][:300] if lines and lines[0].strip() else type(error).__name__
