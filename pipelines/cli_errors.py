"""Errors of the command line as one message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from pipelines.signals import stop_if_received
from recsys.errors import ConfigError
from recsys.tracking import for_people

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_TEXTS = ("No space left on device", "database or disk is full", "Disk quota exceeded")
"""Of errors without a number: those of safetensors, and of SQLite below MLflow."""
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def describe(error: Exception) -> str:
    """The message of an error that no part of the product has told in its own words."""
    usage = getattr(error, "format_message", None)  # click's own errors, from wherever Typer has its click
    if usage:
        return str(usage())
    if getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _FULL_TEXTS):
        return (
            f"the disk is full{_where(error)}; make room, or choose a folder on another disk with --output; the same "
            "command continues where it stopped"
        )
    if isinstance(error, OSError) and error.errno in _REFUSED:
        return f"{error.strerror}{_where(error)}; choose a folder that may be written with --output, or allow it"
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.strerror}{_where(error)}; choose another path"
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"


def refuse_several_processes() -> None:
    """Refuses a launcher of several processes.

    Raises:
        ConfigError: ``WORLD_SIZE`` is not 1.
    """
    if (count := os.environ.get("WORLD_SIZE", "1")) != "1":
        told = "recsys is one process; start it without torchrun, or fit in a script of your own, see recsys/README.md"
        raise ConfigError(f"WORLD_SIZE={count} asks for several processes, which would write the same folders; {told}")


def fail(message: str, debug: bool) -> NoReturn:
    """Prints the message to stderr, with ``debug`` below the traceback, and exits with 1."""
    stop_if_received()
    try:
        if debug:
            traceback.print_exc()
        if sys.stderr is not None:  # print would take stdout
            print(f"error: {for_people(message)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):  # stderr is closed; the exit code is all that can be told
        sys.stderr = None
    sys.exit(1)


def _where(error: Exception) -> str:
    """The full path that the error names."""
    name = getattr(error, "filename", None)
    return f" at {Path(name).absolute()}" if isinstance(name, str) else ""
