"""The stages that are measured, each as one command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from recsys.errors import RecsysError

ENGINES: Mapping[str, str] = {
    "popularity": "",
    "itemknn": "",
    "als": "",
    "ease": "neighbours = 100",
    "ease_whole": 'kind = "ease"',
    "spectral": "",
    "bpr": "",
    "two_tower": "training = {epochs = 1}",
    "two_tower_3000": 'kind = "two_tower"\ntraining = {epochs = 1, steps_per_epoch = 3000}',
    "sasrec": "training = {epochs = 1}",
    "lightgcn": "training = {epochs = 1}",
}
"""Engine -> its options: defaults, one epoch of what trains by epochs, and EASE by neighbourhoods, which fits any
catalogue; 3,000 steps are one epoch of 10^7 interactions and a tenth of one of 10^8."""
USUAL = ["popularity", "itemknn", "als", "ease", "two_tower"]
"""Engines that are measured where none is named."""


@dataclass(frozen=True)
class Cost:
    """What a stage cost.

    Args:
        seconds: wall time, the start of Python included.
        cpu_seconds: of all its threads and processes.
        peak_mb: the largest resident memory of its process, in MiB.
        private_mb: the largest part of it that is no file mapped from the disk, looked at every tenth of a second.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    private_mb: float = 0.0


PRETRAIN = """
[pretrain.title]
embedder = "word2vec"
columns = ["title"]
"""


def config(folder: Path, engines: Mapping[str, str], further: str = "") -> Path:
    """Writes the config of a run with ``engines`` and ``further`` sections into ``folder`` and returns its path."""
    text = f"""
name = "scale"

[data]
name = "scale"
interactions = {str(_interactions(folder).absolute())!r}
items = {str((folder / "items.parquet").absolute())!r}
item_schema = {{title = "text"}}

[split]
protocol = "leave_one_out"

[train]
final = false

[recommend]
engine = {list(engines)[-1]!r}
k = 100
"""
    for name, options in engines.items():
        text += f"\n[engines.{name}]\n{options}\n"
    path = folder / f"{'-'.join(engines)}{'-pretrain' * bool(further)}.toml"
    path.write_text(text + further, encoding="utf-8")
    return path


def _interactions(folder: Path) -> Path:
    """The folder of parts, or the one file in it."""
    found = folder / "interactions"
    return next(found.glob("interactions.*"), found)


def commands(folder: Path, engines: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Name of each stage and its command, in the order in which they build on one another."""
    whole, output = str(config(folder, engines)), ["--output", str(folder / "run")]
    alone = {name: str(config(folder, {name: options})) for name, options in engines.items()}
    data = {"popularity": ""}  # what does not depend on engines is asked with the same one
    yield "validate", ["validate", str(config(folder, data))]
    yield "prepare", ["prepare", str(config(folder, data)), *output]
    yield "pretrain word2vec", ["pretrain", str(config(folder, data, PRETRAIN)), *output]
    for name in engines:
        yield f"train {name}", ["train", alone[name], *output]
    yield f"evaluate and report {', '.join(engines)}", ["evaluate", whole, *output]
    for name in engines:
        yield f"recommend {name}", ["recommend", alone[name], *output]


def measure(command: list[str], log: Path) -> Cost:
    """Runs ``recsys COMMAND`` in a process of its own, its output in ``log``.

    Raises:
        RecsysError: it failed.
    """
    arguments = [sys.executable, "-m", "pipelines.cli", *command]
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        process, private = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT), 0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            private = max(private, _private(process.pid))
            time.sleep(0.1)
    _, status, used = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RecsysError(f"{' '.join(command)} ended with {process.returncode}; see {log}")
    seconds = time.monotonic() - started
    return Cost(
        round(seconds, 2),
        round(used.ru_utime + used.ru_stime, 2),
        round(used.ru_maxrss / 1024, 1),
        round(private / 1024, 1),
    )


def _private(process: int) -> int:
    """KiB of memory of a process that is not mapped from a file; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)
