"""An engine of this project under the peers' protocol: one JSON line an epoch. Its seconds include its validation."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from recsys.tracking import SilentTracker


class Reporter(SilentTracker):
    """Prints a JSON line per epoch: its metrics and the seconds of training so far."""

    def __init__(self) -> None:
        self.start, self.cpu_start = time.perf_counter(), time.process_time()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line = {
            "epoch": step,
            "seconds": round(time.perf_counter() - self.start, 1),
            "cpu_seconds": round(time.process_time() - self.cpu_start, 1),
            "ndcg@10": metrics.get("metric"),
            "peak_memory_mb": round(memory),
        }
        print(json.dumps(line), flush=True)


def main(
    config: Path,
    engine: str = "sequence",
    options: Annotated[str, typer.Option(help="JSON: what the engine's options are changed by.")] = "{}",
    epochs: Annotated[int, typer.Option(help="Trains this many without validation; 0: as the run says.")] = 0,
) -> None:
    """Fits ``engine`` of ``config`` on train, validated as the run says."""
    from pipelines.benchmarks.peers.harness import load
    from pipelines.specs import engine_spec
    from recsys.engine import FitContext
    from recsys.engines import ENGINES

    run, data, split = load(config)
    spec = engine_spec(engine, {**run.engines[engine], **json.loads(options)})
    context = FitContext(run.seed, None if epochs else split.validation, epochs or None, tracker=Reporter())
    ENGINES[spec.kind](spec.config).fit(data, split.train, context=context)


if __name__ == "__main__":
    typer.run(main)
