"""Default options on data sets of unlike kinds: no engine may need tuning to be ahead of a linear model.

    python -m pipelines.benchmarks.strangers --quick                 # the smaller sets; under half an hour on two cores
    python -m pipelines.benchmarks.strangers --sets shop tiny        # some sets
    python -m pipelines.benchmarks.strangers --noise 20              # with twenty columns more that tell nothing
    python -m pipelines.benchmarks.strangers --models two_tower sequence hybrid auto --budget 60s

Each set is split by time and by leave-one-out, every engine is fitted with its defaults, and NDCG@10 of the test users
is compared with the best of popularity, itemknn, ease and als, and with every engine of the row, by paired tests. A
pair of set and protocol that the output folder holds is not run again, unless the code of the engines has changed.
Leaves ``results.json``, ``results.md`` and ``results.png``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.benchmarks.strangers.page import LEVEL, forest, table
from pipelines.benchmarks.strangers.sets import QUICK, SETS
from pipelines.benchmarks.strangers.worlds import Tables, with_noise
from pipelines.workspace import ENGINE_CODE, code_version
from recsys.atomic import read_json, write_json, write_text
from recsys.data.dataset import Dataset
from recsys.data.read import read_dataset
from recsys.data.splits.partition import Split
from recsys.data.splits.split import split
from recsys.engine import Engine, FitContext
from recsys.engines import ENGINES
from recsys.errors import ConfigError
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.intervals import paired_test
from recsys.evaluation.report.forest import save_forest
from recsys.json_values import JsonObject

BASELINES = ("popularity", "itemknn", "ease", "als")
MODELS = ("two_tower", "hybrid")
PROTOCOLS = ("leave_one_out", "temporal")
METRIC = "ndcg@10"
PARTS = ("itemknn", "ease", "als", "two_tower")
"""Of the hybrid: memory of exact pairs, factors, and what generalizes; with ``sequence``, the order of ids too."""


def compare(tables: Tables, name: str, protocol: str, models: tuple[str, ...], budget: str = "2m") -> JsonObject | None:
    """The row of a set under a protocol: each engine's metric, its ratio to the best baseline and the paired test.

    None where the set has no timestamps to split by. ``budget`` is the time of a fit of ``auto``.
    """
    data = read_dataset(tables.interactions, users=tables.users, items=tables.items, name=name)
    if protocol == "temporal" and not data.has_timestamps:
        return None
    parts = split(data, protocol)
    values: dict[str, NDArray[np.float64]] = {}
    seconds: dict[str, float] = {}
    fitted: dict[str, Engine] = {}
    for kind in (*BASELINES, *models):
        started = time.monotonic()
        fitted[kind] = _fitted(kind, data, parts, fitted, budget)
        seconds[kind] = round(time.monotonic() - started, 1)
        values[kind] = evaluate(fitted[kind], data, parts.test, ks=(10,)).values[METRIC]
    return {"set": name, "protocol": protocol, "users": len(parts.test), "seconds": seconds, **_row(values)}


def _fitted(kind: str, data: Dataset, parts: Split, fitted: Mapping[str, Engine], budget: str) -> Engine:
    context = FitContext(seed=0, validation=parts.validation, parts=fitted)
    mixed = tuple(name for name in (*PARTS, "sequence") if name in fitted)
    options: dict[str, dict[str, object]] = {"hybrid": {"parts": mixed}, "auto": {"budget": budget}}
    return ENGINES[kind](**options.get(kind, {})).fit(data, parts.train, context=context)


def _row(values: Mapping[str, NDArray[np.float64]]) -> JsonObject:
    means = {name: float(value.mean()) for name, value in values.items()}
    best = max(BASELINES, key=lambda name: means[name])
    tests: JsonObject = {}
    for name in values:
        if name not in BASELINES:
            others = {other: paired_test(values[name], values[other]) for other in values if other != name}
            found = others[best]
            tests[name] = {"difference": found.difference, "low": found.low, "high": found.high, "p": found.p}
            tests[name]["behind"] = [o for o, test in others.items() if test.difference < 0 and test.p < LEVEL]
    return {"metric": METRIC, "means": means, "best_baseline": best, "models": list(tests), "against_best": tests}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.benchmarks.strangers", description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), help="default: all")
    parser.add_argument("--quick", action="store_true", help=f"only: {', '.join(QUICK)}")
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--models", nargs="+", choices=list(ENGINES), default=list(MODELS))
    parser.add_argument("--noise", type=int, default=0, help="columns of noise added to the items, half of it to users")
    parser.add_argument("--budget", default="2m", help="the time of a fit of auto; default: 2m")
    parser.add_argument("--output", type=Path, default=Path("runs/strangers"))
    arguments = parser.parse_args()
    if "hybrid" in arguments.models and "two_tower" not in arguments.models:
        raise SystemExit("error: the hybrid has two_tower for a part; name both")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    names = arguments.sets or (list(QUICK) if arguments.quick else list(SETS))
    path = arguments.output / "results.json"
    rows: list[JsonObject] = read_json(path)["rows"] if path.is_file() else []
    code = code_version(*ENGINE_CODE, "pipelines/benchmarks/strangers")
    for name in names:
        for protocol in arguments.protocols:
            key = {"code": code, "noise": arguments.noise, "models": arguments.models, "budget": arguments.budget}
            if any((r["set"], r["protocol"], r["key"]) == (name, protocol, key) for r in rows):
                continue
            row = _run(name, protocol, arguments)
            if row is None:
                continue
            rows = [r for r in rows if (r["set"], r["protocol"]) != (name, protocol)] + [{**row, "key": key}]
            rows.sort(key=lambda r: (list(SETS).index(r["set"]), PROTOCOLS.index(r["protocol"])))
            arguments.output.mkdir(parents=True, exist_ok=True)
            write_json(path, {"rows": rows})
            write_text(arguments.output / "results.md", table(rows))
            print(table([row]).splitlines()[-1], file=sys.stderr)
    if rows:
        label = "NDCG@10 over that of the best of popularity, itemknn, ease and als, 95 % interval"
        save_forest(arguments.output / "results.png", *forest(rows), label)
        print(table(rows))


def _run(name: str, protocol: str, arguments: argparse.Namespace) -> JsonObject | None:
    try:
        tables = SETS[name]()
    except ConfigError as error:
        print(f"{name}: left out, {error}", file=sys.stderr)
        return None
    if arguments.noise:
        tables = with_noise(tables, arguments.noise, seed=0)
    return compare(tables, name, protocol, tuple(arguments.models), arguments.budget)


if __name__ == "__main__":
    main()
