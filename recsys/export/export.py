"""The export of a bundle: a folder with vectors, an index and towers, and a manifest with the digest of each file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import numpy as np

from recsys.atomic import MARK, atomic_path, read_json, write_json
from recsys.choices import did_you_mean
from recsys.data.dataset import Dataset
from recsys.digest import file_sha256
from recsys.errors import ArtifactError, ConfigError, DataError, checked_path, described
from recsys.registry.bundle import Bundle

MANIFEST, PARTS = "export.json", "parts"
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
    return _in_order([part.strip() for part in text.split(",") if part.strip()])


def _in_order(names: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(names, Sequence):
        raise ConfigError(f"kinds is {described(names)}; give a list of {', '.join(KINDS)}")
    for name in names:
        if name not in KINDS:
            what = f"the export has no kind {name!r}"
            raise ConfigError(f"{what}{did_you_mean(str(name), KINDS) or ';'} choices: {', '.join(KINDS)}")
    if not names:
        raise ConfigError(f"the export is of nothing; choices: {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in names)


def export_bundle(bundle: Bundle, folder: str | Path, kinds: Sequence[str] | None = None) -> Exported:
    """Writes ``folder`` atomically, replacing an earlier export.

    Of a hybrid, the vectors are those of its score, and ``parts/NAME/`` has the towers of each part that has two.

    Args:
        bundle: the model with its data.
        folder: new, empty, or an earlier export.
        kinds: of `KINDS`, or a text of them with commas; None is all that the engine allows, and the result says why
            the others are not there.

    Raises:
        ConfigError: the engine does not allow a kind that was asked for, a kind is unknown, or a package is not
            installed.
        ArtifactError: a vector is NaN or infinite, ``folder`` holds something else, or towers that were asked for
            differ in ONNX.
        DataError: ``bundle`` is no bundle, or its engine is not fitted.

    Example:
        >>> import tempfile
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = export_bundle(Bundle(EASE().fit(data), data), Path(folder) / "out", ["vectors"])
        >>> made.written["vectors"]
        'vectors: 24 items and 30 users; 24 sparse columns'
    """
    if not isinstance(bundle, Bundle):
        raise DataError(f"{described(bundle)} is no bundle; give rs.Bundle(engine, data)")
    folder = checked_path("folder", folder)
    _check_target(folder)
    asked = KINDS if kinds is None else parse_kinds(kinds) if isinstance(kinds, str) else _in_order(kinds)
    written: dict[str, str] = {}
    refused: dict[str, str] = {}
    with atomic_path(folder) as beside:
        beside.mkdir()
        for kind in asked:
            try:
                written[kind] = _WRITERS[kind](bundle, beside)
            except (ConfigError, ArtifactError) as error:
                if kinds is not None or (isinstance(error, ArtifactError) and kind != "onnx"):
                    raise
                refused[kind] = str(error)
                for left in (kind, PARTS):
                    rmtree(beside / left, ignore_errors=True)
                (beside / "serve_example.py").unlink(missing_ok=True)
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
    of_parts = [f"{counts[name]:,} {name}" for name in ("dense", "sparse") if name in counts]
    sizes = f"; {' and '.join(of_parts)} columns" if "sparse" in counts else ""
    if "users" in counts:
        return f"vectors: {counts['items']} items and {counts['users']} users{sizes}"
    return f"vectors: {counts['items']} items; no users, for the bundle keeps no histories{sizes}"


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

    found = towers_of(bundle.engine)
    told: list[str] = []
    refused: list[str] = []
    require_onnx()
    for name, engine in found.items():
        folder = beside.joinpath(PARTS, *name.split("/")) if name else beside
        folder.mkdir(parents=True, exist_ok=True)
        of = f" of {name!r}, in {folder.relative_to(beside)}/" if name else ""
        try:
            difference = write_towers(engine, bundle.data, folder)
        except (ConfigError, ArtifactError) as error:
            if not name:
                raise
            rmtree(folder)
            refused.append(f"of {name!r}: {error}")
        else:
            encoder = f"the history encoder {engine.options_.model.pooling!r}"
            told.append(f"onnx: both towers{of}, {encoder}; {difference:.1g} from torch")
    if not told:
        raise ConfigError("; ".join(refused))
    return "\n  ".join([*told, *(f"no onnx {why}" for why in refused)])


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
