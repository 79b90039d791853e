"""Output folders: which files in one were written by recsys, so that a file of the user is never overwritten.

A command may write into a folder that already has files of the user, as with ``--output .``. The file ``.recsys`` in
the folder lists the names of the files that recsys writes there. A file that has such a name, but was in the folder
before the first command, is not in the list and is never written to.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from recsys.atomic import MARK, refuse_file, write_text
from recsys.errors import ArtifactError
from recsys.files.input_file import read_bytes

_HEADING = "recsys writes these files in this folder and overwrites them; other files are left as they are:"
_LARGEST_LIST = 2**20
"""Bytes of the largest list that is read."""


def check_output_folder(directory: Path, files: Iterable[str]) -> None:
    """Refuses an output folder with files of the user that a command would overwrite. Nothing is written.

    Args:
        directory: the output folder; it need not exist.
        files: what the command writes: names relative to ``directory``, or patterns such as ``stages/*.json``.

    Raises:
        ArtifactError: names a file of the user and the remedy; or ``directory`` is a file, or a folder that recsys
            replaces as a whole, such as a bundle.
    """
    refuse_file(directory)
    mark, listed = directory / MARK, _listed(directory)
    if os.path.lexists(mark) and not listed:
        raise ArtifactError(
            f"{mark.absolute()} is not the list of an output folder: the folder is one that recsys replaces as a "
            "whole, such as a bundle, or the file is yours; choose another --output, or move the file away"
        )
    for pattern in files:
        if pattern not in listed and (found := _present(directory, pattern)):
            raise ArtifactError(
                f"{found[0].absolute()} was not written by recsys, which writes a file of that name; choose another "
                "--output, or move the file away"
            )


def claim_output_folder(directory: Path, files: Iterable[str]) -> None:
    """Makes ``directory`` and adds those of ``files`` that do not exist in it to its list of recsys's files.

    Raises:
        ArtifactError: as `check_output_folder` with no files.
    """
    check_output_folder(directory, ())
    listed = _listed(directory)
    names = sorted({*listed, *(pattern for pattern in files if not _present(directory, pattern))})
    if names != sorted(listed):
        write_text(directory / MARK, "\n".join([_HEADING, *names]) + "\n")


def missing_folders(directory: Path) -> list[Path]:
    """``directory`` and its parents that do not exist, the innermost first."""
    absolute = directory.absolute()
    return [path for path in (absolute, *absolute.parents) if not os.path.lexists(path)]


def remove_unused(made: list[Path], *files: str) -> None:
    """Removes an output folder that has nothing but its list and ``files``, and its parents.

    Args:
        made: the folder and its parents, as `missing_folders` gave them before they were made.
        files: names in the folder that may be removed.
    """
    names = [] if not made else [path.name for path in made[0].iterdir()]
    if not made or not set(names) <= {MARK, *files}:
        return
    for name in names:
        (made[0] / name).unlink()
    for path in made:
        with suppress(OSError):  # somebody else has written into it
            path.rmdir()


def _listed(directory: Path) -> list[str]:
    """The names and patterns in the list of an output folder; empty where it has none."""
    try:
        heading, *names = read_bytes(directory / MARK, _LARGEST_LIST).decode("utf-8").splitlines()
    except (OSError, ValueError):
        return []
    return names if heading == _HEADING else []


def _present(directory: Path, pattern: str) -> list[Path]:
    path = directory / pattern
    return sorted(directory.glob(pattern)) if "*" in pattern else [path] * os.path.lexists(path)
