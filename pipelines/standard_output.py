"""Standard output that names itself where it cannot be written, so that no other file is blamed."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def name_errors() -> None:
    """Lets `sys.stdout` raise a `RecsysError` that names standard output; nothing where it is closed.

    A reader that has closed the pipe, as ``head`` does, is no error: the command ends without a word, with the status
    of a program that SIGPIPE ends, 141. Of other errors the first is raised, and what is written after it is dropped:
    Python would tell it again at its end.
    """
    given = sys.stdout
    if given is None:
        return
    given.flush()
    try:
        raw = _StandardOutput(given.fileno(), "w", closefd=False)
    except OSError:  # no file, as where a test catches what is printed
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=given.encoding, errors=given.errors, line_buffering=raw.isatty()
    )


_READER_GONE = 141
"""What a shell says of a program that SIGPIPE (13) ended."""


class _StandardOutput(io.FileIO):
    _failed = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self._failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._failed = True
            sys.exit(_READER_GONE)
        except OSError as error:
            from recsys.errors import RecsysError  # signals are handled before it is imported

            self._failed = True
            raise RecsysError(
                f"standard output cannot be written ({error.strerror}); send it to a file on another disk, or to no "
                "file; the same command continues where it stopped"
            ) from error
