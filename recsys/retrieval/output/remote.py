"""A folder of an object store, such as S3, by fsspec: an object appears when its upload is complete, and not before.

There is no rename; none is needed, for readers go by the manifest, which is written last.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fsspec

from recsys.atomic import MARK, MARK_TEXT, json_text, parse_json
from recsys.digest import short_digest
from recsys.errors import ArtifactError, ConfigError
from recsys.json_values import JsonMapping

_LARGEST_JSON = 2**28
"""Bytes of the largest JSON file that is read."""


class RemoteFolder:
    """See `recsys.retrieval.output.folder.OutputFolder`. A log is one small object for each text that is added.

    Args:
        address: as ``s3://bucket/lists``; credentials, region and endpoint are those of the environment, as
            ``AWS_ACCESS_KEY_ID`` and ``AWS_ENDPOINT_URL``.

    Raises:
        ConfigError: fsspec does not know the file system, or its package is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        try:
            self._system, root = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"{address} cannot be opened ({error}); s3:// needs s3fs: pip install 'recsys-towers[s3]'"
            ) from error
        self._root: str = root.rstrip("/")

    def claim(self) -> None:
        try:
            if MARK in (names := self.names()):
                return
            if not names:
                self._system.pipe_file(self._path(MARK), MARK_TEXT)
                return
        except Exception as error:  # each file system raises exceptions of its own
            reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            raise ConfigError(
                f"{self.address} cannot be written ({reason}); check address, bucket, network and credentials"
            ) from error
        raise ArtifactError(
            f"{self.address} has objects that recsys did not write; choose another address (recommend.output), or move "
            "them away"
        )

    def names(self) -> Set[str]:
        self._system.invalidate_cache()
        try:
            found = self._system.ls(self._root, detail=False)
        except FileNotFoundError:
            return set()
        return {path.rstrip("/").rpartition("/")[2] for path in found if path.rstrip("/") != self._root}

    def open(self, name: str) -> IO[bytes]:
        self._system.invalidate_cache()
        file: IO[bytes] = self._system.open(self._path(name), "rb")
        return file

    def digest(self, name: str) -> str | None:
        try:
            with self.open(name) as file:
                digest = hashlib.sha256()
                while block := file.read(2**22):
                    digest.update(block)
                return digest.hexdigest()
        except FileNotFoundError:
            return None

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="recsys-part-") as folder:
            path = Path(folder) / name
            yield path
            self._system.put_file(str(path), self._path(name))

    def rename(self, name: str, other: str) -> None:
        self._system.copy(self._path(name), self._path(other))
        self.remove(name)

    def remove(self, name: str) -> None:
        try:
            self._system.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def read_json(self, name: str) -> object:
        where = f"{self.address}/{name}"
        try:
            with self.open(name) as file:
                found = file.read(_LARGEST_JSON + 1)
        except FileNotFoundError as error:
            raise ArtifactError(f"{where} does not exist; did the run that writes it finish?") from error
        return parse_json(found, where)

    def write_json(self, name: str, value: JsonMapping) -> None:
        self._system.pipe_file(self._path(name), json_text(value).encode("utf-8"))

    def log(self, name: str) -> str:
        pieces = self._pieces(name)
        texts = self._system.cat([self._path(piece) for piece in pieces]) if pieces else {}
        try:
            return "".join(text.decode("utf-8") for text in texts.values())
        except UnicodeDecodeError:
            return ""

    def begin_log(self, name: str, text: str) -> None:
        self.remove_log(name)
        if text:
            self.append_log(name, text)

    def append_log(self, name: str, text: str) -> None:
        self._system.pipe_file(self._path(f"{name}.{short_digest([text])}"), text.encode("utf-8"))

    def remove_log(self, name: str) -> None:
        for piece in self._pieces(name):
            self.remove(piece)

    def _pieces(self, name: str) -> list[str]:
        return sorted(each for each in self.names() if each.startswith(f"{name}."))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
