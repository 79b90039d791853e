"""The manifest of a folder of recommendations: what is in it, and what it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from recsys.atomic import read_json, write_json
from recsys.digest import file_sha256
from recsys.errors import ArtifactError
from recsys.json_values import JsonObject

MANIFEST = "manifest.json"
_VERSION = 1


@dataclass(frozen=True)
class Part:
    """One Parquet file: its users, how many of them have no recommendation, its rows and its digest."""

    name: str
    users: int
    users_without: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a finished batch recommendation left; it is written last.

    Args:
        model_version: of the model, as the caller named it.
        data_fingerprint: of the dataset whose users were answered.
        fingerprint: of options, data and model together; outputs with the same fingerprint are byte-identical.
        options: how it was made.
        parts: the files, in the order of the users.
    """

    model_version: str
    data_fingerprint: str
    fingerprint: str
    options: JsonObject
    parts: tuple[Part, ...]

    @property
    def users(self) -> int:
        return sum(part.users for part in self.parts)

    @property
    def users_without(self) -> int:
        return sum(part.users_without for part in self.parts)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def save(self, directory: Path) -> None:
        totals = {"users": self.users, "users_without": self.users_without, "rows": self.rows}
        write_json(directory / MANIFEST, {"version": _VERSION, **totals, **asdict(self)})

    @classmethod
    def load(cls, directory: Path) -> Manifest:
        """What `save` wrote.

        Raises:
            ArtifactError: it is missing (the run did not finish), damaged or of an unknown version.
        """
        raw = read_json(directory / MANIFEST)
        try:
            if raw["version"] != _VERSION:
                raise ArtifactError(f"{directory / MANIFEST} has version {raw['version']!r}; recommend again")
            parts = tuple(Part(**part) for part in raw["parts"])
            return cls(raw["model_version"], raw["data_fingerprint"], raw["fingerprint"], raw["options"], parts)
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"{directory / MANIFEST} is not a manifest ({error!r}); recommend again") from error

    def verify(self, directory: Path) -> None:
        """Compares every part with its digest.

        Raises:
            ArtifactError: names the parts that are missing or changed.
        """
        bad = [part.name for part in self.parts if digest(directory / part.name) != part.sha256]
        if bad:
            raise ArtifactError(f"{directory}: {', '.join(bad)} missing or changed since written; recommend again")


def digest(path: Path) -> str | None:
    """sha256 of a file in hexadecimal; None when it does not exist."""
    try:
        return file_sha256(path)
    except FileNotFoundError:
        return None


def read_recommendations(directory: Path, users: Iterable[int | str] | None = None) -> pd.DataFrame:
    """``user_id, item_id, rank, score`` of a finished batch, verified; of ``users`` alone when given.

    Raises:
        ArtifactError: the batch is unfinished or a part has changed.
    """
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    wanted = None if users is None else list(users)
    filters = [("user_id", "in", wanted)] if wanted else None
    frames = [pd.read_parquet(directory / part.name, filters=filters) for part in manifest.parts]
    table = pd.concat(frames, ignore_index=True)
    return table.iloc[:0] if wanted == [] else table
