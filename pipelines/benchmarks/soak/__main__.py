"""Thirty minutes of the service at 100 requests a second while its champion moves and its process is killed.

``python -m pipelines.benchmarks.soak`` registers three versions of a model of MovieLens 100K (``--data synthetic`` for
a made one), runs ``recsys serve`` under a supervisor and asks it for lists of users with and without feedback, of
histories and of batches, and for similar items. Every answer is compared with what the library gives for the version
that it names. Kills fall in the first two thirds, so that the last process lives long enough for its memory to be
seen. Writes ``results.md`` and ``results.png``; exit code 1 where there is a fault.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.benchmarks.soak import checks
from pipelines.benchmarks.soak.load import Client
from pipelines.benchmarks.soak.page import write
from pipelines.benchmarks.soak.supervisor import Supervisor
from pipelines.benchmarks.soak.world import World

POLL = 1.0
MOST_GROWTH = 1.1
"""Memory of the last quarter over that of the first."""


@dataclass(frozen=True)
class Plan:
    """How long, how fast and how rough; ``warm`` is the seconds of a life before its memory counts."""

    minutes: float
    rate: float
    moves: int
    kills: int
    seed: int
    warm: float


@dataclass(frozen=True, eq=False)
class Run:
    """What happened, on the clock of ``time.monotonic``."""

    plan: Plan
    begin: float
    client: Client
    supervisor: Supervisor
    moves: list[checks.Move]
    log: Path

    def messages(self, event: str) -> list[dict[str, object]]:
        """The messages of the service of one kind."""
        lines = (line for line in self.log.read_text().splitlines() if f'"event": "{event}"' in line)
        return [json.loads(line) for line in lines]


async def soak(world: World, folder: Path, plan: Plan) -> Run:
    """Serves, asks, moves and kills."""
    rng, port = random.Random(plan.seed), _free_port()
    words = ["serve", str(world.config), "--output", str(folder / "run"), "--port", str(port), "--poll", str(POLL)]
    supervisor, client = Supervisor(words, port, folder / "log"), Client(world, port, random.Random(plan.seed + 1))
    served, moves = asyncio.create_task(supervisor.run()), [checks.Move(next(iter(world.bundles)), 0.0, 0.0)]
    await supervisor.ready()
    begin, seconds = time.monotonic(), 60 * plan.minutes
    kills = sorted(rng.uniform(0.05, 0.67) * seconds for _ in range(plan.kills))
    at = sorted(rng.uniform(0.02, 0.98) * seconds for _ in range(plan.moves))

    async def kill() -> None:
        for moment in kills:
            await asyncio.sleep(max(0.0, begin + moment - time.monotonic()))
            supervisor.kill()

    async def move() -> None:
        for moment in at:
            await asyncio.sleep(max(0.0, begin + moment - time.monotonic()))
            version = rng.choice([each for each in world.bundles if each != moves[-1].version])
            before = time.monotonic()
            moves.append(checks.Move(version, before, float("inf")))  # answers may name it from now on
            await asyncio.to_thread(world.move, version)
            moves[-1] = checks.Move(version, before, time.monotonic())

    await asyncio.gather(client.run(plan.rate, seconds), kill(), move())
    await supervisor.ready()
    await asyncio.sleep(3 * POLL + 5)  # for the last move
    await client.finish()
    supervisor.end()
    await served
    return Run(plan, begin, client, supervisor, moves, folder / "log")


def faults(world: World, run: Run, folder: Path) -> dict[str, list[str]]:
    """What went wrong, by kind."""
    client, supervisor, last = run.client, run.supervisor, run.moves[-1].version
    late = checks.staleness(client.answered, run.moves)
    bound = allowed_seconds(run)
    found = checks.memory(supervisor.lives, run.plan.warm)
    return {
        "wrong lists": client.faults + checks.list_faults(world, client) + checks.table_faults(world, client, last),
        "wrong versions": [f"{seconds:.1f} s after its reign" for seconds in late if seconds > bound],
        "lost or doubled events": checks.log_faults(folder / "run" / "serve" / "feedback.jsonl", client),
        "failures while the service was there": [
            f"{each.what} at {each.ended - run.begin:.1f} s"
            for each in checks.unexplained(client.failed, supervisor.away)
        ],
        "unasked ends and errors": supervisor.unasked
        + ([] if supervisor.code == 0 else [f"exit code {supervisor.code} after SIGTERM"])
        + [str(each) for event in ("unexpected", "model_refused") for each in run.messages(event)],
        "memory": [f"{found}"] if found.last > MOST_GROWTH * found.first else [],
    }


def allowed_seconds(run: Run) -> float:
    """How long a version may answer after its reign: a look, two loadings (one that had begun before), and a second
    of scheduling on a busy machine.
    """
    seconds = [float(str(each["seconds"])) for each in run.messages("model_changed")]
    return POLL + 2 * max(seconds, default=0.0) + 1.0


def _free_port() -> int:
    """A port below those that the system hands to clients."""
    for port in random.sample(range(20_000, 30_000), 50):
        with socket.socket() as found:
            if found.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("no port is free")


def main(
    output: Annotated[Path, typer.Option(help="Where everything goes; a folder that is not there.")] = Path(
        "runs/soak"
    ),
    data: Annotated[str, typer.Option(help="A source of data, or synthetic.")] = "movielens-100k",
    minutes: float = 30.0,
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 100.0,
    moves: Annotated[int, typer.Option(help="Of the champion.")] = 50,
    kills: Annotated[int, typer.Option(help="By SIGKILL.")] = 20,
    seed: int = 0,
    quick: Annotated[bool, typer.Option(help="A minute, 6 moves and 2 kills.")] = False,
) -> None:
    """Prints the table; exit code 1 where there is a fault."""
    output.mkdir(parents=True)
    plan = Plan(1.0, rate, 6, 2, seed, 5.0) if quick else Plan(minutes, rate, moves, kills, seed, 20.0)
    world = World.made(output, data, seed)
    run = asyncio.run(soak(world, output, plan))
    found = faults(world, run, output)
    print(write(run, found, output, allowed_seconds(run)))
    raise typer.Exit(int(any(found.values())))


if __name__ == "__main__":
    typer.run(main)
