"""Cost of an epoch of LightGCN here and in RecBole, on the same interactions and cores.

``python -m pipelines.benchmarks.peers.graph_epoch pipelines/configs/gowalla.toml`` trains RecBole's LightGCN for an
epoch in an environment of its own, then the run's ``lightgcn`` engine, with the run's options and with those of
RecBole: batch size, dimensions, layers, and a learned vector per user (the loss stays ours). Neither time includes
validation.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.benchmarks.peers.harness import export, lines, load, peer_lines
from pipelines.config import read_run_config
from pipelines.config_checks import check_engine
from recsys.json_values import JsonObject

SAME_SIZES = {"dim": 64, "layers": 2, "user_vectors": True, "batch": 2048, "held_out": 0}
"""RecBole's defaults in the words of our engine, which then predicts every interaction once an epoch as well."""


def main(
    config: Annotated[Path, typer.Argument(help="A run with a lightgcn engine.")],
    engine: Annotated[str, typer.Option(help="The engine of the run that is compared.")] = "lightgcn",
    options: Annotated[str, typer.Option(help="JSON: what RecBole's defaults are changed by.")] = "{}",
    steps: Annotated[int, typer.Option(help="Of RecBole's epoch; the rest costs as much a step. 0: all.")] = 0,
    bar: Annotated[float, typer.Option(help="Largest share of RecBole's time.")] = 0.5,
) -> None:
    """Prints the seconds an epoch; exit code 1 when the run's own options take more than the bar."""
    check_engine(read_run_config(config), "--engine", engine)
    limits = ["--options", options, "--steps", str(steps)]
    folder = export(config.stem, load(config)[2])
    theirs = peer_lines("recbole", "recbole_lightgcn.py", folder, *limits)[-1]
    print(f"{config.stem}, {os.cpu_count()} cores; one epoch")
    _show("recbole", theirs, theirs)
    command = [
        sys.executable,
        "-m",
        "pipelines.benchmarks.peers.ours",
        str(config),
        "--engine",
        engine,
        "--epochs",
        "2",
    ]
    own = _epoch(lines(command))
    _show(engine, own, theirs)
    _show(f"{engine}, RecBole's sizes", _epoch(lines([*command, "--options", json.dumps(SAME_SIZES)])), theirs)
    raise typer.Exit(0 if own["seconds"] <= bar * theirs["seconds"] else 1)


def _epoch(found: list[JsonObject]) -> JsonObject:
    """The second epoch: the first one also read the graph."""
    return {**found[1], **{unit: found[1][unit] - found[0][unit] for unit in ("seconds", "cpu_seconds")}}


def _show(name: str, line: JsonObject, theirs: JsonObject) -> None:
    times = [
        f"{line[unit]:8.1f} {short} ({line[unit] / theirs[unit]:.3f} of RecBole's)"
        for unit, short in (("seconds", "s"), ("cpu_seconds", "CPU s"))
    ]
    print(f"{name:<26}{', '.join(times)}, {line['peak_memory_mb']} MiB at the peak", flush=True)


if __name__ == "__main__":
    typer.run(main)
