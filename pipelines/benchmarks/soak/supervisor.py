"""A supervisor: it starts the service again whenever it ends, kills it at given moments and measures its memory."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Life:
    """One process of the service.

    Args:
        pid: of the process.
        ready: when it answered first; infinite where it was killed before.
        memory: moments and MiB that are resident.
    """

    pid: int
    ready: float = float("inf")
    memory: list[tuple[float, float]] = field(default_factory=list)


class Supervisor:
    """Runs ``recsys serve`` until `end`.

    Args:
        words: behind ``recsys``.
        port: where it listens.
        log: of the service.
    """

    def __init__(self, words: Sequence[str], port: int, log: Path) -> None:
        self._words, self._port, self._log = words, port, log
        self.lives: list[Life] = []
        self.away: list[list[float]] = []
        self.unasked: list[str] = []
        self.code: int | None = None
        self._killed = self._stopping = False

    async def run(self) -> None:
        """Starts the service, again and again."""
        while not self._stopping:
            with self._log.open("ab") as log:
                command = [sys.executable, "-m", "pipelines.cli", *self._words]
                process = await asyncio.create_subprocess_exec(
                    *command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
                )
            self._killed = False
            self.lives.append(Life(process.pid))
            watch = asyncio.create_task(self._watch(self.lives[-1]))
            self.code = await process.wait()
            watch.cancel()
            if not (self._killed or self._stopping):
                self.unasked.append(f"the service ended by itself with {self.code}")
                self._gone()
                await asyncio.sleep(1.0)

    def kill(self) -> None:
        """SIGKILL, whether the service is ready or still on its way."""
        self._killed = True
        self._gone()
        with suppress(ProcessLookupError):
            os.kill(self.lives[-1].pid, signal.SIGKILL)

    def end(self) -> None:
        """SIGTERM, after which nothing is started."""
        self._stopping = True
        os.kill(self.lives[-1].pid, signal.SIGTERM)

    async def ready(self, timeout: float = 180.0) -> None:
        """Waits until the service answers."""
        until = time.monotonic() + timeout
        while not self.lives or self.lives[-1].ready == float("inf"):
            assert time.monotonic() < until, f"the service did not start; see {self._log}"
            assert self.code in (None, -signal.SIGKILL), f"the service ended with {self.code}; see {self._log}"
            await asyncio.sleep(0.05)

    def _gone(self) -> None:
        """Notes since when the service is away; kills on its way back make the absence longer."""
        if not self.away or self.away[-1][1] < float("inf"):
            self.away.append([time.monotonic(), float("inf")])

    async def _watch(self, life: Life) -> None:
        while not await self._answers():
            await asyncio.sleep(0.05)
        life.ready = time.monotonic()
        if self.away and self.away[-1][1] == float("inf"):
            self.away[-1][1] = life.ready
        while True:
            with suppress(OSError):
                pages = int(Path(f"/proc/{life.pid}/statm").read_text().split()[1])
                life.memory.append((time.monotonic(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20))
            await asyncio.sleep(1.0)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            line = await reader.readline()
            writer.close()
        except OSError:
            return False
        return b" 200 " in line
