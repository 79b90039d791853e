"""Training time to reach a peer's best NDCG@10, on the same data, split and cores; peers are other libraries.

``python -m pipelines.benchmarks.peers pipelines/configs/beauty.toml --peer rectools`` makes an environment for the peer
under ``runs/peers``, trains the peer and then the run's sequence engine on the same training interactions, and prints
the wall time each needed to reach the peer's best NDCG@10 on validation, and the peak memory. The peer's time is that
of its training alone; ours includes our validation.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.benchmarks.peers.harness import export, known, lines, load, peer_lines
from pipelines.config import read_run_config
from pipelines.config_checks import check_engine
from recsys.json_values import JsonObject

SCRIPTS = {"rectools": "rectools_sasrec.py", "recbole": "recbole_sasrec.py"}
"""Peer -> its script here."""


def main(
    config: Annotated[Path, typer.Argument(help="A run with a sequence engine, on the papers' protocol.")],
    peer: Annotated[str, typer.Option(help=f"One of {', '.join(SCRIPTS)}.")] = "rectools",
    engine: Annotated[str, typer.Option(help="The engine of the run that is compared.")] = "sequence",
    options: Annotated[str, typer.Option(help="JSON: what the peer's defaults are changed by.")] = "{}",
    seconds: Annotated[float, typer.Option(help="Training time after which the peer begins no further epoch.")] = 3600,
    bar: Annotated[float, typer.Option(help="Largest share of the peer's time.")] = 0.2,
) -> None:
    """Prints the comparison; exit code 1 if we take over ``--bar`` times the peer's time to reach its NDCG@10."""
    known(peer, SCRIPTS)
    check_engine(read_run_config(config), "--engine", engine)
    folder = export(config.stem, load(config)[2])
    theirs = peer_lines(peer, SCRIPTS[peer], folder, "--options", options, "--seconds", str(seconds))
    epochs = lines([sys.executable, "-m", "pipelines.benchmarks.peers.ours", str(config), "--engine", engine])
    ours = [line for line in epochs if line["ndcg@10"] is not None]  # a run may validate every other epoch
    best = max(theirs, key=lambda line: line["ndcg@10"])
    reached = next((line for line in ours if line["ndcg@10"] >= best["ndcg@10"]), None)
    ended = "stopped by its patience" if theirs[-1]["seconds"] < seconds else f"stopped after {seconds:.0f} s"
    print(f"{config.stem}, {os.cpu_count()} cores, {peer} {options}, {ended}; NDCG@10 on validation")
    _show(f"{peer} at its best", best, theirs)
    _show(f"{engine} at its best", max(ours, key=lambda line: line["ndcg@10"]), ours)
    if reached is None:
        print("the peer is ahead")
        raise typer.Exit(1)
    _show(f"{engine} past the peer", reached, ours)
    ratio, cpu = (reached[unit] / best[unit] for unit in ("seconds", "cpu_seconds"))
    print(f"ratio of the times {ratio:.3f} (bar {bar}), of the CPU times {cpu:.3f}")
    raise typer.Exit(0 if ratio <= bar else 1)


def _show(name: str, line: JsonObject, all_lines: list[JsonObject]) -> None:
    memory = max(line["peak_memory_mb"] for line in all_lines)
    times = f"{line['seconds']:.0f} s, {line['cpu_seconds']:.0f} CPU s"
    print(f"{name:<24}{line['ndcg@10']:.4f} after {times}, {memory} MiB at the peak")


if __name__ == "__main__":
    typer.run(main)
