"""Accuracy of an engine of this project and of the peers, other libraries, on the same data, split and test users.

``python -m pipelines.benchmarks.peers.accuracy pipelines/configs/movielens-1m.toml`` trains each peer in an environment
of its own on the run's training interactions, keeps the epoch that is best on validation, and then trains the run's
sequence engine. All are evaluated on the test targets: the history includes the validation item, and the whole
catalogue without the seen items is ranked.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from pipelines.benchmarks.peers.harness import ENVIRONMENTS, environment, export, known, load, peer_lines
from pipelines.benchmarks.peers.ours import Reporter
from pipelines.config_checks import check_engine
from pipelines.specs import engine_spec
from recsys.atomic import read_json, write_json
from recsys.data.splits.split import Holdout
from recsys.data.vocabulary import MISSING
from recsys.digest import file_sha256
from recsys.engine import FitContext
from recsys.engines import ENGINES
from recsys.evaluation.evaluate import evaluate, is_relevant, relevant
from recsys.evaluation.intervals import bootstrap_interval, holm, paired_test
from recsys.evaluation.metrics import METRICS, parse_metric
from recsys.json_values import JsonObject

Values = dict[str, NDArray[np.float64]]
MEASURED = ("recall@10", "ndcg@10")
SCRIPT = ("rectools", "rectools_sasrec.py")
SETTINGS: dict[str, JsonObject] = {
    "rectools": {"batch_size": 32, "n_factors": 128, "n_heads": 2},
    "rectools_sampled": {
        "batch_size": 32,
        "loss": "sampled_softmax",
        "n_negatives": 256,
        "n_factors": 128,
        "n_heads": 2,
        "catalogue_logits": True,
    },
    "gsasrec": {
        "batch_size": 32,
        "loss": "gBCE",
        "n_negatives": 256,
        "gbce_t": 0.75,
        "n_factors": 128,
        "n_heads": 1,
        "n_blocks": 2,
        "dropout_rate": 0.5,
        "session_max_len": 200,
        "catalogue_logits": True,
    },
}
"""Name -> the options of RecTools' SASRecModel that differ from its defaults. Its default loss is the full softmax;
half its default dimensions take less time. Its other strong loss is the sampled softmax, here with as many negatives as
its authors take in eSASRec (RecSys 2025). gSASRec's settings are those of its authors' repository,
asash/gSASRec-pytorch, for MovieLens 1M (they learn output embeddings beside the input ones, RecTools shares them).
Batches are a quarter of the default of both, 128: four times the steps per epoch, as training ends by the limit of
time."""


@dataclass(frozen=True)
class Accuracy:
    """The test metrics of one engine, and its training curve.

    Args:
        values: metric -> float64 [U], one value per test user.
        curve: the JSON line that a peer printed for each epoch; empty for our engine.
        ended: why its training ended.
    """

    values: Values
    curve: Sequence[JsonObject] = field(default_factory=list)
    ended: str = ""


def values_of(users: Sequence[int], items: Sequence[int], holdout: Holdout, n_items: int) -> Values:
    """Metrics of each test user from the lists that a peer wrote: user by user, best first.

    Args:
        users: user rows, one per listed item.
        items: item rows.
        holdout: the test users and their targets; a user without a list has 0.
        n_items: size of the catalogue.
    """
    places = {int(user): place for place, user in enumerate(holdout.users)}
    lists = np.full((len(holdout), 10), MISSING, np.int64)
    filled = np.zeros(len(holdout), np.int64)
    for user, item in zip(users, items, strict=True):
        if (place := places.get(int(user))) is not None:
            lists[place, filled[place]] = item
            filled[place] += 1
    targets = relevant(holdout, holdout.users)
    hits = is_relevant(lists, targets, n_items)
    parsed = {metric: parse_metric(metric) for metric in MEASURED}
    return {metric: METRICS[name](hits, targets.lengths, k) for metric, (name, k) in parsed.items()}


def evaluate_peer(name: str, folder: Path, seconds: float, patience: int, holdout: Holdout, n_items: int) -> Accuracy:
    """Trains a peer and computes the metrics of the lists of its best epoch."""
    lists = folder / f"{name}.csv"
    record = trained(name, folder, lists, seconds, patience)
    ended = "stopped by its patience" if record["limit"] is None else f"cut after {record['limit']:.0f} CPU s"
    found = pd.read_csv(lists)
    values = values_of(found["user_id"].tolist(), found["item_id"].tolist(), holdout, n_items)
    return Accuracy(values, record["curve"], ended)


def trained(name: str, folder: Path, lists: Path, seconds: float, patience: int) -> JsonObject:
    """Trains a peer: its curve, and the time limit if that ended it; writes the best epoch's lists to ``lists``.

    A result of the same settings and files under the same or a longer time limit is reused, as peers train for hours.
    It is replaced only when a new training has ended.
    """
    kept, made_from = folder / f"{name}.json", _made_from(name, folder, patience)
    if kept.exists() and lists.exists():
        record: JsonObject = read_json(kept)
        long_enough = record["limit"] is None or record["limit"] >= seconds
        if record["made_from"] == made_from and record.get("lists") == file_sha256(lists) and long_enough:
            print(f"{name}: trained before, see {kept}", file=sys.stderr)
            return record
    beside = lists.with_suffix(".new.csv")
    limits = ["--cpu-seconds", str(seconds), "--seconds", "inf", "--patience", str(patience)]
    options = ["--options", json.dumps(SETTINGS[name]), "--lists", str(beside.absolute())]
    curve = peer_lines(*SCRIPT, folder, *options, *limits)
    limit = None if curve[-1]["cpu_seconds"] < seconds else seconds
    beside.replace(lists)
    record = {"made_from": made_from, "limit": limit, "curve": curve, "lists": file_sha256(lists)}
    write_json(kept, record)
    return record


def _made_from(name: str, folder: Path, patience: int) -> str:
    """A digest of all that a peer's training depends on except the time limit."""
    digest = hashlib.sha256(json.dumps([name, SETTINGS[name], patience, ENVIRONMENTS[SCRIPT[0]]]).encode())
    scripts = [Path(__file__).parent / script for script in (SCRIPT[1], "protocol.py")]
    for path in [*scripts, *(folder / f"{part}.csv" for part in ("train", "validation", "test_histories"))]:
        digest.update(file_sha256(path).encode())
    return digest.hexdigest()


