"""Bundles: a fitted engine and its data in one self-contained folder, with checksums that detect changes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import recsys
from recsys.atomic import MARK, MARK_TEXT, atomic_path, read_json, write_json
from recsys.data.dataset import Dataset, check_dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.digest import file_sha256, short_digest
from recsys.engine import Engine, Request, Vectors
from recsys.engines import ENGINES
from recsys.errors import ArtifactError, checked_path
from recsys.files.stored_json import as_written, check_kinds, read_object
from recsys.json_values import JsonMapping
from recsys.ranking import check_fitted
from recsys.registry.finite import check_finite_files
from recsys.registry.trial import try_engine, try_fallback
from recsys.retrieval.fallback import Fallback

MANIFEST, HEADER = "manifest.json", "bundle.json"  # the second names the kind of the engine
_VERSION = 1
_KINDS: dict[str, type] = {"engine": str, "name": str, "has_timestamps": bool, "has_order": bool}
_PACKAGES = ("torch", "numpy", "pandas", "scipy", "pyarrow", "implicit", "safetensors")


@dataclass(frozen=True)
class Lineage:
    """What a bundle was made from.

    Args:
        data_fingerprint: of the dataset that the engine was fitted on.
        split_fingerprint: of the split whose train part the engine was fitted on; empty if it was fitted on all data.
        config: the configuration of the training; JSON values.
        metrics: metrics that were computed in the training, such as ``{"ndcg@10": 0.21}``.
        parent: the version of the bundle that this one was fine-tuned from.
        libraries: the installed version of each package that a model depends on; see `installed`.
    """

    data_fingerprint: str
    split_fingerprint: str = ""
    config: JsonMapping = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None
    libraries: Mapping[str, str] = field(default_factory=lambda: installed())


@dataclass(frozen=True, eq=False, repr=False)
class Bundle:
    """A fitted engine with the dataset it was fitted on: all that recommending needs, in one folder.

    A bundle has the user and item vectors of its engine, so it can be used wherever a fitted engine is expected.

    Args:
        engine: the fitted engine.
        data: users and items with their columns, and the interactions. A prediction for a ``user_id`` without a given
            history uses the user's interactions as the history.
        lineage: what it was made from; by default the fingerprint of ``data`` alone.
        keep_histories: whether the interactions are part of the bundle.
        version: a digest of the checksums of all files; empty before `save`.
        evaluation: held-out interactions of a fine-tuned engine, on which it is evaluated for promotion; None for an
            engine of a run, which is evaluated on the test part of the split. `version` covers it.
        fallback: ranks for users of whom the engine knows nothing, and is never evaluated. By default it is counted
            from ``data``, before the interactions are left out.
        folder: where it was saved or loaded from; None before.

    Example:
        >>> import tempfile
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.popularity import Popularity
        >>> data = BlockTaste(items=14).dataset()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved = Bundle(Popularity().fit(data), data).save(Path(folder) / "popularity")
        ...     Bundle.load(Path(folder) / "popularity").version == saved.version
        True
    """

    engine: Engine
    data: Dataset
    lineage: Lineage = field(default_factory=lambda: Lineage(""))
    keep_histories: bool = True
    version: str = ""
    evaluation: Holdout | None = None
    fallback: Fallback | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        check_fitted(self.engine)
        check_dataset(self.data)
        if self.fallback is None:
            object.__setattr__(self, "fallback", Fallback.fit(self.data))
        if not self.keep_histories and len(self.data.interactions):
            object.__setattr__(self, "data", replace(self.data, interactions=Interactions.empty()))
        if not self.lineage.data_fingerprint:
            object.__setattr__(self, "lineage", replace(self.lineage, data_fingerprint=self.data.fingerprint))

    def __repr__(self) -> str:
        version = f", version={self.version!r}" if self.version else ""
        return f"Bundle({self.engine!r}{self.name and f', {self.name!r}'}{version})"

    @property
    def name(self) -> str:
        """The name of the dataset."""
        return self.data.name

    @property
    def users(self) -> EntityTable:
        return self.data.users

    @property
    def items(self) -> EntityTable:
        return self.data.items

    @property
    def histories(self) -> Interactions | None:
        """The interactions; None where they are not kept."""
        return self.data.interactions if self.keep_histories else None

    @property
    def kind(self) -> str:
        """The name of the engine in `recsys.engines.ENGINES`."""
        return self.engine.kind

    @property
    def data_fingerprint(self) -> str:
        return self.lineage.data_fingerprint

    def user_vectors(self, request: Request) -> Vectors:
        """[U] vectors of the users of ``request``, computed by the engine."""
        return self.engine.user_vectors(request)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        """[I] vectors of ``items``, computed by the engine.

        Args:
            items: known or new items.
            at: the time for which they are computed, in the unit of the dataset's timestamps; None is now.
        """
        return self.engine.item_vectors(items, at)

    def similarity_vectors(self, items: EntityTable) -> Vectors:
        """[I] vectors whose cosines say how alike ``items`` are, computed by the engine."""
        return self.engine.similarity_vectors(items)

    def save(self, directory: str | Path) -> Bundle:
        """Writes the folder atomically, replacing an earlier bundle; returns this bundle with its `version`.

        Raises:
            ArtifactError: ``directory`` is a file, or a folder with other content; or the engine holds NaN or infinity.
        """
        directory = checked_path("directory", directory)
        about = {"name": self.name, "has_timestamps": self.data.has_timestamps, "has_order": self.data.has_order}
        header = {"engine": self.engine.kind, **about, "lineage": asdict(self.lineage)}
        with atomic_path(directory) as beside:
            beside.mkdir()
            self.engine.save(beside / "engine")
            check_finite_files(beside / "engine", self.kind)
            self.users.save(beside / "users.parquet")
            self.items.save(beside / "items.parquet")
            assert self.fallback is not None, "made with the bundle"
            self.fallback.save(beside / "fallback")
            if self.histories is not None:
                self.histories.save(beside / "histories")
                self.data.save_feedback(beside)
            if self.evaluation is not None:
                self.evaluation.save(beside / "evaluation")
            write_json(beside / HEADER, header)
            write_json(beside / MANIFEST, {"version": _VERSION, "files": _digests(beside)})
        return replace(self, version=version_of(directory), folder=directory)

    @classmethod
    def load(cls, directory: str | Path) -> Bundle:
        """The bundle that `save` wrote; no code in it is executed.

        Raises:
            ArtifactError: a file is missing, changed, not listed in the manifest or a pickle, or the format version or
                the engine is unknown.
        """
        directory = checked_path("directory", directory)
        try:
            verify(directory)
            return cls._load(directory)
        except ArtifactError:
            raise
        except Exception as error:  # whatever a crafted file leads to, the answer is the same
            raise ArtifactError(f"{directory} holds no bundle ({error!r}); copy it again, or train again") from error

    @classmethod
    def _load(cls, directory: Path) -> Bundle:
        header = read_object(directory / HEADER, *_KINDS, "lineage")
        check_kinds(directory / HEADER, header, _KINDS)
        kind, name, has_timestamps, has_order = (header[key] for key in _KINDS)
        with as_written(directory / HEADER):
            lineage = Lineage(**header["lineage"])
        histories, evaluation = (directory / part for part in ("histories", "evaluation"))
        users, items = (EntityTable.load(directory / f"{side}.parquet") for side in ("users", "items"))
        events = Interactions.load(histories) if histories.is_dir() else Interactions.empty()
        data = Dataset(name, users, items, events, has_timestamps, has_order).with_feedback(directory)
        data.interactions.check(data.n_users, data.n_items, histories)
        engine = _engine(kind, directory / "engine")
        try_engine(engine, data.users, data.items, data.interactions, kind)
        held_out = Holdout.load(evaluation, (data.n_users, data.n_items)) if evaluation.is_dir() else None
        if not (directory / "fallback").is_dir():
            raise ArtifactError(f"{directory} holds no fallback, as bundles of an earlier version do; train again")
        fallback = Fallback.load(directory / "fallback")
        try_fallback(fallback, data.users, data.items)
        return cls(engine, data, lineage, histories.is_dir(), version_of(directory), held_out, fallback, directory)


def verify(directory: Path) -> None:
    """Compares the checksum of every file of a bundle with the manifest.

    Raises:
        ArtifactError: names the files that are missing, changed or not listed in the manifest.
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
    if found := [f"{what}: {', '.join(names)}" for what, names in problems.items() if names]:
        raise ArtifactError(
            f"{directory} failed the checksum verification ({'; '.join(found)}); copy or download it again"
        )


