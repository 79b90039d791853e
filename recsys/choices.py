"""Tables of named implementations: look a name up, or list the choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Generic, TypeVar, cast

from recsys.errors import ConfigError

T = TypeVar("T")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'ease'?``, empty when no name is close."""
    close = get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


class Choices(Mapping[str, T], Generic[T]):
    """A mapping from a name to an object that is imported when it is first looked up.

    Adding an implementation is one new file and one line in its package's table.

    Args:
        kind: what the entries are, for error messages (``"engine"``).
        entries: name -> ``"module:attribute"``.

    Example:
        >>> Choices("number", {"pi": "math:pi"})["pi"]
        3.141592653589793
        >>> Choices("number", {"pi": "math:pi"})["pie"]
        Traceback (most recent call last):
        ...
        recsys.errors.ConfigError: unknown number 'pie'; did you mean 'pi'? The choices are: pi
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise ConfigError(
                f"unknown {self.kind} {name!r}{did_you_mean(name, self._entries) or '.'} "
                f"The choices are: {', '.join(sorted(self._entries))}"
            )
        module, attribute = self._entries[name].split(":")
        return cast(T, getattr(import_module(module), attribute))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
