"""Bundles: a trained model as one folder that needs nothing else, and that says when it is not what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from recsys.atomic import MARK, MARK_TEXT, atomic_path, read_json, write_json
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.engine import Engine
from recsys.engines import ENGINES
from recsys.errors import ArtifactError, RecsysError
from recsys.registry.holdouts import load_holdout, save_holdout

MANIFEST = "manifest.json"
_VERSION = 1
_PACKAGES = ("recsys", "torch", "numpy", "pandas", "scipy", "pyarrow", "implicit", "safetensors")


@dataclass(frozen=True)
class Lineage:
    """Where a bundle comes from.

    Args:
        data_fingerprint: of the dataset that the engine was fitted on.
        split_fingerprint: of the split whose train part was learnt from; empty when all of the data was.
        config: how it was made; JSON values.
        metrics: what was measured then, such as ``{"ndcg@10": 0.21}``.
        parent: the version of the bundle that this one was fine-tuned from.
        libraries: versions of the packages that made it.
    """

    data_fingerprint: str
    split_fingerprint: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None
    libraries: Mapping[str, str] = field(default_factory=lambda: installed())


@dataclass(frozen=True, eq=False)
class Bundle:
    """A fitted engine with the tables it was fitted on.

    Args:
        engine: the fitted engine.
        name: of the dataset.
        users: [U] entities, with features.
        items: [I] entities, with features.
        histories: a snapshot of interactions, so that a ``user_id`` alone can be answered; None keeps none.
        has_timestamps: whether the times of the snapshot are seconds since 1970 UTC.
        lineage: where it comes from.
        version: a digest of every file; empty before `save`.
        has_order: whether the snapshot has times or positions at all.
        evaluation: interactions held out from the engine, which evaluate it when it is promoted; None where those of
            a split do. Part of the folder, so that `version` covers it.
    """

    engine: Engine
    name: str
    users: EntityTable
    items: EntityTable
    histories: Interactions | None
    has_timestamps: bool
    lineage: Lineage
    version: str = ""
    has_order: bool = True
    evaluation: Holdout | None = None

    @classmethod
    def of(cls, engine: Engine, data: Dataset, lineage: Lineage, histories: Interactions | None = None) -> Bundle:
        """A bundle of ``engine``, fitted on ``data``."""
        return cls(
            engine, data.name, data.users, data.items, histories, data.has_timestamps, lineage, has_order=data.has_order
        )

    @property
    def data(self) -> Dataset:
        """The tables and the snapshot, as a dataset that can be recommended for."""
        kept = Interactions.empty() if self.histories is None else self.histories
        return Dataset(self.name, self.users, self.items, kept, self.has_timestamps, self.has_order)

    @property
    def data_fingerprint(self) -> str:
        return self.lineage.data_fingerprint

    def save(self, directory: Path) -> Bundle:
        """Writes the folder atomically, replacing what stood there, and returns this bundle with its version."""
        about = {"name": self.name, "has_timestamps": self.has_timestamps, "has_order": self.has_order}
        header = {"engine": self.engine.kind, **about, "lineage": asdict(self.lineage)}
        with atomic_path(directory) as beside:
            beside.mkdir()
            self.engine.save(beside / "engine")
            self.users.save(beside / "users.parquet")
            self.items.save(beside / "items.parquet")
            if self.histories is not None:
                self.histories.save(beside / "histories")
            if self.evaluation is not None:
                save_holdout(self.evaluation, beside / "evaluation")
            write_json(beside / "bundle.json", header)
            write_json(beside / MANIFEST, {"version": _VERSION, "files": _digests(beside)})
        return replace(self, version=version_of(directory))

    @classmethod
    def load(cls, directory: Path) -> Bundle:
        """What `save` wrote; nothing in it is executed.

        Raises:
            ArtifactError: a file is missing, damaged, unknown or a pickle, or the version or the engine is unknown.
        """
        verify(directory)
        header = read_json(directory / "bundle.json")
        try:
            kind, name, has_timestamps, lineage = (
                header[key] for key in ("engine", "name", "has_timestamps", "lineage")
            )
            lineage = Lineage(**lineage)
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"{directory / 'bundle.json'} does not describe a bundle ({error!r})") from error
        histories, evaluation = directory / "histories", directory / "evaluation"
        return cls(
            engine=_engine(kind, directory / "engine"),
            name=name,
            users=EntityTable.load(directory / "users.parquet"),
            items=EntityTable.load(directory / "items.parquet"),
            histories=Interactions.load(histories) if histories.is_dir() else None,
            has_timestamps=has_timestamps,
            lineage=lineage,
            version=version_of(directory),
            has_order=bool(header.get("has_order", True)),
            evaluation=load_holdout(evaluation) if evaluation.is_dir() else None,
        )


def verify(directory: Path) -> None:
    """Compares every file of a bundle with its manifest.

    Raises:
        ArtifactError: names the files that are missing, changed or not listed.
    """
    manifest = read_json(directory / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("version") != _VERSION:
        which = manifest.get("version") if isinstance(manifest, dict) else type(manifest).__name__
        raise ArtifactError(f"{directory} has bundle version {which!r}; this library reads {_VERSION}; train again")
    listed, found_files = dict(manifest.get("files", {})), _digests(directory)
    problems = {
        "missing": sorted(listed.keys() - found_files.keys()),
        "unknown": sorted(found_files.keys() - listed.keys()),
        "changed": sorted(name for name in listed.keys() & found_files.keys() if listed[name] != found_files[name]),
    }
    found = [f"{what}: {', '.join(names)}" for what, names in problems.items() if names]
    if found:
        raise ArtifactError(f"{directory} is not the bundle that was written ({'; '.join(found)}); get it again")


def installed() -> dict[str, str]:
    """Versions of the packages that decide what a model is."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _engine(kind: str, directory: Path) -> Engine:
    if kind not in ENGINES:
        raise ArtifactError(f"{directory} holds an engine {kind!r} that this library does not know; update recsys")
    try:
        return ENGINES[kind].load(directory)
    except RecsysError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(f"{directory} does not hold an engine {kind!r} ({error!r}); train again") from error


def _digests(directory: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file but the manifest itself and the marks of folders, which are all alike."""
    result = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink() or path.suffix in {".pkl", ".pickle", ".pt", ".joblib"}:
            raise ArtifactError(f"{path} may not be part of a bundle: links and pickles are refused")
        if path.name == MARK and path.is_file() and path.read_bytes() == MARK_TEXT:
            continue
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                result[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return result


def trained_on(directory: Path, split_fingerprint: str) -> Bundle:
    """The bundle in ``directory``, which was trained on the split that evaluates it.

    Raises:
        ArtifactError: it was trained on another split, and may have learnt the test targets.
    """
    bundle = Bundle.load(directory)
    if bundle.lineage.split_fingerprint != split_fingerprint:
        raise ArtifactError(
            f"{directory} was trained on another split than the one that evaluates it, whose targets it may have "
            "learnt; train again"
        )
    return bundle


def version_of(directory: Path) -> str:
    """The version of the bundle in a folder: a digest of its manifest, which holds a checksum of every file.

    Raises:
        ArtifactError: there is no bundle.
    """
    if not (directory / MANIFEST).is_file():
        raise ArtifactError(f"{directory} holds no bundle; train one, or name a folder that has one")
    return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()[:16]
