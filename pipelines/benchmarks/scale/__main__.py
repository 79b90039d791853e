"""What every stage costs at 10^6, 10^7 and 10^8 interactions.

    python -m pipelines.benchmarks.scale --quick                    # 10^6 interactions
    python -m pipelines.benchmarks.scale                            # 10^6 and 10^7
    python -m pipelines.benchmarks.scale --events 100000000 --engines popularity itemknn two_tower
    python -m pipelines.benchmarks.scale --quick --peers            # beside implicit, RecTools and RecBole
    python -m pipelines.benchmarks.scale --events 100000000 --form csv.gz --stages validate prepare

Each stage is a command in a process of its own: seconds, CPU seconds, peak memory and bytes an interaction. Leaves
``results.md`` and ``results.png``; a stage that the output folder holds is not run again, unless code or what it was
asked has changed. Nothing may grow faster than its input: see *growth* in the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from pipelines.benchmarks.scale.page import line, save_plot, table
from pipelines.benchmarks.scale.peers.measured import PEERS, PeerError, peer_costs
from pipelines.benchmarks.scale.stages import ENGINES, USUAL, Cost, commands, measure
from pipelines.benchmarks.scale.world import FORMATS, Size, World
from pipelines.workspace import ENGINE_CODE, code_version
from recsys.atomic import read_json, write_json, write_text
from recsys.digest import short_digest
from recsys.errors import RecsysError
from recsys.json_values import JsonObject


def profile(
    world: World, folder: Path, engines: Mapping[str, str], peers: Iterable[str], stages: Iterable[str] = ()
) -> tuple[int, dict[str, Cost]]:
    """The number of interactions and the cost of each stage; from ``folder`` where it holds them.

    With ``peers`` the phases of other libraries on the same interactions follow; one that fails is told and left out.
    With ``stages`` only those whose first word is among them are run.
    """
    done, code = folder / "costs.json", code_version(*ENGINE_CODE)
    if not done.exists():
        # in another process, for a stage's peak of memory is at least what this one holds when it starts it
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            folder.mkdir(parents=True, exist_ok=True)
            rows = apart.submit(world.write, folder).result()
        write_json(done, {"rows": rows, "code": code})
    record = read_json(done)
    if record["code"] != code:
        record = {"rows": record["rows"], "code": code, "peers": record.get("peers", {})}
    (folder / "logs").mkdir(exist_ok=True)
    kept: JsonObject = record.setdefault("stages", {})
    wanted, costs = set(stages), dict[str, Cost]()
    for name, command in commands(folder, engines):
        if wanted and name.partition(" ")[0] not in wanted:
            continue
        asked = short_digest([*command, Path(command[1]).read_text("utf-8")])
        if kept.get(name, {}).get("asked") != asked:
            cost = measure(command, folder / "logs" / f"{name.replace(' ', '-').replace(',', '')}.txt")
            kept[name] = {"asked": asked, "cost": asdict(cost)}
            write_json(done, record)
            print(line(name, cost, record["rows"]), flush=True)
        costs[name] = Cost(**kept[name]["cost"])
    return record["rows"], costs | _beside(folder, record, done, peers)


def _beside(folder: Path, record: JsonObject, done: Path, peers: Iterable[str]) -> dict[str, Cost]:
    """The costs of the peers; those that are measured are added to the record."""
    measured: JsonObject = record.setdefault("peers", {})
    for peer in [peer for peer in peers if peer not in measured]:
        try:
            phases = dict(peer_costs(peer, folder / "interactions", folder / "logs" / f"{peer}.txt"))
        except PeerError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        measured[peer] = {name: asdict(cost) for name, cost in phases.items()}
        write_json(done, record)
        print("\n".join(line(name, cost, record["rows"]) for name, cost in phases.items()), flush=True)
    found = [measured[peer] for peer in peers if peer in measured]
    return {name: Cost(**cost) for phases in found for name, cost in phases.items()}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[10**6, 10**7], help="numbers of interactions")
    parser.add_argument("--quick", action="store_true", help="10^6 interactions alone")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=USUAL)
    parser.add_argument("--form", choices=FORMATS, default=FORMATS[0], help="of the interactions")
    parser.add_argument("--text-ids", action="store_true", help="ids as texts instead of integers")
    parser.add_argument("--stages", nargs="+", default=[], help="only these, such as validate prepare")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=list(PEERS),
        help="other libraries too, all or these, in environments of their own",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/scale"))
    arguments = parser.parse_args()
    sizes = [10**6] if arguments.quick else sorted(arguments.events)
    engines = {name: ENGINES[name] for name in arguments.engines}
    peers = () if arguments.peers is None else arguments.peers or PEERS
    try:
        worlds = [World(Size(events), arguments.form, arguments.text_ids) for events in sizes]
        found = dict(
            profile(world, world.folder(arguments.output), engines, peers, arguments.stages) for world in worlds
        )
    except RecsysError as error:
        print(error, file=sys.stderr)
        return 1
    write_text(arguments.output / "results.md", table(found))
    save_plot(found, arguments.output / "results.png")
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
