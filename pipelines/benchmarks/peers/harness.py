"""Shared by the comparisons with peers: their environments, the exported data, and running their scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
import typer

from pipelines.config import RunConfig, read_run_config
from recsys.choices import did_you_mean
from recsys.data.dataset import Dataset
from recsys.data.ingest.readers import ingest
from recsys.data.interactions import Interactions
from recsys.data.sources import resolve
from recsys.data.splits.split import Split, make_split
from recsys.errors import ConfigError
from recsys.json_values import JsonObject

FOLDER = Path("runs/peers")
"""Folder of the environments, exported data and results of the peers."""

ENVIRONMENTS = {
    "rectools": ["torch==2.13.0", "RecTools[torch]==0.19.0"],
    "rectools-base": ["RecTools==0.19.0", "pyarrow<22"],
    "recbole": [
        "torch==2.13.0",
        "recbole==1.2.1",
        "numpy<2",
        "scipy<1.12",
        "pandas<2.3",
        "setuptools<80",
        "pyarrow<22",
    ],
}
"""Peer -> the packages of its environment."""


def known(peer: str, choices: Collection[str]) -> None:
    """Refuses a peer that is not among ``choices``.

    Raises:
        BadParameter: names the choices.
    """
    if peer not in choices:
        raise typer.BadParameter(
            f"unknown peer {peer!r}{did_you_mean(peer, choices)}. Known: {', '.join(sorted(choices))}"
        )


def environment(peer: str) -> Path:
    """The Python of the peer's environment, which is installed where it is missing."""
    home = FOLDER / peer
    ready = home / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin/python"), "-m", "pip", "install", "--quiet", *ENVIRONMENTS[peer]], check=True)
        ready.touch()
    return (home / "bin" / "python").absolute()


def load(config: Path) -> tuple[RunConfig, Dataset, Split]:
    """A run, its data and its split.

    Raises:
        ConfigError: its lists keep what was seen; the peers' leave it out.
    """
    run = read_run_config(config)
    if not run.evaluate.filter_seen:
        raise ConfigError(f"{config}: the peers leave out what was seen, and evaluate.filter_seen = false keeps it")
    source = resolve(run.data)
    read = ingest(source)
    return run, read.data, make_split(read.data, run.split, read.given)


def export(name: str, split: Split) -> Path:
    """A folder of this name with the split in row numbers.

    It has ``train.csv``, ``validation.csv``, and ``test_histories.csv``, the histories of the test users.
    """
    folder = FOLDER / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Interactions] = {
        "train": split.train,
        "validation": split.validation.targets,
        "test_histories": split.test.history,
    }
    for name, part in parts.items():
        columns = {"user_id": part.user, "item_id": part.item, "position": part.time}
        pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)
    return folder


def peer_lines(peer: str, script: str, folder: Path, *options: str) -> list[JsonObject]:
    """The JSON lines of a script of this package, run by the peer's Python on an exported folder.

    Some peers leave logs and models wherever they are called; they are called in `FOLDER`.
    """
    path = Path(__file__).parent.absolute() / script
    return lines([str(environment(peer)), str(path), str(folder.absolute()), *options], FOLDER)


def lines(command: Sequence[str], cwd: Path = Path()) -> list[JsonObject]:
    """The JSON lines that a command prints, echoed as they arrive.

    Raises:
        BadParameter: the command failed or printed none.
    """
    found = []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=cwd)
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith("{"):
            found.append(json.loads(text))
            print(f"  {text.strip()}", file=sys.stderr, flush=True)
    if process.wait() or not found:
        raise typer.BadParameter(f"{' '.join(command)} ended with {process.returncode}; run it by hand to see why")
    return found
