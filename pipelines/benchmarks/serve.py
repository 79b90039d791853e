"""Latency of the service with 1, 8 and 64 concurrent clients, and at a steady 100 requests a second.

``python -m pipelines.benchmarks.serve`` fits a two-tower of one epoch on MovieLens 100K (``--data movielens-1m`` for
the larger one, ``--bundle`` for one that is there), starts ``recsys serve`` as a process of its own and asks it for the
top 10 over connections that stay open. *known*: a user of the data at random, whose vector the service keeps after the
first time; *history*: 20 items at random, which are encoded anew each time. ``--rules`` asks for lists under a usual
set of rules. Exit code 1 where p99 at 100 requests a second and known users is above 50 ms.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

BAR_MILLISECONDS = 50.0
_HEAD = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
Ask = Callable[[], bytes]


class Connection:
    """One connection over which requests go one after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, body: bytes) -> float:
        """Seconds to the whole answer of ``/recommend``."""
        started = time.perf_counter()
        self._writer.write(_HEAD + str(len(body)).encode() + b"\r\n\r\n" + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        assert length is not None
        content = await self._reader.readexactly(int(length[1]))
        assert answer.startswith(b"HTTP/1.1 200"), content
        return time.perf_counter() - started

    def close(self) -> None:
        self._writer.close()


async def concurrent(port: int, clients: int, seconds: float, ask: Ask) -> tuple[list[float], float]:
    """Latencies of clients that each ask again as soon as they are answered, and requests a second."""
    connections = [await Connection.open(port) for _ in range(clients)]
    until, found = time.perf_counter() + seconds, list[float]()

    async def client(connection: Connection) -> None:
        while time.perf_counter() < until:
            found.append(await connection.post(ask()))

    await asyncio.gather(*map(client, connections))
    for connection in connections:
        connection.close()
    return found, len(found) / seconds


async def steady(port: int, rate: float, seconds: float, ask: Ask) -> tuple[list[float], float]:
    """Latencies of requests that start at a fixed rate, whether or not earlier ones are answered."""
    free: list[Connection] = []
    found: list[float] = []

    async def one(due: float) -> None:
        connection = free.pop() if free else await Connection.open(port)
        await connection.post(ask())
        found.append(time.perf_counter() - due)  # the wait for the client itself counts too
        free.append(connection)

    begin, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    for connection in free:
        connection.close()
    return found, len(found) / (time.perf_counter() - begin)


def fitted(data: str, folder: Path) -> Path:
    """The bundle of a two-tower after one epoch."""
    import recsys as rs

    dataset = rs.load_dataset(data)
    rs.Bundle(rs.TwoTower(epochs=1).fit(dataset), dataset).save(folder / "bundle")
    return folder / "bundle"


def asks(bundle: Path) -> dict[str, Ask]:
    """What is asked, by name."""
    from recsys.data.entities import EntityTable

    users, items = (EntityTable.load(bundle / f"{side}.parquet").vocabulary.ids for side in ("users", "items"))
    rng = np.random.default_rng(0)
    return {
        "known": lambda: json.dumps({"user_id": rng.choice(users).item()}).encode(),
        "history": lambda: json.dumps({"history": rng.choice(items, 20).tolist()}).encode(),
    }


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def row(pid: int, what: str, load: str, run: Coroutine[None, None, tuple[list[float], float]]) -> float:
    """Runs and prints a row of the table; returns p99 in milliseconds."""
    before = cpu_seconds(pid)
    found, rate = await run
    cost = 1000 * (cpu_seconds(pid) - before) / max(len(found), 1)
    p50, p99 = (1000 * float(np.quantile(found, q)) for q in (0.5, 0.99))
    print(f"| {what} | {load} | {p50:.1f} | {p99:.1f} | {rate:.0f} | {cost:.1f} |", flush=True)
    return p99


async def measure(port: int, pid: int, named: dict[str, Ask], seconds: float) -> float:
    """Prints the table; returns p99 of known users at 100 requests a second."""
    bar = 0.0
    print("| asked | load | p50, ms | p99, ms | requests/s | CPU ms |\n|---|---|--:|--:|--:|--:|")
    for what, ask in named.items():
        await concurrent(port, 4, min(6.0, seconds), ask)  # warm
        p99 = await row(pid, what, "100 requests/s", steady(port, 100.0, seconds, ask))
        bar = bar or p99
        for clients in (1, 8, 64):
            await row(pid, what, f"{clients} clients", concurrent(port, clients, seconds, ask))
    return bar


def main(
    data: str = "movielens-100k",
    bundle: Annotated[Path | None, typer.Option(help="A bundle that is there.")] = None,
    seconds: float = 10.0,
    rules: Annotated[
        bool, typer.Option("--rules", help="Under those of `pipelines.benchmarks.ruled_service`.")
    ] = False,
) -> None:
    """Prints p50, p99, requests a second and processor time of a request."""
    with tempfile.TemporaryDirectory() as folder:
        served, state = bundle or fitted(data, Path(folder)), f"{folder}/state"
        plain = ["pipelines.cli", "serve", "--bundle", str(served), "--port", "0", "--state", state, "--timeout", "60"]
        words = ["pipelines.benchmarks.ruled_service", str(served), state] if rules else plain
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        try:
            found = re.search(r"http://[^:]+:(\d+)", process.stdout.readline())
            assert found is not None, "the service did not start"
            p99 = asyncio.run(measure(int(found[1]), process.pid, asks(served), seconds))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    print(f"p99 at 100 requests/s {p99:.1f} ms (bar {BAR_MILLISECONDS:.0f})")
    raise typer.Exit(0 if p99 <= BAR_MILLISECONDS else 1)


if __name__ == "__main__":
    typer.run(main)
