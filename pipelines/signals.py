"""Ctrl-C and SIGTERM: a command stops within two seconds, wherever it is, with one line that says how to go on.

Everything that recsys writes is written beside and renamed, so that a process may end at any moment.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

_GRACE_SECONDS = 1.5
"""After so long a process ends though its main thread has not come back from native code."""
_STOPS = (signal.SIGINT, signal.SIGTERM)
_told = threading.Lock()
_received: list[int] = []
_ended: list[int] = []


class StoppedError(BaseException):
    """A signal asked the process to stop. No Exception, and no KeyboardInterrupt, which libraries catch.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def hold_closed_streams() -> None:
    """Opens the null device for each of stdin, stdout and stderr that is closed, as ``2>&-`` does.

    The next file to be opened would get its number otherwise, and what is told would be written into that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def install() -> None:
    """Lets SIGINT and SIGTERM raise `StoppedError` in the main thread, and end the process soon after.

    Elsewhere than in the main thread nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _STOPS:
        signal.signal(number, _raise)
    atexit.register(_leave)  # the first to be registered is the last to run
    sys.unraisablehook = _stop_if_swallowed
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(receiver, sender), daemon=True, name="signals").start()


def stop(number: int) -> NoReturn:
    """Says how to go on and ends the process with 128 + ``number``, without waiting for anything."""
    for each in _STOPS:
        with suppress(ValueError):  # not in the main thread
            signal.signal(each, signal.SIG_IGN)
    if _told.acquire(blocking=False):
        what = "interrupted" if number == signal.SIGINT else "terminated"
        with suppress(OSError):
            os.write(2, f"\n{what}; the same command continues where it stopped\n".encode())
        os._exit(128 + number)
    threading.Event().wait()
    raise AssertionError("the other thread ends the process")


def stop_if_received() -> None:
    """Ends the process if a signal was received: C code may have turned `StoppedError` into another error."""
    if _received:
        stop(_received[0])


def hand_over(end: Callable[[], None]) -> None:
    """Lets a server handle the signals: it finishes the requests that it has begun, and then the command ends.

    Args:
        end: asks the server to end; called by a signal that comes before the server has handlers of its own.
    """
    signal.set_wakeup_fd(-1)
    for number in _STOPS:
        signal.signal(number, lambda *_: end())


def complete() -> None:
    """All is done but a last step of a moment, after which a rerun would do more: from now on no signal stops it.

    Nothing happens in a process of another program, which has handlers of its own.
    """
    for number in _STOPS:
        if signal.getsignal(number) is _raise:
            signal.set_wakeup_fd(-1)
            signal.signal(number, signal.SIG_IGN)


def finish(code: int) -> None:
    """A command has ended with ``code``: a signal while Python shuts down ends the process at once, with that code."""
    _ended.append(code)
    for number in _STOPS:
        signal.signal(number, lambda *_: os._exit(code))


def _leave() -> None:
    """Ends the process after all exit handlers: what Python still tears down takes seconds and hears no signal."""
    if _ended:
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except (OSError, ValueError):
                return  # Python tells it
            except Exception:  # stdout cannot be written either, after another error, which was told
                continue
        os._exit(_ended[0])


def _stop_if_swallowed(unraisable: sys.UnraisableHookArgs) -> None:
    """Stops where a signal arrived in a destructor or a callback, out of which nothing can be raised."""
    if isinstance(unraisable.exc_value, StoppedError):
        stop(unraisable.exc_value.number)
    sys.__unraisablehook__(unraisable)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    _received.append(number)
    logging.disable(logging.CRITICAL)  # libraries log a traceback of what they close on the way out
    raise StoppedError(number)


def _watch(receiver: socket.socket, sender: socket.socket) -> None:
    """Ends the process some time after a signal; ``sender`` is held open."""
    while received := receiver.recv(1):
        if received[0] in _STOPS:
            threading.Event().wait(_GRACE_SECONDS)
            stop(received[0])
    sender.close()
