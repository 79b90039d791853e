"""Atomic writes: beside, fsync, rename; a killed writer leaves the old thing or the new one, never a half."""

from __future__ import annotations

import ctypes
import glob
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys.errors import ArtifactError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write a file or folder at; it takes ``path``'s place when the block ends well.

    What a killed writer of this machine left beside ``path`` is removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    beside = _beside(path, "partial")
    _remove(beside)
    try:
        yield beside
        _sync(beside)
        _replace(beside, path)
        _sync(path.parent)
    finally:
        _remove(beside)


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8 at ``path``, atomically."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """``value`` as indented JSON with sorted keys, atomically; NaN is refused, for JSON has none."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value at ``path``.

    Raises:
        ArtifactError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist; was the run that writes it finished?") from error
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{path} cannot be read as JSON ({error}); remove it and make it again") from error


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.{suffix}")


def _replace(beside: Path, path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        beside.replace(path)
    elif not _exchanged(beside, path):
        old = _beside(path, "old")
        _remove(old)
        path.rename(old)
        beside.rename(path)
        _remove(old)


def _exchanged(beside: Path, path: Path) -> bool:
    """Whether both changed places, at no moment of which ``path`` is missing; only Linux can, and not everywhere."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of linux/fs.h
    return bool(rename(here, os.fsencode(beside), here, os.fsencode(path), exchange) == 0)


def _sweep(path: Path) -> None:
    """Removes what dead writers left; a folder that one had moved away without bringing another is put back."""
    name = glob.escape(f".{path.name}.{platform.node()}.")
    for left in sorted(path.parent.glob(f"{name}*")):
        pid, _, suffix = left.name.removeprefix(f".{path.name}.{platform.node()}.").partition(".")
        if suffix not in ("partial", "old") or not pid.isdigit() or _alive(int(pid)):
            continue
        if suffix == "old" and not path.exists():
            left.rename(path)
        else:
            _remove(left)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    targets = [path, *(p for p in path.rglob("*") if p.is_file())] if path.is_dir() else [path]
    for target in targets:
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
