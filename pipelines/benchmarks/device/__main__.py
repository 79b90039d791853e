"""What training costs on one device: seconds to known accuracy, events a second, and the share of what it can do.

    python -m pipelines.benchmarks.device                          # on CUDA
    python -m pipelines.benchmarks.device --device cpu --quick     # a part of the data and an epoch, in 30 CPU s
    python -m pipelines.benchmarks.device --peer                   # installs RecTools' SASRec and trains it there too

Prints the device and the rate of a large product of matrices on it; the seconds, validation included, until the
sequence engine of a config comes within 1 % of the validation figure of the results page; and of an epoch of synthetic
events the events a second and the share of the product's rate. RecTools is trained on the same device where it is
installed.
"""

from __future__ import annotations

import platform
from typing import Annotated

import torch
import typer

from pipelines.benchmarks.device.known_figures import FIGURES, ours, theirs
from pipelines.benchmarks.device.throughput import ENGINES, matmul_rate, training_rate
from pipelines.benchmarks.peers.harness import FOLDER
from recsys.errors import RecsysError


def main(
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    quick: Annotated[bool, typer.Option("--quick", help="A twentieth of the users, one epoch, 20,000 events.")] = False,
    events: Annotated[int, typer.Option(help="Synthetic events of an epoch.")] = 10**7,
    peer: Annotated[bool, typer.Option("--peer", help="Installs RecTools where it is missing.")] = False,
    seconds: Annotated[float, typer.Option(help="Training time after which RecTools begins no further epoch.")] = 600,
) -> None:
    """Prints what is measured as it is ready."""
    if device not in ("cuda", "cpu"):
        raise typer.BadParameter(f"--device is cuda or cpu, not {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise typer.BadParameter("there is no CUDA device that torch can use; --device cpu measures the CPU")
    peak = matmul_rate(torch.device(device))
    print(f"{_name(device)}, torch {torch.__version__}: products of matrices {peak / 1e12:.3g} TFLOP/s", flush=True)
    has_peer = peer or (FOLDER / "rectools" / ".ready").exists()
    for figure in FIGURES:
        try:
            print(ours(figure, device, quick).line(f"{figure.config} {figure.engine}", figure.ndcg), flush=True)
            if has_peer:
                print(theirs(figure, device, quick, seconds).line(f"{figure.config} RecTools", figure.ndcg), flush=True)
        except RecsysError as error:
            print(f"{figure.config}: left out: {error}", flush=True)
    for name in ENGINES:
        print(training_rate(name, 20_000 if quick else events, device).line(name, peak), flush=True)
    if not has_peer:
        print("RecTools is not installed; --peer installs it in an environment of its own")


def _name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    typer.run(main)
