"""How long this project takes to be as good as the peers ever get: same data, same split, same cores, one run.

``python -m pipelines.benchmarks.peers pipelines/configs/beauty.toml --peer rectools`` makes an environment for the peer
under ``runs/peers``, trains the peer and then the run's sequence engine on the same training interactions, and prints
the wall time each needed to reach the peer's best NDCG@10 on validation, and the peak memory. The peer's time is that
of its training alone; ours includes our validation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

FOLDER = Path("runs/peers")
PEERS = {
    "rectools": ("rectools_sasrec.py", ["torch==2.13.0", "RecTools[torch]==0.19.0"]),
    "recbole": (
        "recbole_sasrec.py",
        ["torch==2.13.0", "recbole==1.2.1", "numpy<2", "scipy<1.14", "pandas<2.3", "setuptools<80"],
    ),
}
"""Peer -> its script here, and what its environment is made of."""


def environment(peer: str) -> Path:
    """The peer's Python, installed when it is not there."""
    home = FOLDER / peer
    ready = home / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin/python"), "-m", "pip", "install", "--quiet", *PEERS[peer][1]], check=True)
        ready.touch()
    return home / "bin" / "python"


def export(config: Path, folder: Path) -> None:
    """``train.csv`` and ``validation.csv`` of the run's split, in row numbers."""
    import pandas as pd

    from pipelines.config import read_run_config
    from recsys.data.readers import read_dataset
    from recsys.data.sources import resolve
    from recsys.data.split import make_split

    run = read_run_config(config)
    data = read_dataset(resolve(run.data))
    split = make_split(data, run.split)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", split.train), ("validation", split.validation.targets)):
        columns = {"user_id": part.user, "item_id": part.item, "position": part.time}
        pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)


def epochs(command: list[str]) -> list[dict[str, Any]]:
    """What a script printed, one entry an epoch, shown as it comes."""
    lines = []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith("{"):
            lines.append(json.loads(text))
            print(f"  {text.strip()}", file=sys.stderr, flush=True)
    if process.wait() or not lines:
        raise typer.BadParameter(f"{' '.join(command)} ended with {process.returncode}; run it by hand to see why")
    return lines


def main(
    config: Annotated[Path, typer.Argument(help="A run with a sequence engine, on the papers' protocol.")],
    peer: Annotated[str, typer.Option(help=f"One of {', '.join(PEERS)}.")] = "rectools",
    engine: Annotated[str, typer.Option(help="The engine of the run that is compared.")] = "sequence",
    options: Annotated[str, typer.Option(help="JSON: what the peer's defaults are changed by.")] = "{}",
    seconds: Annotated[float, typer.Option(help="Training time after which the peer begins no further epoch.")] = 3600,
    bar: Annotated[float, typer.Option(help="Largest share of the peer's time.")] = 0.2,
) -> None:
    """Prints the comparison; exit code 1 when ours takes more than the bar."""
    folder = FOLDER / "data" / config.stem
    export(config, folder)
    script = Path(__file__).parent / PEERS[peer][0]
    home = str(environment(peer).absolute())
    theirs = epochs([home, str(script), str(folder), "--options", options, "--seconds", str(seconds)])
    ours = epochs([sys.executable, "-m", "pipelines.benchmarks.peers.ours", str(config), "--engine", engine])
    best = max(theirs, key=lambda line: line["ndcg@10"])
    reached = next((line for line in ours if line["ndcg@10"] >= best["ndcg@10"]), None)
    ended = "stopped by its patience" if theirs[-1]["seconds"] < seconds else f"stopped after {seconds:.0f} s"
    print(f"{config.stem}, {os.cpu_count()} cores, {peer} {options}, {ended}")
    print(f"{peer:<12}ndcg@10 {best['ndcg@10']:.4f} on validation after {best['seconds']:.0f} s, {_memory(theirs)}")
    if reached is None:
        top = max(line["ndcg@10"] for line in ours)
        print(f"{engine:<12}ndcg@10 {top:.4f} at best, {_memory(ours)}: the peer is ahead")
        raise typer.Exit(1)
    ratio = reached["seconds"] / best["seconds"]
    print(f"{engine:<12}ndcg@10 {reached['ndcg@10']:.4f} after {reached['seconds']:.0f} s, {_memory(ours)}")
    top = max(ours, key=lambda line: line["ndcg@10"])
    print(f"{engine:<12}ndcg@10 {top['ndcg@10']:.4f} at best, after {top['seconds']:.0f} s")
    print(f"ratio of the times {ratio:.3f} (bar {bar})")
    raise typer.Exit(0 if ratio <= bar else 1)


def _memory(lines: list[dict[str, Any]]) -> str:
    return f"{max(line['peak_memory_mb'] for line in lines)} MiB at the peak"


if __name__ == "__main__":
    typer.run(main)
