"""Accuracy and cost of fine-tuning relative to a full retrain, on MovieLens 100K split by time.

``python -m pipelines.benchmarks.finetune`` trains a parent on the first 80 % of the events, fine-tunes it on the next
10 %, retrains from scratch on all 90 %, and evaluates parent, child and retrained model on the remaining events. The
time of the retrain leaves out the search for its number of epochs, which favours it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.config_paths import DEMO

if TYPE_CHECKING:
    from recsys.data.interactions import Interactions
    from recsys.data.splits.split import Holdout
    from recsys.embedding_table import EmbeddingTable
    from recsys.engines.two_tower.two_tower import TwoTower

BAR = 0.5
"""Largest cost of the child as a share of that of the retrain."""


def main(
    config: Annotated[Path, typer.Argument(help="A run with a two-tower engine and a clock.")] = DEMO,
    engine: str = "two_tower",
    old: Annotated[float, typer.Option(help="Share of the events that the parent learns from.")] = 0.8,
    new: Annotated[float, typer.Option(help="Share of the events that the child learns beside them.")] = 0.1,
) -> None:
    """Prints a row a model; exit code 1 when the child is behind the retrain beyond noise, or costs too much."""
    from pipelines.config import read_run_config
    from pipelines.specs import engine_spec, pretrain_spec
    from recsys.data.ingest.readers import ingest
    from recsys.data.sources import resolve
    from recsys.data.splits.temporal import moments, temporal
    from recsys.engine import FitContext
    from recsys.engines import ENGINES
    from recsys.engines.two_tower.two_tower import TwoTower
    from recsys.evaluation.evaluate import evaluate
    from recsys.evaluation.intervals import paired_test
    from recsys.experiment.finetune import finetune_config, leave_last_out
    from recsys.experiment.pretrain import pretrain_table
    from recsys.tracking import ConsoleTracker
    from recsys.training.deterministic import deterministic

    run = read_run_config(config)
    data, tracker = ingest(resolve(run.data)).data, ConsoleTracker()
    spec, filtered = engine_spec(engine, run.engines[engine]), run.evaluate.filter_seen
    validated, cut = moments(data.interactions, new, 1 - old)
    now = moments(data.interactions, new, 1 - old - new)[1]
    before, after = (
        temporal(data.interactions, *moments_).with_filter_seen(filtered) for moments_ in ((validated, cut), (cut, now))
    )

    names = [name for name in run.pretrain if name in spec.config.model_dump().get("tables", ())]

    def table(name: str, train: Interactions) -> EmbeddingTable:
        made = pretrain_spec(name, run.pretrain[name])
        context = FitContext(run.seed, filter_seen=filtered, tracker=tracker)
        return pretrain_table(ENGINES[made.kind](made.config), data, train, run.pretrain[name].share, context)

    def fit_on(train: Interactions, validation: Holdout | None = None, epochs: int | None = None) -> TwoTower:
        tables = {name: table(name, train) for name in names}
        context = FitContext(run.seed, validation, epochs, tables, filter_seen=filtered, tracker=tracker)
        return TwoTower(spec.config).fit(data, train, context=context)

    chosen = fit_on(before.train, before.validation)
    parent = fit_on(before.train_and_validation, epochs=chosen.epochs_)

    fresh = after.train_and_validation.time >= cut
    train, learnt, validation = leave_last_out(after.train_and_validation, fresh, data.n_users, filtered)
    options = finetune_config(parent, run.finetune)
    context = FitContext(run.seed, validation, tracker=tracker)
    with deterministic():
        child, child_seconds = _timed(lambda: TwoTower(options).finetune(parent, data, train, learnt, context))
        again, again_seconds = _timed(lambda: fit_on(after.train_and_validation, epochs=chosen.epochs_))

    found = {
        name: evaluate(model, data, after.test, ks=(10, 20))
        for name, model in {"parent": parent, "fine-tuned": child, "retrained": again}.items()
    }
    seconds = {"parent": float("nan"), "fine-tuned": child_seconds, "retrained": again_seconds}
    print(
        f"{data.name}: {len(before.train_and_validation):,} old, {int(fresh.sum()):,} new events, "
        f"{len(after.test)} users evaluated"
    )
    for name, result in found.items():
        shown = "  ".join(f"{metric} {result.mean(metric):.4f}" for metric in ("recall@10", "recall@20", "ndcg@10"))
        print(f"{name:<12}{shown}  {seconds[name]:6.1f} s")
    test = paired_test(found["fine-tuned"].values["ndcg@10"], found["retrained"].values["ndcg@10"])
    print(
        f"fine-tuned - retrained, ndcg@10: {test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}], p {test.p:.3f}"
    )
    print(f"time of the fine-tuning / time of the retrain: {child_seconds / again_seconds:.2f} (bar {BAR})")
    raise typer.Exit(0 if test.high >= 0 and child_seconds <= BAR * again_seconds else 1)


def _timed(work: Callable[[], TwoTower]) -> tuple[TwoTower, float]:
    start = time.perf_counter()
    made = work()
    return made, time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
