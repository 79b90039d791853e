"""The export of a bundle: a folder with vectors, an index and towers, and a manifest with the digest of each file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recsys.atomic import MARK, atomic_path, read_json, write_json
from recsys.choices import did_you_mean
from recsys.data.dataset import Dataset
from recsys.digest import file_sha256
from recsys.errors import ArtifactError, ConfigError
from recsys.registry.bundle import Bundle

MANIFEST = "export.json"
KINDS = ("vectors", "faiss", "onnx")
"""What can be exported."""
_VERSION = 1


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Args:
        folder: of the export.
        written: a line for each kind.
        refused: kind -> why it is not there.
    """

    folder: Path
    written: dict[str, str]
    refused: dict[str, str]

    def __str__(self) -> str:
        lines = [*self.written.values(), *(f"no {kind}: {why}" for kind, why in self.refused.items())]
        return "\n".join([f"{self.folder}:", *(f"  {line}" for line in lines)])


def parse_kinds(text: str) -> tuple[str, ...]:
    """The kinds in a list with commas, in the order of `KINDS`.

    Raises:
        ConfigError: one is unknown, or there is none.

    Example:
        >>> parse_kinds("onnx, vectors")
        ('vectors', 'onnx')
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in KINDS:
            raise ConfigError(f"--what has {name!r}{did_you_mean(name, KINDS) or ';'} choices: {', '.join(KINDS)}")
    if not names:
        raise ConfigError(f"--what is empty; choices: {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in names)


def export_bundle(bundle: Bundle, folder: Path, kinds: Sequence[str] | None = None) -> Exported:
    """Writes ``folder`` atomically, replacing an earlier export.

    Args:
        bundle: the model with its data.
        folder: new, empty, or an earlier export.
        kinds: of `KINDS`; None is all that the engine allows, and the result says why the others are not there.

    Raises:
        ConfigError: the engine does not allow a kind that was asked for, or any; or a package is not installed.
        ArtifactError: a vector is NaN or infinite, or ``folder`` holds something else.
    """
    _check_target(folder)
    asked = KINDS if kinds is None else tuple(kinds)
    written: dict[str, str] = {}
    refused: dict[str, str] = {}
    with atomic_path(folder) as beside:
        beside.mkdir()
        for kind in asked:
            try:
                written[kind] = _WRITERS[kind](bundle, beside)
            except ConfigError as error:
                if kinds is not None:
                    raise
                refused[kind] = str(error)
                _remove(beside / kind)
        if not written:
            reasons = dict.fromkeys(refused.values())
            raise ConfigError("nothing of this engine can be exported:\n  " + "\n  ".join(reasons))
        write_json(beside / MANIFEST, _manifest(bundle, beside, refused))
    return Exported(folder, written, refused)


def verify_export(folder: Path) -> None:
    """Compares every file of an export with its digest in the manifest.

    Raises:
        ArtifactError: names the files that are missing, changed or not listed.
    """
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("version") != _VERSION:
        raise ArtifactError(f"{folder / MANIFEST} is no manifest of an export; export again")
    found = _digests(folder)
    wrong = sorted(name for name in files.keys() | found.keys() if files.get(name) != found.get(name))
    if wrong:
        raise ArtifactError(f"{folder} is not as it was written: {', '.join(wrong)}; export again")


def _vectors(bundle: Bundle, beside: Path) -> str:
    from recsys.export.vectors import write_vectors

    folder = beside / "vectors"
    folder.mkdir()
    counts = write_vectors(bundle.engine, bundle.data, folder)
    if "users" in counts:
        return f"vectors: {counts['items']} items and {counts['users']} users"
    return f"vectors: {counts['items']} items; no users, for the bundle keeps no histories"


def _faiss(bundle: Bundle, beside: Path) -> str:
    from recsys.export.search_index import write_index
    from recsys.export.vectors import dense_items
    from recsys.retrieval.approximate.choice import sampled_users
    from recsys.retrieval.approximate.store import plain_ids

    ids, vectors = dense_items(bundle.engine, bundle.data)
    folder = beside / "faiss"
    folder.mkdir()
    index = write_index(vectors, sampled_users(bundle.engine, bundle.data).known(), folder / "items.faiss")
    np.save(folder / "item_ids.npy", plain_ids(ids))
    write_json(folder / "index.json", index)
    measured = f", recall@100 {index['recall']} with nprobe {index['nprobe']}" if index.get("recall") else ""
    return f"faiss: {index['kind']} of {len(ids)} items, by inner product{measured}"


def _onnx(bundle: Bundle, beside: Path) -> str:
    from recsys.export.onnx import require_onnx, towers_of, write_towers

    engine = towers_of(bundle.engine)
    require_onnx()
    difference = write_towers(engine, bundle.data, beside)
    return f"onnx: both towers, the history encoder {engine.options_.model.pooling!r}; {difference:.1g} from torch"


_WRITERS: dict[str, Callable[[Bundle, Path], str]] = {"vectors": _vectors, "faiss": _faiss, "onnx": _onnx}


def _manifest(bundle: Bundle, folder: Path, refused: dict[str, str]) -> dict[str, object]:
    data: Dataset = bundle.data
    return {
        "version": _VERSION,
        "bundle": bundle.version,
        "engine": bundle.kind,
        "data": {"name": data.name, "fingerprint": bundle.data_fingerprint},
        "not_exported": refused,
        "files": _digests(folder),
    }


def _digests(folder: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every file but the manifest and the mark; copies may hold compiled Python."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    kept = {name: path for name, path in files.items() if name not in (MANIFEST, MARK) and path.suffix != ".pyc"}
    return {name: file_sha256(path) for name, path in kept.items()}


def _check_target(folder: Path) -> None:
    """An export replaces nothing but an export: bundles and runs have the mark of this library too."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder.absolute()} holds something else than an export; choose another --output")


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink()
    if folder.is_dir():
        folder.rmdir()
