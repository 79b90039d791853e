"""Where a run keeps what it makes, and how a stage knows that nothing has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipelines.output_folder import check_output_folder, claim_output_folder
from recsys.atomic import (
    is_ours,
    read_json,
    refuse_file,
    refuse_foreign,
    remove_folder,
    write_json,
)
from recsys.data.dataset import Dataset
from recsys.data.splits.partition import Split
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ArtifactError
from recsys.json_values import JsonMapping
from recsys.tracking import Tracker

_ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = "content data encoders engines experiment losses models negatives training"
_FILES = (
    "atomic choices config configurable digest embedding_table engine errors json_values names "
    "ranking seeding tracking "
    "evaluation/evaluate evaluation/metrics registry/bundle"
)
_OUTPUT_FILES = (
    ".lock",
    "attribution.json",
    "bundles/*.training.json",
    "decision.json",
    "per_user.parquet",
    "report.html",
    "report.json",
    "stages/*.json",
    "tables/*.cost.json",
)
_LOCAL_STORE = "mlflow.db"
ENGINE_CODE = tuple(f"recsys/{part}" for part in (*_FOLDERS.split(), *(f"{file}.py" for file in _FILES.split())))
"""The code that decides what an engine, an embedder or a bundle learns and returns."""


@dataclass(frozen=True)
class Workspace:
    """The output folder of one run.

    ``dataset/``, ``split/``, ``tables/NAME/``, ``bundles/NAME/``, ``report.json``, ``report.html``, ``decision.json``,
    ``decisions/``, ``recommendations/``; ``pre_refit/NAME/`` holds parts of hybrids from before a refit,
    ``checkpoints/`` unfinished training and ``stages/`` what each step was made from.
    """

    directory: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a command writes here: two at a time would leave stamps of one on outputs of the other.

        The folder is made, with its list of the files that recsys writes; see `pipelines.output_folder`.

        Raises:
            ArtifactError: another process holds the lock; one that was killed does not.
        """
        claim_output_folder(self.directory, (*_OUTPUT_FILES, _LOCAL_STORE))
        try:
            with FileLock(self.directory / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise ArtifactError(
                f"another command is writing to {self.directory}; wait for it, or give this one an --output of its own"
            ) from error

    def check(self, tables: Iterable[str], engines: Iterable[str], local_store: bool = True) -> None:
        """Refuses an output folder in which a run would replace or remove files or folders of the user.

        Args:
            tables: names of the run's tables.
            engines: names of the run's engines.
            local_store: whether the registry is a database in this folder.

        Raises:
            ArtifactError: names the file or folder that a run would replace, or the file where a folder is needed.
        """
        check_output_folder(self.directory, (*_OUTPUT_FILES, *[_LOCAL_STORE] * local_store))
        for name in ("tables", "bundles", "pre_refit", "checkpoints", "embedders", "decisions", "stages"):
            refuse_file(self.directory / name)
        replaced = [self.dataset, self.newer_dataset, self.split, *(self.table(name) for name in tables)]
        for name in engines:
            replaced += [self.bundle(name), self.pre_refit_engine(name), self.bundle(f"{name}-finetuned-1")]
        for path in replaced:
            refuse_file(path)
            refuse_foreign(path)
        for path in (self.recommendations, *(self.embedder(name) for name in tables)):
            refuse_file(path)
            refuse_foreign(path, in_place=True)

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
        """Of all that makes table ``name``: which row is whose, the vectors, and where they come from."""
        parts = ("ids.parquet", "vectors.safetensors", "provenance.json")
        return digest([file_digest(self.table(name) / part) for part in parts])

    def embedder(self, name: str) -> Path:
        """What the embedder of table ``name`` learnt."""
        return self.directory / "embedders" / name

    def bundle(self, name: str) -> Path:
        return self.directory / "bundles" / name

    def training(self, name: str) -> Path:
        """What training engine ``name`` cost, and its curve."""
        return self.directory / "bundles" / f"{name}.training.json"

    def pre_refit_engine(self, name: str) -> Path:
        """Engine ``name`` from before its refit, for the hybrids that choose its weight."""
        return self.directory / "pre_refit" / name

    def checkpoints(self, name: str, cache_key: JsonMapping) -> Path:
        """The checkpoints of a training with exactly this ``cache_key``; any other never resumes from them."""
        return self.directory / "checkpoints" / f"{name}-{digest(cache_key)[:12]}"

    def clear_checkpoints(self, name: str) -> None:
        """Removes those of ``name``, of any ``cache_key``, but no folder that was not made here."""
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
        """Whether ``step`` was finished from the same ``cache_key`` and all it left is still there; if so, logs it."""
        try:
            same = read_json(self._stamp(step)) == _plain(cache_key)
        except ArtifactError:
            return False
        if not same or not all(path.exists() for path in outputs):
            return False
        tracker.info(f"{step}: reused, nothing changed")
        return True

    def record(self, step: str, cache_key: JsonMapping) -> None:
        """Remembers what ``step`` was made from; called after its outputs are in place."""
        write_json(self._stamp(step), _plain(cache_key))

    def invalidate(self, step: str) -> None:
        """Forgets an older stamp, so that a kill half-way is never taken for a finished step."""
        self._stamp(step).unlink(missing_ok=True)

    def _stamp(self, step: str) -> Path:
        return self.directory / "stages" / f"{step.replace('/', '.')}.json"


@cache
def code_version(*parts: str) -> str:
    """A digest of the source files under ``parts``, such as ``recsys/data`` or ``pipelines/stages/prepare.py``."""
    found = hashlib.sha256()
    for part in parts:
        path = _ROOT / part
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(str(file.relative_to(_ROOT)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:16]


def file_digest(path: Path) -> str:
    """A digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def digest(value: Any) -> str:
    """A digest of a JSON value."""
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
