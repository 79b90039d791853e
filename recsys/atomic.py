"""Atomic writes: write a temporary neighbour, fsync, rename. A killed process leaves the old or the new content.

A folder is replaced or removed only if it is empty or contains the file `MARK`, which every folder written here has.
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
from itertools import takewhile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from recsys.errors import ArtifactError
from recsys.files.input_file import read_bytes

MARK = ".recsys"
"""The file that marks a folder as written by this library; its name is hidden so that table readers skip it."""

MARK_TEXT = b"This folder was made by recsys, which replaces or removes it as it needs; keep nothing of yours in it.\n"
_LARGEST_JSON = 2**28
"""Bytes of the largest JSON file that is read."""
_NO_JSON = "{} cannot be read as JSON ({}); remove it and make it again"
_LONGEST = 120
"""Bytes above which a name is replaced by its digest in temporary names: file systems allow 255."""


def say_where(error: OSError, path: Path) -> None:
    """Gives an error of the system that names no file the path, for a write that failed does not say where."""
    if error.errno is not None and error.filename is None:
        error.filename = str(path)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Context manager: a temporary path to write a file or folder at, which replaces ``path`` when the block ends.

    If the block raises, ``path`` does not change. Temporary files of killed processes of this machine are removed
    first. A folder gets the `MARK`.

    Raises:
        ArtifactError: ``path`` is a folder that this library did not write, or has no name (``.`` or ``..``; both are
            raised before the block), or a file would replace a folder or a folder a file. Nothing is changed.
    """
    if path.name in ("", ".."):
        raise ArtifactError(
            f"{path.absolute()} is the folder you are in, or one above it; name a folder in it (--output)"
        )
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
            raise ArtifactError(_refusal(path, "is a folder" if path.is_dir() else "is a file", beside.is_dir()))
        _sync(beside)
        _replace(beside, path)
        _sync_one(path.parent)
    except OSError as error:
        say_where(error, path)
        raise
    except SafetensorError as error:  # its text alone has the number of an error of the disk
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
    finally:
        _remove(beside)


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` as UTF-8 to ``path``, atomically."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented JSON with sorted keys, atomically.

    Raises:
        ValueError: it contains NaN or infinity, which JSON does not have.
    """
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Indented JSON with sorted keys.

    Raises:
        ValueError: it contains NaN or infinity, which JSON does not have.
    """
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:
    """Reads the JSON file at ``path``.

    Raises:
        ArtifactError: the file is missing or is not JSON; NaN and infinity are not.
    """
    try:
        return parse_json(read_bytes(path, _LARGEST_JSON), str(path))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist; did the run that writes it finish?") from error
    except OSError as error:
        raise ArtifactError(_NO_JSON.format(path, error)) from error


def parse_json(content: bytes, name: str) -> Any:
    """The JSON value of the file ``name`` with this content.

    Raises:
        ArtifactError: it is not JSON; NaN and infinity are not.
    """
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(_NO_JSON.format(name, error)) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which JSON does not have")


def is_ours(directory: Path) -> bool:
    """Whether a folder may be replaced or removed: it is empty or contains the `MARK`."""
    try:
        mark = read_bytes(directory / MARK, len(MARK_TEXT))
        return MARK_TEXT.startswith(mark)  # the file is cut off if its writer was killed
    except FileNotFoundError:
        return directory.is_dir() and not any(directory.iterdir())
    except OSError:
        return False


def refuse_foreign(path: Path, in_place: bool = False) -> None:
    """Checks that ``path`` is not a folder that this library did not write, nor a link to a folder.

    Args:
        path: of the file or folder to write.
        in_place: whether files are written into the folder, which then may be a link to one with the `MARK`.

    Raises:
        ArtifactError: it is one; the message says what to do.
    """
    if path.is_dir() and path.is_symlink() and not in_place:
        raise ArtifactError(_refusal(path, "is a link to a folder", folder=True))
    if path.is_dir() and not is_ours(path):
        raise ArtifactError(
            f"{path.absolute()} is a folder that recsys did not make and will not replace; choose another folder "
            "(--output), or move this one away"
        )


def claim(directory: Path) -> None:
    """Creates ``directory`` with its `MARK`, for files that are written one by one; one with the `MARK` is kept.

    Raises:
        ArtifactError: it has other content, or is a file.
    """
    refuse_file(directory)
    refuse_foreign(directory, in_place=True)
    make_parents(directory / MARK)
    if not (directory / MARK).is_file():
        (directory / MARK).write_bytes(MARK_TEXT)


def remove_folder(directory: Path) -> None:
    """Removes a folder that this library wrote and all its content; does nothing if it does not exist.

    Raises:
        ArtifactError: this library did not write it, or it is a file or a link.
    """
    refuse_file(directory)
    refuse_foreign(directory)
    _remove(directory)


def refuse_file(directory: Path) -> None:
    """Checks that ``directory`` is not a file.

    Raises:
        ArtifactError: it is one.
    """
    if os.path.lexists(directory) and not directory.is_dir():
        raise ArtifactError(_refusal(directory, "is a file", folder=True))


def make_parents(path: Path) -> None:
    """Creates the parent folders of ``path``.

    Raises:
        ArtifactError: one of them is a file.
    """
    try:
        lacking = takewhile(lambda folder: not folder.is_dir(), (path.parent, *path.parent.parents))
        for folder in reversed(list(lacking)):  # mkdir(parents=True) is recursive, and folders may be 2,000 deep
            folder.mkdir(exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ArtifactError(_refusal(path.parent, "is, or lies in, a file", folder=True)) from error


def _refusal(path: Path, found: str, folder: bool) -> str:
    wanted = "folder" if folder else "file"
    return (
        f"{path.absolute()} {found}, where recsys writes a {wanted}; choose another folder (--output), or move it away"
    )


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{_temporary(path)}{os.getpid()}.{suffix}")


def _temporary(path: Path) -> str:
    """The beginning of the names of temporary neighbours of ``path`` on this machine."""
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
    """Exchanges both paths atomically by renameat2; False if the system or the file system does not support it."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of linux/fs.h
    return bool(rename(here, os.fsencode(beside), here, os.fsencode(path), exchange) == 0)


def _sweep(path: Path) -> None:
    """Removes temporary files of killed processes; a folder that one had renamed and not yet replaced is restored."""
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
    for target in [path, *(p for p in path.rglob("*") if p.is_file())] if path.is_dir() else [path]:
        _sync_one(target)


def _sync_one(path: Path) -> None:
    """Syncs a file; of a folder its entries, which a rename has changed, and not the files in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
