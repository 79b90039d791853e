"""The parts of a batch recommendation: written atomically, and recognised by a later run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.digest import file_sha256
from recsys.errors import ArtifactError
from recsys.retrieval.manifest import MANIFEST, PART, SUCCESS, Manifest, Part, is_part
from recsys.retrieval.output import OutputFolder, Place, output_folder
from recsys.retrieval.output.formats import RANK, Form, Format
from recsys.retrieval.rules.reasons import reason_texts
from recsys.retrieval.top_up import Lists


@dataclass(frozen=True)
class Stamp:
    """What a part was made from; a rerun keeps the parts with its own stamp.

    It stands in the journal, in the manifest, and in the metadata of a Parquet part.

    Args:
        model_version: of the model, as the caller named it.
        data_fingerprint: of the dataset.
        fingerprint: of the options, the data and the model together.
    """

    model_version: str
    data_fingerprint: str
    fingerprint: str


JOURNAL = ".parts.jsonl"
"""The complete parts of an unfinished batch with their stamps, one a line; the manifest replaces it."""
_PARTIAL = re.compile(rf"\.({PART}|{re.escape(MANIFEST)}|{re.escape(JOURNAL)}|{SUCCESS})\..*\.partial")
"""Names of the incomplete temporary files of killed batches."""


class Written(NamedTuple):
    """A part that was written.

    Args:
        part: its entry in the manifest.
        reused: how many of its users have the list of an earlier batch.
    """

    part: Part
    reused: int = 0


def name_of(number: int, kind: Format = "parquet") -> str:
    """The file name of part ``number``.

    Example:
        >>> name_of(3), name_of(100_000, "csv")
        ('part-00003.parquet', 'part-100000.csv')
    """
    return f"part-{number:05d}.{kind}"


def clean(directory: Place, stamp: Stamp, names: Sequence[str]) -> dict[int, Written]:
    """Removes the manifest and all parts but the complete ones with ``stamp``; returns those by their numbers.

    Args:
        directory: the output folder; created if missing.
        stamp: of the batch that starts.
        names: of its parts.

    Raises:
        ArtifactError: the folder has files that no batch wrote, or a folder with the name of a part.
    """
    folder = output_folder(directory)
    folder.claim()
    recorded, there = _recorded(directory, stamp), folder.names()
    finished = {
        number: recorded[name]
        for number, name in enumerate(names)
        if name in there and name in recorded and folder.digest(name) == recorded[name].part.sha256
    }
    kept = {each.part.name for each in finished.values()}
    folder.begin_log(JOURNAL, "".join(_entry(stamp, each) for each in finished.values()))
    for name in (SUCCESS, MANIFEST):
        folder.remove(name)
    for name in folder.names():
        if (is_part(name) or _PARTIAL.fullmatch(name)) and name not in kept:
            folder.remove(name)
    return finished


def write(
    directory: Place, number: int, users: Vocabulary, items: Vocabulary, lists: Lists, stamp: Stamp, form: Form
) -> Part:
    """Writes one part: the lists of ``users`` [U], without the padding of short lists; returns its entry.

    Args:
        directory: the output folder.
        number: of the part.
        users: [U] ids.
        items: ids of the catalogue.
        lists: [U, K].
        stamp: of the batch.
        form: of the part.

    Raises:
        ArtifactError: another batch in the same folder deleted the file while it was written.
    """
    rows, scores, fallback, reasons = lists
    filled = rows != MISSING
    user, column = np.nonzero(filled)
    owner, item = form.names[:2]
    columns = {
        owner: _ids(users, user),
        item: _ids(items, rows[filled]),
        RANK: pa.array(column.astype(np.int32) + 1),
        "score": pa.array(scores[filled]),
    }
    if "fallback" in form.names:
        columns["fallback"] = pa.array(fallback[filled])
    if reasons is not None:
        columns["reason"] = pa.array(reason_texts(reasons[filled]), pa.string())
    table, name = pa.table(columns).replace_schema_metadata(asdict(stamp)), name_of(number, form.format)
    with _no_other_batch(directory), output_folder(directory).writing(name) as beside:
        form.write(table, beside)
        sha256 = file_sha256(beside)
    whole, some = fallback[:, :1].any(axis=1), fallback.any(axis=1)
    counts = (~filled.any(axis=1), whole, some & ~whole)
    without, alone, topped_up = (int(each.sum()) for each in counts)
    return Part(name, len(users), without, alone, topped_up, len(table), sha256)


def record(directory: Place, stamp: Stamp, written: Written) -> None:
    """Adds a complete part to the journal."""
    output_folder(directory).append_log(JOURNAL, _entry(stamp, written))


def check(directory: Place, stamp: Stamp, written: Sequence[Part]) -> None:
    """Checks that the parts of a batch that several processes wrote are all of it.

    Raises:
        ArtifactError: a process of another batch has replaced one.
    """
    folder = output_folder(directory)
    if not all(_is_of(folder, part, stamp) for part in written):
        raise ArtifactError(f"another batch writes to {directory}; recommend again when it has ended")


def end(directory: Place) -> None:
    """Removes the journal, whose entries are in the manifest now, and writes `SUCCESS`."""
    folder = output_folder(directory)
    folder.remove_log(JOURNAL)
    with folder.writing(SUCCESS) as beside:
        beside.touch()


def batch_of(directory: Place, name: str) -> str:
    """The fingerprint of the batch that a Parquet part was made for, empty where it has none.

    Raises:
        OSError: there is no such file.
        ValueError: it is no Parquet.
    """
    with output_folder(directory).open(name) as file:
        footer = pq.read_metadata(file)
    found: bytes = (footer.metadata or {}).get(b"fingerprint", b"")
    return found.decode()


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


def _is_of(folder: OutputFolder, part: Part, stamp: Stamp) -> bool:
    """Whether the file of a part is that of the batch: by the metadata of a Parquet file, by its bytes of another."""
    if not part.name.endswith(".parquet"):
        return folder.digest(part.name) == part.sha256
    try:
        with folder.open(part.name) as file:
            found = pq.read_metadata(file).metadata
        return stamp == Stamp(*(found[name.encode()].decode() for name in Stamp.__dataclass_fields__))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError):
        return False


def _entry(stamp: Stamp, written: Written) -> str:
    return json.dumps({"stamp": asdict(stamp), "part": asdict(written.part), "reused": written.reused}) + "\n"


def _recorded(directory: Place, stamp: Stamp) -> dict[str, Written]:
    """The parts with ``stamp`` as they were written, by name: of the manifest, or of the journal."""
    try:
        manifest = Manifest.load(directory)
        found = Stamp(manifest.model_version, manifest.data_fingerprint, manifest.fingerprint)
        return {part.name: Written(part, part.users) for part in manifest.parts} if found == stamp else {}
    except ArtifactError:
        pass
    entries = {}
    for line in output_folder(directory).log(JOURNAL).splitlines():
        try:
            raw = json.loads(line)
            if raw["stamp"] == asdict(stamp):
                entries[raw["part"]["name"]] = Written(Part(**raw["part"]), int(raw["reused"]))
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a killed batch
    return entries
