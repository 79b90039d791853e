"""A folder of a file system: files are written beside, synced and renamed."""

from __future__ import annotations

from collections.abc import Set
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from recsys.atomic import atomic_path, claim, read_json, write_json, write_text
from recsys.digest import file_sha256
from recsys.errors import ArtifactError
from recsys.files.input_file import read_bytes
from recsys.json_values import JsonMapping

_LARGEST_LOG = 2**28
"""Bytes of the largest log that is read."""


class LocalFolder:
    """See `recsys.retrieval.output.folder.OutputFolder`.

    Args:
        directory: the folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def claim(self) -> None:
        claim(self.directory)

    def names(self) -> Set[str]:
        return {path.name for path in self.directory.iterdir()}

    def open(self, name: str) -> IO[bytes]:
        path = self.directory / name
        if not path.is_file():  # a pipe would be waited for
            raise FileNotFoundError(path)
        return path.open("rb")

    def digest(self, name: str) -> str | None:
        path = self.directory / name
        return file_sha256(path) if path.is_file() else None

    def writing(self, name: str) -> AbstractContextManager[Path]:
        return atomic_path(self.directory / name)

    def rename(self, name: str, other: str) -> None:
        (self.directory / name).replace(self.directory / other)

    def remove(self, name: str) -> None:
        path = self.directory / name
        if path.is_dir() and not path.is_symlink():
            raise ArtifactError(f"{path.absolute()} is a folder where a batch writes a file; move it away")
        path.unlink(missing_ok=True)

    def read_json(self, name: str) -> object:
        found: object = read_json(self.directory / name)
        return found

    def write_json(self, name: str, value: JsonMapping) -> None:
        write_json(self.directory / name, value)

    def log(self, name: str) -> str:
        try:
            return read_bytes(self.directory / name, _LARGEST_LOG).decode("utf-8")
        except (OSError, ValueError):
            return ""

    def begin_log(self, name: str, text: str) -> None:
        write_text(self.directory / name, text)

    def append_log(self, name: str, text: str) -> None:
        with (self.directory / name).open("a", encoding="utf-8") as log:
            log.write(text)

    def remove_log(self, name: str) -> None:
        (self.directory / name).unlink(missing_ok=True)
