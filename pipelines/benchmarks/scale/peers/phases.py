"""Shared by the scripts of the peers. They run in the environment of a peer: nothing of this project is imported."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Prints a JSON line: seconds and CPU seconds of the block, and the highest resident memory so far in MiB."""
    start, cpu = time.monotonic(), time.process_time()
    yield
    found = {"seconds": time.monotonic() - start, "cpu_seconds": time.process_time() - cpu}
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"phase": name, **{key: round(value, 2) for key, value in found.items()}}), flush=True)


def read() -> pd.DataFrame:
    """The interactions in the folder that the script is called with."""
    return pd.read_parquet(Path(sys.argv[1]))
