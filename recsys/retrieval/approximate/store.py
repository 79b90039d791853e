"""An index on disk: the file of Faiss, the ids and rows of its items, and what it was built from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from recsys.atomic import atomic_path, read_json, write_json
from recsys.data.vocabulary import Ids
from recsys.digest import file_sha256, short_digest
from recsys.engine import Vectors
from recsys.errors import RecsysError
from recsys.retrieval.approximate import kinds
from recsys.retrieval.approximate.built import Built, IndexSetting, build
from recsys.retrieval.approximate.kinds import Kind

_FILE, _ABOUT, _ROWS, _IDS = "items.faiss", "index.json", "item_rows.npy", "item_ids.npy"
_VERSION = 2


def kept(kind: Kind, items: Vectors, setting: IndexSetting) -> Built:
    """The index in ``setting.folder`` where it is whole, of these vectors and for this recall; else built and kept.

    A folder that cannot be written to, as that of a bundle on another machine may be, keeps nothing.
    """
    if setting.folder is None:
        return build(kind, items, setting)
    made_of = _digest(items, setting)
    found = _load(setting.folder, kind, made_of, setting.target)
    if found is None:
        found = build(kind, items, setting)
        with suppress(OSError, RecsysError, RuntimeError):  # it is only made again the next time
            _save(found, kind, setting, made_of)
    return found


def _digest(items: Vectors, setting: IndexSetting) -> str:
    assert items.dense is not None
    ids = [] if setting.ids is None else ["\0".join(map(str, setting.ids.tolist()))]
    sparse = [] if items.sparse is None else [_csr_bytes(sp.csr_array(items.sparse))]
    valid = b"-" if items.valid is None else np.ascontiguousarray(items.valid).data
    return short_digest([np.ascontiguousarray(items.dense).data, valid, repr(items.dense.shape), *ids, *sparse])


def _csr_bytes(part: sp.csr_array) -> bytes:
    return b"".join(np.ascontiguousarray(each).tobytes() for each in (part.data, part.indices, part.indptr))


def _load(folder: Path, kind: Kind, made_of: str, target: float) -> Built | None:
    """None where there is none, or it is damaged, or of other vectors or for another recall."""
    try:
        about = read_json(folder / _ABOUT)
        if [about[key] for key in ("version", "kind", "vectors", "target")] != [_VERSION, kind.name, made_of, target]:
            return None
        if any(file_sha256(folder / name) != digest for name, digest in about["files"].items()):
            return None
        rows = np.load(folder / _ROWS, allow_pickle=False)
        return Built(kinds.read(folder / _FILE), rows, int(about["breadth"]), about["recall"], target)
    except (OSError, RecsysError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return None


def _save(built: Built, kind: Kind, setting: IndexSetting, made_of: str) -> None:
    assert setting.folder is not None
    with atomic_path(setting.folder) as beside:
        beside.mkdir()
        kinds.write(built.index, beside / _FILE)
        np.save(beside / _ROWS, built.rows)
        if setting.ids is not None:
            np.save(beside / _IDS, plain_ids(setting.ids[built.rows]))
        files = {path.name: file_sha256(path) for path in sorted(beside.iterdir())}
        about = {"version": _VERSION, "kind": kind.name, "vectors": made_of, "target": setting.target}
        about |= {"breadth": built.breadth, "unit": kind.unit, "recall": built.recall, "files": files}
        write_json(beside / _ABOUT, about)


def plain_ids(ids: Ids) -> Ids:
    """Ids as integers, or as text of a fixed width, which `numpy.load` reads without pickle."""
    return ids if ids.dtype.kind == "i" else ids.astype(np.str_)
