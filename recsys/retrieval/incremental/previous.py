"""The previous output of a folder: set aside while a batch is made, for the lists of unchanged users."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.data.vocabulary import MISSING, Ids, Rows, Vocabulary
from recsys.errors import ArtifactError
from recsys.retrieval.incremental.fingerprints import SIZE
from recsys.retrieval.manifest import MANIFEST, Manifest, is_part
from recsys.retrieval.output import Place, output_folder
from recsys.retrieval.output.id_arrays import arrow_ids, ids_of
from recsys.retrieval.rules.block import empty_lists
from recsys.retrieval.rules.reasons import reason_bits
from recsys.retrieval.top_up import Lists

PREVIOUS = ".previous."
"""The beginning of the names of the previous output while another is made."""
_ASIDE = f"{PREVIOUS}json"
_OF_PART = re.compile(r"_users-[0-9]{5,}\.pq")
_OPEN = 4
"""Parts of the previous output that are kept in memory."""


def users_of_part(number: int) -> str:
    """The name of the file with the fingerprints of the users of a part."""
    return f"_users-{number:05d}.pq"


def set_aside(directory: Place, fingerprint: str) -> None:
    """Renames the finished batch in ``directory``, if it is another than that of ``fingerprint``.

    The manifest is removed last, so that a killed command begins again here until all files have their other names.
    """
    folder = output_folder(directory)
    if MANIFEST not in folder.names():
        return
    try:
        manifest = Manifest.load(directory)
    except ArtifactError:
        return
    if manifest.fingerprint == fingerprint:
        return
    raw = folder.read_json(MANIFEST)
    assert isinstance(raw, dict), "it was loaded"
    folder.write_json(_ASIDE, raw)
    for name in folder.names():
        if is_part(name) or _OF_PART.fullmatch(name):
            folder.rename(name, f"{PREVIOUS}{name}")
    folder.remove(MANIFEST)


def discard(directory: Place, parts: int) -> None:
    """Removes the previous output, and the fingerprints of parts from number ``parts`` on."""
    folder, kept = output_folder(directory), {users_of_part(number) for number in range(parts)}
    for name in folder.names():
        if name.startswith(PREVIOUS) or (_OF_PART.fullmatch(name) and name not in kept):
            folder.remove(name)


def save_users(
    place: tuple[Place, int], users: Vocabulary, rows: Rows, fingerprints: Sequence[bytes], made: Mapping[str, str]
) -> None:
    """Writes the fingerprints of the users of a part, and how many rows each has in it.

    Args:
        place: the output folder, and the number of the part.
        users: [U].
        rows: [U].
        fingerprints: [U].
        made: what the part was made from, for the metadata.
    """
    columns = {"user_id": arrow_ids(users.ids, users.holds_integers), "rows": pa.array(rows.astype(np.int32))}
    columns["fingerprint"] = pa.array(fingerprints, pa.binary(SIZE))
    with output_folder(place[0]).writing(users_of_part(place[1])) as beside:
        pq.write_table(pa.table(columns).replace_schema_metadata(made), beside, use_dictionary=False)


class Previous:
    """The lists of the previous output that was set aside in a folder.

    Args:
        directory: the output folder.
        common: digests of what all lists are made from, by name; lists of others are not taken.
    """

    def __init__(self, directory: Place, common: Mapping[str, str]) -> None:
        self._folder, self._directory = output_folder(directory), directory
        self.changed: tuple[str, ...] | None = None
        """What of ``common`` is another; None where there is no previous output with fingerprints."""
        self._manifest = self._load()
        ids: list[Ids] = []
        places: list[NDArray[np.int64]] = []
        self._fingerprints: list[bytes] = []
        for number in range(0 if self._manifest is None else len(self._manifest.parts)):
            table = self._users(number, common)
            if table is not None:
                stop = np.cumsum(table["rows"].to_numpy(), dtype=np.int64)
                start = stop - table["rows"].to_numpy()
                ids.append(ids_of(table["user_id"]))
                places.append(np.stack([np.full(len(table), number), start, stop], axis=1))
                self._fingerprints += table["fingerprint"].to_pylist()
        self._users_known = Vocabulary(np.concatenate(ids)) if ids else None
        self._places = np.concatenate(places) if places else np.zeros((0, 3), np.int64)
        self._table = lru_cache(_OPEN)(self._read)

    def unchanged(self, users: Vocabulary, fingerprints: Sequence[bytes]) -> Rows:
        """int64 [U]: the place of each user in the previous output; MISSING for those who are new or changed."""
        if self._users_known is None:
            return np.full(len(users), MISSING)
        rows = self._users_known.rows(users.ids)
        known = self._fingerprints
        same = [row != MISSING and known[row] == mine for row, mine in zip(rows.tolist(), fingerprints, strict=True)]
        parts = np.unique(self._places[rows[same], 0]).tolist()
        whole = [number for number in parts if self._table(number) is not None]
        found = np.array(same, bool) & np.isin(self._places[rows, 0], whole)
        return np.where(found, rows, MISSING)

    def lists(self, places: Rows, k: int, items: Vocabulary) -> Lists:
        """[n, k]: the lists at ``places``, which `unchanged` returned, with rows of ``items``."""
        lists = empty_lists((len(places), k))
        assert lists.reasons is not None
        for owner, place in enumerate(places.tolist()):
            number, start, stop = self._places[place].tolist()
            table = self._table(number)
            assert table is not None, "the users of a part are read before its lists"
            at, width = slice(start, stop), slice(0, stop - start)
            lists.rows[owner, width] = items.rows(table["ids"][at])
            lists.scores[owner, width] = table["score"][at]
            lists.fallback[owner, width] = table["fallback"][at]
            lists.reasons[owner, width] = table["reason"][at]
        return lists

    def _load(self) -> Manifest | None:
        try:
            return Manifest.load(self._directory, _ASIDE)
        except ArtifactError:
            return None

    def _users(self, number: int, common: Mapping[str, str]) -> pa.Table | None:
        """The users of a part whose lists may be taken; None without any."""
        try:
            with self._folder.open(f"{PREVIOUS}{users_of_part(number)}") as file:
                table = pq.read_table(file)
            made = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            assert self._manifest is not None
            if made.pop("fingerprint") != self._manifest.fingerprint:
                return None
        except (OSError, pa.ArrowException, KeyError, UnicodeDecodeError):
            return None
        self.changed = tuple(name for name, digest in common.items() if made.get(name) != digest)
        return None if self.changed else table

    def _read(self, number: int) -> dict[str, NDArray[np.generic]] | None:
        """The columns of a part of the previous output; None if it is not as it was written."""
        assert self._manifest is not None
        part = self._manifest.parts[number]
        renamed = replace(part, name=f"{PREVIOUS}{part.name}")
        if self._folder.digest(renamed.name) != part.sha256:
            return None
        table = self._manifest.part_table(self._directory, renamed)
        n = len(table)
        marks = table["fallback"].to_numpy() if "fallback" in table.column_names else np.zeros(n, bool)
        texts = table["reason"].to_pylist() if "reason" in table.column_names else []
        reasons = reason_bits(texts) if texts else np.zeros(n, np.int32)
        ids, scores = ids_of(table.column(1)), table["score"].to_numpy()
        return {"ids": ids, "score": scores, "fallback": marks, "reason": reasons}
