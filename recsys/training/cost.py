"""Cost of a computation: wall time and peak resident memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """Wall time and peak memory of a block; filled in when the block of `measured` ends.

    Args:
        seconds: wall time.
        peak_memory_mb: the highest resident memory of this process in MiB. Linux measures it anew for each block, with
            what the process already held when the block began; macOS the highest since the process started; Windows
            does not, and it is 0.
    """

    seconds: float = 0.0
    peak_memory_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measures wall time and peak memory of the block."""
    cost = Cost()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, see proc(5)
    start = time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - start
    cost.peak_memory_mb = _peak_memory_mb()


def _peak_memory_mb() -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # on Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
