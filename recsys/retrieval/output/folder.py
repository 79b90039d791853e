"""The interface of output folders, and which one a place has."""

from __future__ import annotations

from collections.abc import Set
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from recsys.errors import checked_path
from recsys.json_values import JsonMapping

Place: TypeAlias = Path | str
"""A folder, or an address as ``s3://bucket/lists``."""


class OutputFolder(Protocol):
    """Files that appear under their names whole or not at all."""

    def claim(self) -> None:
        """Makes the folder with its mark.

        Raises:
            ArtifactError: it has other content, or is a file.
            ConfigError: the place cannot be reached.
        """
        ...

    def names(self) -> Set[str]:
        """The names of the files in the folder, not those deeper in it."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """A file to read.

        Raises:
            FileNotFoundError: there is no regular file of this name.
        """
        ...

    def digest(self, name: str) -> str | None:
        """SHA-256 of a file in hexadecimal; None where there is no file of this name."""
        ...

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Context manager: a local path to write at; that file replaces ``name`` when the block ends well."""
        ...

    def rename(self, name: str, other: str) -> None:
        """Gives a file another name."""
        ...

    def remove(self, name: str) -> None:
        """Removes a file, if it is there.

        Raises:
            ArtifactError: it is a folder.
        """
        ...

    def read_json(self, name: str) -> object:
        """See `recsys.atomic.read_json`."""
        ...

    def write_json(self, name: str, value: JsonMapping) -> None:
        """See `recsys.atomic.write_json`."""
        ...

    def log(self, name: str) -> str:
        """The text of a log; empty where there is none or it cannot be read."""
        ...

    def begin_log(self, name: str, text: str) -> None:
        """Replaces a log by one with this text."""
        ...

    def append_log(self, name: str, text: str) -> None:
        """Adds ``text`` to a log."""
        ...

    def remove_log(self, name: str) -> None:
        """Removes a log, if it is there."""
        ...


def output_folder(place: Place) -> OutputFolder:
    """The folder at a path or an address.

    Raises:
        ConfigError: the address is of a file system that fsspec does not know, or whose package is not installed.
        DataError: it is neither a path nor an address.
    """
    if isinstance(place, str) and "://" in place:
        protocol, _, path = place.partition("://")
        if protocol not in ("file", "local"):
            from recsys.retrieval.output.remote import RemoteFolder

            return RemoteFolder(place)
        place = path
    from recsys.retrieval.output.local import LocalFolder

    return LocalFolder(checked_path("directory", place))


def inside(place: Place, name: str) -> str:
    """The name of a file in messages.

    Example:
        >>> inside("s3://shop/lists/", "a"), inside(Path("lists"), "a")
        ('s3://shop/lists/a', 'lists/a')
    """
    return str(place / name) if isinstance(place, Path) else f"{place.rstrip('/')}/{name}"
