"""A split on disk: written by prepare, read by every later stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recsys.atomic import atomic_path, read_json, write_json
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout, Split
from recsys.errors import ArtifactError

_VERSION = 1


def save_split(split: Split, directory: Path) -> None:
    """A folder: ``split.json``, interactions that `load_split` maps into memory, and a folder for each holdout."""
    with atomic_path(directory) as beside:
        beside.mkdir()
        split.train.save(beside / "train")
        split.refit.save(beside / "refit")
        save_holdout(split.validation, beside / "validation")
        save_holdout(split.test, beside / "test")
        header = {
            "version": _VERSION,
            "protocol": split.protocol,
            "cutoffs": split.cutoffs,
            "dropped_users": split.dropped_users,
            "fingerprint": split.fingerprint,
        }
        write_json(beside / "split.json", header)


def load_split(directory: Path) -> Split:
    """What `save_split` wrote.

    Raises:
        ArtifactError: a part is missing, damaged or of an unknown version.
    """
    header: dict[str, Any] = read_json(directory / "split.json")
    if header.get("version") != _VERSION:
        raise ArtifactError(f"{directory} has split version {header.get('version')!r}, this library reads {_VERSION}")
    return Split(
        header["protocol"],
        Interactions.load(directory / "train"),
        load_holdout(directory / "validation"),
        Interactions.load(directory / "refit"),
        load_holdout(directory / "test"),
        header["cutoffs"],
        header["dropped_users"],
    )


def save_holdout(holdout: Holdout, directory: Path) -> None:
    """The questions alone, into a folder that is not there yet."""
    directory.mkdir()
    np.save(directory / "users.npy", holdout.users)
    holdout.history.save(directory / "history")
    holdout.targets.save(directory / "targets")
    if holdout.candidates is not None:
        np.save(directory / "candidates.npy", holdout.candidates)


def load_holdout(directory: Path) -> Holdout:
    """What `save_holdout` wrote.

    Raises:
        ArtifactError: a part is missing or damaged.
    """
    candidates = directory / "candidates.npy"
    try:
        users = np.load(directory / "users.npy")
        rows = np.load(candidates) if candidates.exists() else None
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{directory} does not hold a part of a split ({error}); prepare the data again") from error
    return Holdout(users, Interactions.load(directory / "history"), Interactions.load(directory / "targets"), rows)
