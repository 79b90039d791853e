"""Evaluation users on disk, as part of a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.errors import ArtifactError


def save_holdout(holdout: Holdout, directory: Path) -> None:
    """Users, histories, targets and candidates, into a folder that does not exist yet."""
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
        raise ArtifactError(f"{directory} does not hold evaluation users ({error}); get the bundle again") from error
    return Holdout(users, Interactions.load(directory / "history"), Interactions.load(directory / "targets"), rows)
