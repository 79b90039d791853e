"""The output folder of a run: paths of its outputs, and checks of whether a stage is current."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines.output_folder import check_output_folder, claim_output_folder, missing_folders, remove_unused
from recsys.atomic import (
    is_ours,
    read_json,
    refuse_file,
    refuse_foreign,
    remove_folder,
    say_where,
    write_json,
)
from recsys.data.dataset import Dataset
from recsys.data.splits.partition import Split
from recsys.digest import file_sha256, short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ArtifactError
from recsys.files.addresses import without_password
from recsys.json_values import JsonMapping
from recsys.tracking import Tracker

_ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = "content data encoders engines experiment files fitted losses models negatives ranking training"
_FILES = (
    "atomic choices config configurable digest docstrings embedding_table engine errors json_values "
    "devices names seeding tracking evaluation/evaluate evaluation/metrics registry/bundle registry/finite "
    "registry/trial retrieval/fallback retrieval/segments"
)
_OUTPUT_FILES = (
    ".lock",
    "attribution.json",
    "bundles/*.training.json",
    "choice.json",
    "columns.json",
    "data.html",
    "decision.json",
    "final/bundles/*.training.json",
    "final/stages/*.json",
    "final/tables/*.cost.json",
    "per_user.parquet",
    "report.html",
    "report.json",
    "stages/*.json",
    "tables/*.cost.json",
)
_LOCAL_STORE = ("mlflow.db", ".mlflow.db.lock", ".mlflow.db.partial*")
POPULARITY = "popularity"
"""The baseline of the first promotion where the config names none."""
ENGINE_CODE = tuple(f"recsys/{part}" for part in (*_FOLDERS.split(), *(f"{file}.py" for file in _FILES.split())))
"""The code that decides what an engine, an embedder or a bundle learns and returns."""


@dataclass(frozen=True)
class Workspace:
    """The output folder of one run.

    ``dataset/``, ``split/``, ``tables/NAME/``, ``bundles/NAME/``, ``report.json``, ``report.html``, ``decision.json``,
    ``decisions/``, ``recommendations/``; ``final/`` is a folder of the same form with the bundles and tables of what
    was fitted on all interactions; ``pre_refit/NAME/`` holds parts of hybrids from before a refit,
    ``checkpoints/`` unfinished training and ``stages/`` the cache key of each finished step.
    """

    directory: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the folder while a command writes to it, so that two commands do not mix their outputs.

        The folder is made, with its list of the files that recsys writes; see `pipelines.output_folder`. A command that
        fails before it has written anything leaves no folder behind.

        Raises:
            ArtifactError: another process holds the lock; that of a killed process is released.
        """
        made = missing_folders(self.directory)
        claim_output_folder(self.directory, (*_OUTPUT_FILES, *_LOCAL_STORE))
        try:
            with FileLock(self.directory / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise ArtifactError(
                f"another command is writing to {self.directory}; wait for it, or give this one an --output of its own"
            ) from error
        except BaseException as error:
            remove_unused(made, ".lock")
            if isinstance(error, OSError):
                say_where(error, self.directory)
            raise

    def check(self, tables: Iterable[str], engines: Iterable[str], local_store: bool = True) -> None:
        """Refuses an output folder in which a run would replace or remove files or folders of the user.

        Args:
            tables: names of the run's tables.
            engines: names of the run's engines.
            local_store: whether the registry is a database in this folder.

        Raises:
            ArtifactError: names the file or folder that a run would replace, or the file where a folder is needed.
        """
        check_output_folder(self.directory, (*_OUTPUT_FILES, *(_LOCAL_STORE if local_store else ())))
        tables, engines = list(tables), list(engines)
        for name in ("tables", "bundles", "pre_refit", "checkpoints", "embedders", "decisions", "stages", "final"):
            refuse_file(self.directory / name)
        replaced = [self.dataset, self.newer_dataset, self.split, self.final.bundle(POPULARITY)]
        replaced += [each.table(name) for each in (self, self.final) for name in tables]
        for name in engines:
            replaced += [self.bundle(name), self.pre_refit_engine(name), self.bundle(f"{name}-finetuned-1")]
            replaced.append(self.final.bundle(name))
        for path in replaced:
            refuse_file(path)
            refuse_foreign(path)
        for path in (self.recommendations, *(self.embedder(name) for name in tables)):
            refuse_file(path)
            refuse_foreign(path, in_place=True)

    @property
    def final(self) -> Workspace:
        """The folder of what was fitted on all interactions: its bundles, tables, embedders and checkpoints."""
        return Workspace(self.directory / "final")

    @property
    def choice(self) -> Path:
        """The JSON file with the engine that is best on validation."""
        return self.directory / "choice.json"

    @property
    def dataset(self) -> Path:
        return self.directory / "dataset"

    @property
    def newer_dataset(self) -> Path:
        """What the latest fine-tuned child was trained on."""
        return self.directory / "dataset-finetuned"

    @property
    def split(self) -> Path:
        return self.directory / "split"

    @property
    def report(self) -> Path:
        return self.directory / "report.json"

    @property
    def decision(self) -> Path:
        return self.directory / "decision.json"

    @property
    def decisions(self) -> Path:
        """Every decision, numbered; `decision` is the latest."""
        return self.directory / "decisions"

    @property
    def recommendations(self) -> Path:
        return self.directory / "recommendations"

    def table(self, name: str) -> Path:
        return self.directory / "tables" / name

    def table_digest(self, name: str) -> str:
        """A digest of table ``name``: its ids, vectors and provenance."""
        parts = ("ids.parquet", "vectors.safetensors", "provenance.json")
        return digest([file_digest(self.table(name) / part) for part in parts])

    def embedder(self, name: str) -> Path:
        """The folder of the trained embedder of table ``name``."""
        return self.directory / "embedders" / name

    def bundle(self, name: str) -> Path:
        return self.directory / "bundles" / name

    def training(self, name: str) -> Path:
        """The JSON file with the cost and curve of the training of engine ``name``."""
        return self.directory / "bundles" / f"{name}.training.json"

    def pre_refit_engine(self, name: str) -> Path:
        """The folder of engine ``name`` before its refit, from which hybrids choose their weights."""
        return self.directory / "pre_refit" / name

    def checkpoints(self, name: str, cache_key: JsonMapping) -> Path:
        """The folder of the checkpoints of a training with this ``cache_key``; no other training resumes from them."""
        return self.directory / "checkpoints" / f"{name}-{digest(cache_key)[:12]}"

    def clear_checkpoints(self, name: str) -> None:
        """Removes the checkpoints of ``name`` of any ``cache_key``; other folders are left alone."""
        for left in (self.directory / "checkpoints").glob(f"{escape(name)}-" + "[0-9a-f]" * 12):
            if left.is_dir() and not left.is_symlink() and is_ours(left):
                remove_folder(left)

    def load_dataset(self) -> Dataset:
        return Dataset.load(self.dataset)

    def load_split(self) -> Split:
        return Split.load(self.split)

    def load_tables(self, names: Iterable[str]) -> dict[str, EmbeddingTable]:
        return {name: EmbeddingTable.load(self.table(name)) for name in names}

    def is_current(self, step: str, cache_key: JsonMapping, outputs: Iterable[Path], tracker: Tracker) -> bool:
        """Whether ``step`` has been finished with the same ``cache_key`` and its outputs are as written; logs it if so.

        Outputs that are missing or have changed since are named, and the step is to be run again.
        """
        try:
            recorded = read_json(self._stamp(step))
            same, written = recorded["cache_key"] == _plain(cache_key), dict(recorded["outputs"])
        except (ArtifactError, KeyError, TypeError, ValueError):
            return False
        if not same:
            return False
        for path in outputs:
            found = tree_digest(path)
            if found is None or found != written.get(self._relative(path)):
                tracker.info(f"{step}: {path} is missing or has changed since it was written, so it is made again")
                return False
        tracker.info(f"{step}: reused, nothing changed")
        return True

    def record(self, step: str, cache_key: JsonMapping, outputs: Iterable[Path] = ()) -> None:
        """Records the ``cache_key`` that ``step`` was finished with, and digests of the ``outputs`` that it wrote."""
        written = {self._relative(path): tree_digest(path) for path in outputs}
        write_json(self._stamp(step), {"cache_key": _plain(cache_key), "outputs": written})

    def check_unchanged(self, step: str, output: Path) -> None:
        """Checks that ``output`` is as ``step`` wrote it, where the step has a record.

        Raises:
            ArtifactError: it is missing or has changed since.
        """
        found = written = tree_digest(output)
        with suppress(ArtifactError, KeyError, TypeError):
            written = read_json(self._stamp(step))["outputs"][self._relative(output)]
        if found != written:
            raise ArtifactError(f"{output} has changed since {step} wrote it, or is gone; `recsys run` makes it again")

    def invalidate(self, step: str) -> None:
        """Removes the record of ``step``, so that an interrupted step does not count as finished."""
        self._stamp(step).unlink(missing_ok=True)

    def _relative(self, path: Path) -> str:
        """The name of an output in the record, which holds when the folder is moved."""
        return Path(os.path.relpath(path, self.directory)).as_posix()

    def _stamp(self, step: str) -> Path:
        return self.directory / "stages" / f"{step.replace('/', '.')}.json"


@cache
def code_version(*parts: str) -> str:
    """A digest of the source files under ``parts``, such as ``recsys/data`` or ``pipelines/stages/prepare.py``."""
    paths = (_ROOT / part for part in parts)
    files = (file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*.py"))))
    return short_digest(str(file.relative_to(_ROOT)).encode() + b"\0" + file.read_bytes() for file in files)


def file_digest(path: Path) -> str:
    """A digest of a file's bytes."""
    return file_sha256(path)[:16]


def tree_digest(path: Path) -> str | None:
    """A digest of a file, or of the names and bytes of all files in a folder; None where there is neither."""
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        return None
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return short_digest(f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\0" for file in files)


def digest(value: Any) -> str:
    """A digest of a JSON value."""
    return short_digest([json.dumps(_plain(value), sort_keys=True)])


def _plain(value: Any) -> Any:
    """The value as JSON stores it, without the passwords of addresses."""
    return _without_passwords(json.loads(json.dumps(value, default=str)))


def _without_passwords(value: Any) -> Any:
    if isinstance(value, dict):
        return {without_password(key): _without_passwords(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_passwords(each) for each in value]
    return without_password(value) if isinstance(value, str) else value
