"""Exceptions of the library; each message says where the error is, what was found and how to correct it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

_OBJECT = re.compile(r"<(?:[\w.]*\.)?(\w+)[^<>]*\bat 0x[0-9a-fA-F]+>")


class RecsysError(Exception):
    """Base class of the exceptions of this library."""


class DataError(RecsysError):
    """A table, a stored dataset or a request has errors."""


class FieldError(DataError):
    """A field of a request is wrong.

    Args:
        message: what was found, and what to do.
        where: the field, such as ``history.3``.
    """

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, str], dict[str, object]]:
        """As other processes read it: of exceptions the message alone is pickled."""
        return type(self), (str(self), self.where), vars(self)


class ConfigError(RecsysError):
    """A configuration key is unknown, or values are out of range or do not fit together."""


class ArtifactError(RecsysError):
    """A bundle, checkpoint, table or report is missing, damaged or of an unknown version."""


class PromotionError(RecsysError):
    """The model registry lacks the champion, earlier version or alias that an operation needs."""


@contextmanager
def in_field(where: str) -> Iterator[None]:
    """Context manager: a `DataError` inside becomes a `FieldError` of the field ``where``."""
    try:
        yield
    except FieldError:
        raise
    except DataError as error:
        raise FieldError(str(error), where) from error


def described(value: object) -> str:
    """What an argument of another kind is, for messages.

    Example:
        >>> described([1, 2]), described(int), described(None), described("u1")
        ('a list', 'the class int', 'None', "the text 'u1'")
    """
    if isinstance(value, str):
        return f"the text {str(value)[:60]!r}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else _one(type(value))


def _one(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOUaeiou' else 'a'} {kind.__name__}"


def check_kind(what: str, value: object, kind: type, remedy: str) -> None:
    """Checks the kind of an argument.

    Args:
        what: the argument's name, for the message.
        value: of the argument.
        kind: that it has to be of.
        remedy: what to give.

    Raises:
        DataError: it is of another kind.
    """
    if not isinstance(value, kind):
        raise DataError(f"{what} is {described(value)}, not {_one(kind)}; {remedy}")


def checked_path(what: str, value: object) -> Path:
    """The path of a file or folder that an argument gives.

    Args:
        what: the argument's name, for the message.
        value: of the argument.

    Raises:
        DataError: it is no path.
    """
    if not isinstance(value, str | PathLike):
        raise DataError(f"{what} is {described(value)}, not a path; give a text or a Path")
    if "\0" in str(value):
        raise DataError(f"{what} is {str(value)[:60]!r}; no file can have this name")
    return Path(value)


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
