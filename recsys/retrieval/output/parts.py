"""The Parquet parts of a batch recommendation: written atomically, and recognised by a later run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.errors import ArtifactError
from recsys.retrieval.manifest import ID_COLUMNS, MANIFEST, Manifest, Part
from recsys.retrieval.output import OutputFolder, Place, output_folder
from recsys.retrieval.rules.reasons import reason_texts
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


@dataclass(frozen=True)
class Columns:
    """The columns of a part.

    Args:
        ids: the names of those of users and items.
        mark_fallback: whether there is the column ``fallback``.
    """

    ids: tuple[str, str] = ID_COLUMNS
    mark_fallback: bool = False


JOURNAL = ".parts.sha256"
"""The digests of the parts of an unfinished batch, in the format of ``sha256sum``; the manifest replaces it."""
_WRITTEN = re.compile(
    rf"part-[0-9]{{5,}}\.parquet|\.(part-[0-9]{{5,}}\.parquet|{re.escape(MANIFEST)}|{re.escape(JOURNAL)})\..*\.partial"
)
"""Names of parts, and of the incomplete temporary files of killed batches."""


def name_of(number: int) -> str:
    """The file name of part ``number``."""
    return f"part-{number:05d}.parquet"


def clean(directory: Place, stamp: Stamp, count: int) -> set[int]:
    """Removes the manifest and all parts but the complete ones with ``stamp``; returns the numbers of those.

    Args:
        directory: the output folder; created if missing.
        stamp: of the batch that starts.
        count: the number of its parts.

    Raises:
        ArtifactError: the folder has files that no batch wrote, or a folder with the name of a part.
    """
    folder = output_folder(directory)
    folder.claim()
    written, names = _written(directory), folder.names()
    there = [number for number in range(count) if name_of(number) in names]
    finished = {n for n in there if _stamp_of(folder, n) == stamp and _as_written(folder, n, written)}
    keep = {name_of(number) for number in finished}
    folder.begin_log(JOURNAL, "".join(_entry(name, written[name]) for name in sorted(keep)))
    folder.remove(MANIFEST)
    for name in folder.names():
        if _WRITTEN.fullmatch(name) and name not in keep:
            folder.remove(name)
    return finished


def write(
    directory: Place,
    number: int,
    users: Vocabulary,
    items: Vocabulary,
    lists: Lists,
    stamp: Stamp,
    form: Columns | None = None,
) -> None:
    """Writes one part: the lists of ``users`` [U], without the padding of short lists.

    Args:
        directory: the output folder.
        number: of the part.
        users: [U] ids.
        items: ids of the catalogue.
        lists: [U, K].
        stamp: for the metadata.
        form: which columns the part has; None is those of a batch without a fallback.

    Raises:
        ArtifactError: another batch in the same folder deleted the file while it was written.
    """
    rows, scores, fallback, reasons = lists
    filled = rows != MISSING
    user, column = np.nonzero(filled)
    form = form or Columns()
    columns = {
        form.ids[0]: _ids(users, user),
        form.ids[1]: _ids(items, rows[filled]),
        "rank": pa.array(column.astype(np.int32) + 1),
        "score": pa.array(scores[filled]),
    }
    metadata = {**asdict(stamp), "users_without": str(int((~filled.any(axis=1)).sum()))}
    if form.mark_fallback:
        columns["fallback"] = pa.array(fallback[filled])
        whole, some = fallback[:, 0], fallback.any(axis=1)
        metadata |= {"fallback_users": str(int(whole.sum())), "topped_up_users": str(int((some & ~whole).sum()))}
    if reasons is not None:
        columns["reason"] = pa.array(reason_texts(reasons[filled]), pa.string())
    with _no_other_batch(directory), output_folder(directory).writing(name_of(number)) as beside:
        pq.write_table(
            pa.table(columns).replace_schema_metadata(metadata),
            beside,
            use_dictionary=[*form.ids, "rank"],
            write_statistics=[form.ids[0]],
        )


def record(directory: Place, part: Part) -> None:
    """Adds the digest of a complete part to the journal."""
    output_folder(directory).append_log(JOURNAL, _entry(part.name, part.sha256))


def check(directory: Place, stamp: Stamp, count: int) -> None:
    """Checks that the parts of a batch that several processes wrote all have its stamp.

    Raises:
        ArtifactError: a process of another batch has replaced one.
    """
    folder = output_folder(directory)
    if any(_stamp_of(folder, number) != stamp for number in range(count)):
        raise ArtifactError(f"another batch writes to {directory}; recommend again when it has ended")


def end(directory: Place) -> None:
    """Removes the journal, whose digests are in the manifest now."""
    output_folder(directory).remove_log(JOURNAL)


def described(directory: Place, number: int, users: int) -> Part:
    """The manifest's entry of a complete part: its number of rows and digest, read from the file.

    Args:
        directory: the output folder.
        number: of the part.
        users: the number of users of the part, with or without a list.

    Raises:
        ArtifactError: another batch that started in the same folder deleted the file.
    """
    folder, name = output_folder(directory), name_of(number)
    with _no_other_batch(directory):
        with folder.open(name) as file:
            footer = pq.read_metadata(file)
        sha256 = folder.digest(name)
        if sha256 is None:
            raise FileNotFoundError(name)
    without, fallback, topped_up = (
        int(footer.metadata.get(name, b"0")) for name in (b"users_without", b"fallback_users", b"topped_up_users")
    )
    return Part(name, users, without, fallback, topped_up, footer.num_rows, sha256)


def footer_of(directory: Place, name: str) -> tuple[str, int]:
    """The fingerprint of the batch that a part was made for, empty where it has none, and its number of rows.

    Raises:
        OSError: there is no such file.
        ValueError: it is no Parquet.
    """
    with output_folder(directory).open(name) as file:
        footer = pq.read_metadata(file)
    return (footer.metadata or {}).get(b"fingerprint", b"").decode(), footer.num_rows


@contextmanager
def _no_other_batch(directory: Place) -> Iterator[None]:
    """Raises ArtifactError for a FileNotFoundError in the block: only another batch in the folder deletes parts."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"another batch writes to {directory}; recommend again when it has ended") from error


def _ids(vocabulary: Vocabulary, rows: Any) -> pa.Array:
    if vocabulary.holds_integers:
        return pa.array(vocabulary.ids[rows])
    return pa.array(vocabulary.ids, pa.string()).take(pa.array(rows))


def _stamp_of(folder: OutputFolder, number: int) -> Stamp | None:
    """The stamp of a part; None if it is missing, incomplete or no file."""
    try:
        with folder.open(name_of(number)) as file:
            found = pq.read_metadata(file).metadata
        return Stamp(*(found[name.encode()].decode() for name in Stamp.__dataclass_fields__))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError):
        return None


def _entry(name: str, sha256: str) -> str:
    return f"{sha256}  {name}\n"


def _written(directory: Place) -> dict[str, str]:
    """The digest of each part as it was written, by name: from the manifest, or the journal of an unfinished batch."""
    try:
        return {part.name: part.sha256 for part in Manifest.load(directory).parts}
    except ArtifactError:
        pass
    lines = output_folder(directory).log(JOURNAL).splitlines()
    return {name: sha256 for sha256, name in (line.split("  ") for line in lines if line.count("  ") == 1)}


def _as_written(folder: OutputFolder, number: int, written: Mapping[str, str]) -> bool:
    """Whether the part has the bytes that were written for this number, and not those of another part."""
    name = name_of(number)
    return name in written and folder.digest(name) == written[name]
