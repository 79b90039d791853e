"""The Parquet parts of a batch: written once each, and recognised by the next run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.atomic import atomic_path, claim
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.errors import ArtifactError
from recsys.ranking import Ranked
from recsys.retrieval.manifest import MANIFEST, Manifest, Part, digest


@dataclass(frozen=True)
class Stamp:
    """What every part says of itself in the metadata of its schema."""

    model_version: str
    data_fingerprint: str
    fingerprint: str


_WRITTEN = re.compile(rf"part-[0-9]{{5,}}\.parquet|\.(part-[0-9]{{5,}}\.parquet|{re.escape(MANIFEST)})\..*\.partial")
"""Names of parts, and of what killed batches left half-written."""


def name_of(number: int) -> str:
    """The file of a shard."""
    return f"part-{number:05d}.parquet"


def clean(directory: Path, stamp: Stamp, count: int) -> set[int]:
    """Removes what is not a finished part of ``stamp`` and returns the numbers of those that are.

    Raises:
        ArtifactError: the folder holds something that no batch made, or there is a folder in the place of a part.
    """
    claim(directory)
    finished = {n for n in range(count) if _stamp_of(directory / name_of(n)) == stamp}
    finished -= _changed(directory)
    keep = {name_of(number) for number in finished}
    (directory / MANIFEST).unlink(missing_ok=True)
    for path in directory.iterdir():
        if _WRITTEN.fullmatch(path.name) and path.name not in keep:
            if path.is_dir() and not path.is_symlink():
                raise ArtifactError(f"{path.absolute()} is a folder where a batch writes a file; move it away")
            path.unlink()
    return finished


def write(directory: Path, number: int, users: Vocabulary, items: Vocabulary, ranked: Ranked, stamp: Stamp) -> None:
    """One part: the lists of ``users`` [U], without the places that stayed empty.

    Raises:
        ArtifactError: another batch took it away half-way.
    """
    rows, scores = ranked
    filled = rows != MISSING
    user, place = np.nonzero(filled)
    columns = {
        "user_id": _ids(users, user),
        "item_id": _ids(items, rows[filled]),
        "rank": pa.array(place.astype(np.int32) + 1),
        "score": pa.array(scores[filled]),
    }
    lists = int(filled.any(axis=1).sum())
    metadata = {**asdict(stamp), "users_without": str(len(users) - lists)}
    with _alone(directory), atomic_path(directory / name_of(number)) as beside:
        pq.write_table(
            pa.table(columns).replace_schema_metadata(metadata),
            beside,
            use_dictionary=["user_id", "item_id", "rank"],
            write_statistics=["user_id"],
        )


def described(directory: Path, number: int, users: int) -> Part:
    """A finished part as the manifest lists it.

    Raises:
        ArtifactError: another batch took it away.
    """
    path = directory / name_of(number)
    with _alone(directory):
        footer, sha256 = pq.read_metadata(path), digest(path)
        if sha256 is None:
            raise FileNotFoundError(path)
    return Part(path.name, users, int(footer.metadata[b"users_without"]), footer.num_rows, sha256)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Around what writes or reads a part; one that is gone was taken away by another batch as it began."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"another batch writes to {directory}; recommend again when it has ended") from error


def _ids(vocabulary: Vocabulary, rows: Any) -> pa.Array:
    if vocabulary.holds_integers:
        return pa.array(vocabulary.ids[rows])
    return pa.array(vocabulary.ids, pa.string()).take(pa.array(rows))


def _stamp_of(path: Path) -> Stamp | None:
    """None when there is no whole part at ``path``."""
    try:
        found = pq.read_metadata(path).metadata
        return Stamp(*(found[name.encode()].decode() for name in Stamp.__dataclass_fields__))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError):
        return None


def _changed(directory: Path) -> set[int]:
    """Numbers of the parts that differ from what a finished run wrote in its manifest."""
    try:
        listed = Manifest.load(directory).parts
    except ArtifactError:
        return set()
    return {n for n, part in enumerate(listed) if digest(directory / part.name) != part.sha256}