def installed() -> dict[str, str]:
    """The installed version of each package that a model depends on: recsys, torch, numpy, pandas and others."""
    found = {"recsys": recsys.__version__}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _engine(kind: str, directory: Path) -> Engine:
    if kind not in ENGINES:
        raise ArtifactError(f"{directory} holds an engine {kind!r}, which this recsys does not have; update recsys")
    try:
        check_finite_files(directory, kind)
        return ENGINES[kind].load(directory)
    except ArtifactError:
        raise
    except Exception as error:
        raise ArtifactError(f"{directory} does not hold an engine {kind!r} ({error!r}); train again") from error


def _digests(directory: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every file, but not of the manifest.

    The marker files that `recsys.atomic` puts into folders are left out, so a copy without them is the same bundle.
    """
    result = {}
    for path in sorted(directory.rglob("*")):
        stored = path.is_file() or path.is_dir()  # a pipe would be waited for
        if not stored or path.is_symlink() or path.suffix in {".pkl", ".pickle", ".pt", ".joblib"}:
            raise ArtifactError(f"{path} may not be part of a bundle: links, pipes, devices and pickles are refused")
        if path.name == MARK and path.is_file() and path.read_bytes() == MARK_TEXT:
            continue
        if path.is_file() and path != directory / MANIFEST:
            result[path.relative_to(directory).as_posix()] = file_sha256(path)
    return result


def trained_on(directory: Path, split_fingerprint: str) -> Bundle:
    """The bundle in ``directory``, checked to have been trained on the split with ``split_fingerprint``.

    Raises:
        ArtifactError: it was trained on another split, so the test targets may be in its training data.
    """
    bundle = Bundle.load(directory)
    if bundle.lineage.split_fingerprint != split_fingerprint:
        raise ArtifactError(
            f"{directory} was trained on another split than it is evaluated on, so the test targets may be in its "
            "training data; train again"
        )
    return bundle


def version_of(directory: Path) -> str:
    """The version of the bundle in a folder: a digest of its manifest, which has the checksum of every file.

    Raises:
        ArtifactError: there is no bundle.
    """
    if not (directory / MANIFEST).is_file():
        raise ArtifactError(f"{directory} holds no bundle; train one, or name a folder that has one")
    return short_digest([(directory / MANIFEST).read_bytes()])
