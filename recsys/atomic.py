"""Atomic writes: beside, fsync, rename; a killed writer leaves the old thing or the new one, never a half.

A folder is replaced or removed only where it is empty or carries `MARK`, which every folder written here has.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys.errors import ArtifactError

MARK = ".recsys"
"""The file that says that a folder was made here; readers of tables pass over hidden names."""

MARK_TEXT = b"This folder was made by recsys, which replaces or removes it as it needs; keep nothing of yours in it.\n"
_LONGEST = 120
"""Bytes of a name from which its temporary neighbours are named by a digest: a name in a folder has at most 255."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write a file or folder at; it takes ``path``'s place when the block ends well.

    What a killed writer of this machine left beside ``path`` is removed first. A folder gets the `MARK`.

    Raises:
        ArtifactError: ``path`` is a folder that was not made here, which is told before the block begins; or a file is
            to take the place of a folder, or a folder that of a file. Nothing is touched.
    """
    refuse_foreign(path)
    make_parents(path)
    _sweep(path)
    beside = _beside(path, "partial")
    _remove(beside)
    try:
        yield beside
        if beside.is_dir():
            (beside / MARK).write_bytes(MARK_TEXT)
        refuse_foreign(path)
        if os.path.lexists(path) and path.is_dir() != beside.is_dir():
            raise ArtifactError(_told(path, "is a folder" if path.is_dir() else "is a file", beside.is_dir()))
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


def is_ours(directory: Path) -> bool:
    """Whether a folder may be replaced or removed: it is empty, or it carries the `MARK`."""
    try:
        return MARK_TEXT.startswith((directory / MARK).read_bytes())  # a part of it where the writer was killed
    except FileNotFoundError:
        return directory.is_dir() and not any(directory.iterdir())
    except OSError:
        return False


def refuse_foreign(path: Path, in_place: bool = False) -> None:
    """Refuses to write at ``path`` where a folder stands that was not made here, or a link to a folder.

    Args:
        path: of a file or folder that is to be written.
        in_place: whether the folder is written into and not replaced; then a link to one that was made here will do.

    Raises:
        ArtifactError: names the folder and the remedy.
    """
    if path.is_dir() and path.is_symlink() and not in_place:
        raise ArtifactError(_told(path, "is a link to a folder", folder=True))
    if path.is_dir() and not is_ours(path):
        raise ArtifactError(
            f"{path.absolute()} is a folder that recsys did not make and will not replace; choose another --output, or "
            "move the folder away"
        )


def claim(directory: Path) -> None:
    """Makes ``directory`` with its `MARK`, to be written into piece by piece; one that was made here stays as it is.

    Raises:
        ArtifactError: it holds something that was not made here, or is a file.
    """
    refuse_file(directory)
    refuse_foreign(directory, in_place=True)
    make_parents(directory / MARK)
    if not (directory / MARK).is_file():
        (directory / MARK).write_bytes(MARK_TEXT)


def remove_folder(directory: Path) -> None:
    """Removes a folder that was made here, with all that is in it; a missing one is fine.

    Raises:
        ArtifactError: it was not made here, or is a file or a link.
    """
    refuse_file(directory)
    refuse_foreign(directory)
    _remove(directory)


def refuse_file(directory: Path) -> None:
    """Refuses a file where a folder must be.

    Raises:
        ArtifactError: it is one.
    """
    if os.path.lexists(directory) and not directory.is_dir():
        raise ArtifactError(_told(directory, "is a file", folder=True))


def make_parents(path: Path) -> None:
    """Makes the folders that ``path`` lies in.

    Raises:
        ArtifactError: one of them is a file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ArtifactError(_told(path.parent, "is, or lies in, a file", folder=True)) from error


def _told(path: Path, found: str, folder: bool) -> str:
    wanted = "folder" if folder else "file"
    return f"{path.absolute()} {found}, where recsys writes a {wanted}; choose another --output, or move it away"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{_temporary(path)}{os.getpid()}.{suffix}")


def _temporary(path: Path) -> str:
    """What the names of temporary neighbours of ``path`` begin with on this machine."""
    name = path.name if len(os.fsencode(path.name)) <= _LONGEST else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return f".{name}.{platform.node()}."


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
    ours = re.compile(re.escape(_temporary(path)) + r"([1-9][0-9]{0,8})\.(partial|old)")
    for left in sorted(path.parent.iterdir()):
        named = ours.fullmatch(left.name)
        if named is None or _alive(int(named[1])) or (named[2] == "old" and not is_ours(left)):
            continue
        if named[2] == "old" and not path.exists():
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