def table(results: dict[str, Accuracy], engine: str, seed: int) -> tuple[list[str], list[JsonObject]]:
    """The metrics as Markdown lines, and the paired tests of ``engine`` against each peer, Holm-corrected."""
    lines = ["| engine | recall@10 | NDCG@10 | training |", "|---|---|---|---|"]
    for name, found in results.items():
        cells = [bootstrap_interval(found.values[metric], seed) for metric in MEASURED]
        text = " | ".join(f"{cell.value:.4f} [{cell.low:.4f}, {cell.high:.4f}]" for cell in cells)
        lines.append(f"| {name} | {text} | {training(found)} |")
    ours, tests = results[engine].values, []
    pairs = [(name, metric) for name in results if name != engine for metric in MEASURED]
    paired = [paired_test(ours[metric], results[name].values[metric], seed) for name, metric in pairs]
    for (name, metric), test, corrected in zip(pairs, paired, holm([test.p for test in paired]), strict=True):
        tests.append({"engine": engine, "baseline": name, "metric": metric, **asdict(test), "p_holm": corrected})
        gain = f"{test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}]"
        lines.append(f"{engine} above {name} in {metric}: {gain}, p {corrected:.4f}")
    return lines, tests


def training(found: Accuracy) -> str:
    """The epochs of a peer, the best one, and why it ended."""
    if not found.curve:
        return found.ended
    best = max(found.curve, key=lambda line: line["ndcg@10"])
    seconds = f"{found.curve[-1]['cpu_seconds']:.0f} CPU s"
    return f"epoch {best['epoch']} of {len(found.curve)}, NDCG@10 {best['ndcg@10']:.4f}, {seconds}, {found.ended}"


def main(
    config: Annotated[Path, typer.Argument(help="A run on the papers' protocol.")],
    engine: Annotated[str, typer.Option(help="The engine of the run that is compared.")] = "sequence",
    peer: Annotated[list[str], typer.Option(help=f"Of {', '.join(SETTINGS)}; all by default.")] = list(SETTINGS),  # noqa: B006
    seconds: Annotated[float, typer.Option(help="Processor seconds of training after which no epoch begins.")] = 3600,
    patience: Annotated[int, typer.Option(help="Epochs without a better validation before a peer stops.")] = 5,
    jobs: Annotated[int, typer.Option(help="Peers that are trained at a time.")] = 1,
) -> None:
    """Prints the comparison and writes ``accuracy.json``; exit code 1 unless ours beats every peer, p below .05."""
    for name in peer:
        known(name, SETTINGS)
    run, data, split = load(config)
    check_engine(run, "--engine", engine)
    folder = export(config.stem, split)
    environment(SCRIPT[0])  # installed once, before the peers start in parallel

    def evaluated(name: str) -> Accuracy:
        return evaluate_peer(name, folder, seconds, patience, split.test, data.n_items)

    with ThreadPoolExecutor(jobs) as pool:
        results = dict(zip(peer, pool.map(evaluated, peer), strict=True))
    spec = engine_spec(engine, run.engines[engine])
    context = FitContext(run.seed, split.validation, tracker=Reporter())
    ours = ENGINES[spec.kind](spec.config).fit(data, split.train, context=context)
    result = evaluate(ours, data, split.test, ks=(10,))
    results[engine] = Accuracy({metric: result.values[metric] for metric in MEASURED}, ended="stopped on validation")
    lines, tests = table(results, engine, run.seed)
    print(f"{config.stem}, {len(split.test)} test users, {split.protocol}", *lines, sep="\n")
    curves = {name: found.curve for name, found in results.items()}
    write_json(folder / "accuracy.json", {"tests": tests, "curves": curves, "lines": lines})
    print(f"{folder / 'accuracy.json'} has the curves", file=sys.stderr)
    raise typer.Exit(0 if all(test["low"] > 0 and test["p_holm"] < 0.05 for test in tests) else 1)


if __name__ == "__main__":
    typer.run(main)
