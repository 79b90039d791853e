"""The costs of the peers, by phases that their scripts print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pipelines.benchmarks.peers.harness import environment
from pipelines.benchmarks.scale.stages import Cost

PEERS = {"implicit": "implicit_models.py", "rectools-base": "rectools_models.py", "recbole": "recbole_load.py"}
"""Peer, which is an environment of `pipelines.benchmarks.peers.harness` except for implicit -> its script here."""


class PeerError(Exception):
    """A peer cannot be installed, or its script failed."""


def peer_costs(peer: str, interactions: Path, log: Path) -> Iterator[tuple[str, Cost]]:
    """Name and cost of each phase; the peer's own messages are in ``log``.

    Args:
        peer: one of `PEERS`.
        interactions: the folder of Parquet parts.
        log: its errors; replaced.

    Raises:
        PeerError: says what failed.
    """
    try:
        python = sys.executable if peer == "implicit" else str(environment(peer))
    except (subprocess.CalledProcessError, OSError) as error:
        raise PeerError(f"{peer} cannot be installed ({error})") from error
    script = Path(__file__).parent.absolute() / PEERS[peer]
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.run(
            [python, str(script), str(interactions.absolute())],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=log.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    for line in process.stdout.splitlines():
        if line.startswith('{"phase"'):
            found = json.loads(line)
            yield found.pop("phase"), Cost(**found)
    if process.returncode:
        raise PeerError(f"{peer} ended with {process.returncode}; see {log}")
