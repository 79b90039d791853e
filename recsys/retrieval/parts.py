"""The Parquet parts of a batch recommendation: written atomically, and recognised by a later run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.atomic import atomic_path, claim, write_text
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.errors import ArtifactError
from recsys.files.input_file import read_bytes
from recsys.retrieval.manifest import MANIFEST, Manifest, Part, digest
from recsys.retrieval.top_up import Lists


@dataclass(frozen=True)
class Stamp:
    """What a part was made from, in the metadata of its Parquet schema; a rerun keeps the parts with its own stamp.

    Args:
        model_version: of the model, as the caller named it.
        data_fingerprint: of the dataset.
        fingerprint: of the options, the data and the model together.
    """

    model_version: str
    data_fingerprint: str
    fingerprint: str


JOURNAL = ".parts.sha256"
"""The digests of the parts of an unfinished batch, in the format of ``sha256sum``; the manifest replaces it."""
_LARGEST_JOURNAL = 2**28
"""Bytes of the largest journal that is read."""
_WRITTEN = re.compile(
    rf"part-[0-9]{{5,}}\.parquet|\.(part-[0-9]{{5,}}\.parquet|{re.escape(MANIFEST)}|{re.escape(JOURNAL)})\..*\.partial"
)
"""Names of parts, and of the incomplete temporary files of killed batches."""


def name_of(number: int) -> str:
    """The file name of part ``number``."""
    return f"part-{number:05d}.parquet"


def clean(directory: Path, stamp: Stamp, count: int) -> set[int]:
    """Removes the manifest and all parts but the complete ones with ``stamp``; returns the numbers of those.

    Args:
        directory: the output folder; created if missing.
        stamp: of the batch that starts.
        count: the number of its parts.

    Raises:
        ArtifactError: the folder has files that no batch wrote, or a folder with the name of a part.
    """
    claim(directory)
    written = _written(directory)
    finished = {
        n for n in range(count) if _stamp_of(directory / name_of(n)) == stamp and _as_written(directory, n, written)
    }
    keep = {name_of(number) for number in finished}
    write_text(directory / JOURNAL, "".join(_entry(name, written[name]) for name in sorted(keep)))
    (directory / MANIFEST).unlink(missing_ok=True)
    for path in directory.iterdir():
        if _WRITTEN.fullmatch(path.name) and path.name not in keep:
            if path.is_dir() and not path.is_symlink():
                raise ArtifactError(f"{path.absolute()} is a folder where a batch writes a file; move it away")
            path.unlink()
    return finished


def write(
    directory: Path,
    number: int,
    users: Vocabulary,
    items: Vocabulary,
    lists: Lists,
    stamp: Stamp,
    mark_fallback: bool = False,
) -> None:
    """Writes one part: the lists of ``users`` [U], without the padding of short lists.

    Args:
        directory: the output folder.
        number: of the part.
        users: [U] ids.
        items: ids of the catalogue.
        lists: [U, K].
        stamp: for the metadata.
        mark_fallback: whether the part has the column ``fallback``.

    Raises:
        ArtifactError: another batch in the same folder deleted the file while it was written.
    """
    rows, scores, fallback = lists
    filled = rows != MISSING
    user, column = np.nonzero(filled)
    columns = {
        "user_id": _ids(users, user),
        "item_id": _ids(items, rows[filled]),
        "rank": pa.array(column.astype(np.int32) + 1),
        "score": pa.array(scores[filled]),
    }
    metadata = {**asdict(stamp), "users_without": str(int((~filled.any(axis=1)).sum()))}
    if mark_fallback:
        columns["fallback"] = pa.array(fallback[filled])
        whole, some = fallback[:, 0], fallback.any(axis=1)
        metadata |= {"fallback_users": str(int(whole.sum())), "topped_up_users": str(int((some & ~whole).sum()))}
    with _no_other_batch(directory), atomic_path(directory / name_of(number)) as beside:
        pq.write_table(
            pa.table(columns).replace_schema_metadata(metadata),
            beside,
            use_dictionary=["user_id", "item_id", "rank"],
            write_statistics=["user_id"],
        )


def record(directory: Path, part: Part) -> None:
    """Adds the digest of a complete part to the journal."""
    with (directory / JOURNAL).open("a", encoding="utf-8") as journal:
        journal.write(_entry(part.name, part.sha256))


def check(directory: Path, stamp: Stamp, count: int) -> None:
    """Checks that the parts of a batch that several processes wrote all have its stamp.

    Raises:
        ArtifactError: a process of another batch has replaced one.
    """
    if any(_stamp_of(directory / name_of(number)) != stamp for number in range(count)):
        raise ArtifactError(f"another batch writes to {directory}; recommend again when it has ended")


def end(directory: Path) -> None:
    """Removes the journal, whose digests are in the manifest now."""
    (directory / JOURNAL).unlink(missing_ok=True)


def described(directory: Path, number: int, users: int) -> Part:
    """The manifest's entry of a complete part: its number of rows and digest, read from the file.

    Args:
        directory: the output folder.
        number: of the part.
        users: the number of users of the part, with or without a list.

    Raises:
        ArtifactError: another batch that started in the same folder deleted the file.
    """
    path = directory / name_of(number)
    with _no_other_batch(directory):
        footer, sha256 = pq.read_metadata(path), digest(path)
        if sha256 is None:
            raise FileNotFoundError(path)
    without, fallback, topped_up = (
        int(footer.metadata.get(name, b"0")) for name in (b"users_without", b"fallback_users", b"topped_up_users")
    )
    return Part(path.name, users, without, fallback, topped_up, footer.num_rows, sha256)


@contextmanager
def _no_other_batch(directory: Path) -> Iterator[None]:
    """Raises ArtifactError for a FileNotFoundError in the block: only another batch in the folder deletes parts."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"another batch writes to {directory}; recommend again when it has ended") from error


def _ids(vocabulary: Vocabulary, rows: Any) -> pa.Array:
    if vocabulary.holds_integers:
        return pa.array(vocabulary.ids[rows])
    return pa.array(vocabulary.ids, pa.string()).take(pa.array(rows))


def _stamp_of(path: Path) -> Stamp | None:
    """The stamp of the part at ``path``; None if it is missing, incomplete or no file."""
    if not path.is_file():
        return None
    try:
        found = pq.read_metadata(path).metadata
        return Stamp(*(found[name.encode()].decode() for name in Stamp.__dataclass_fields__))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError):
        return None


def _entry(name: str, sha256: str) -> str:
    return f"{sha256}  {name}\n"


def _written(directory: Path) -> dict[str, str]:
    """The digest of each part as it was written, by name: from the manifest, or the journal of an unfinished batch."""
    try:
        return {part.name: part.sha256 for part in Manifest.load(directory).parts}
    except ArtifactError:
        pass
    try:
        lines = read_bytes(directory / JOURNAL, _LARGEST_JOURNAL).decode("utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    return {name: sha256 for sha256, name in (line.split("  ") for line in lines if line.count("  ") == 1)}


def _as_written(directory: Path, number: int, written: Mapping[str, str]) -> bool:
    """Whether the part has the bytes that were written for this number, and not those of another part."""
    name = name_of(number)
    return name in written and digest(directory / name) == written[name]
