"""The loss of accuracy when a table is pretrained on the same interactions that the two-tower model is trained on.

``python -m pipelines.benchmarks.table_leak`` trains the two-tower model of a run three times: without a table, with one
learnt from the earlier half of the training interactions, and with one learnt from all of them, which leaks the targets
of training. No table is learnt from validation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.config_paths import DEMO


def main(
    config: Annotated[Path, typer.Argument(help="A run with a two-tower engine.")] = DEMO,
    engine: str = "two_tower",
    pretrainer: Annotated[str, typer.Option(help="The kind of engine that learns the table.")] = "lightgcn",
    share: Annotated[
        float, typer.Option(help="The earliest share of the interactions that the table without a leak is learnt from.")
    ] = 0.5,
) -> None:
    """Prints NDCG@10 and recall@10 on test for each table, and the paired test of the two tables."""
    from pipelines.config import read_run_config
    from pipelines.specs import engine_spec
    from recsys.data.ingest.readers import ingest
    from recsys.data.sources import resolve
    from recsys.data.splits.split import make_split
    from recsys.embedding_table import EmbeddingTable
    from recsys.engine import FitContext
    from recsys.engines import ENGINES
    from recsys.evaluation.evaluate import evaluate
    from recsys.evaluation.intervals import paired_test
    from recsys.experiment.pretrain import pretrain_table
    from recsys.training.deterministic import deterministic

    run = read_run_config(config)
    filtered = run.evaluate.filter_seen
    data = ingest(resolve(run.data)).data
    split = make_split(data, run.split, filter_seen=filtered)

    def table(part: float) -> EmbeddingTable:
        spec = engine_spec(pretrainer, run.engines.get(pretrainer, {}), "engines")
        context = FitContext(run.seed, filter_seen=filtered)
        return pretrain_table(ENGINES[spec.kind](spec.config), data, split.train, part, context)

    found = {}
    for name, part in (("no table", 0.0), ("earlier slice", share), ("the very pairs", 1.0)):
        tables = {"graph": table(part)} if part else {}
        options = {**run.engines.get(engine, {}), "tables": list(tables)}
        spec = engine_spec(engine, options, "engines")
        with deterministic():
            context = FitContext(run.seed, split.validation, tables=tables)
            model = ENGINES[spec.kind](spec.config).fit(data, split.train, context=context)
        result = found[name] = evaluate(model, data, split.test, ks=(10,))
        print(
            f"{name:<16}test ndcg@10 {result.mean('ndcg@10'):.4f}  recall@10 {result.mean('recall@10'):.4f}", flush=True
        )
    test = paired_test(found["earlier slice"].values["ndcg@10"], found["the very pairs"].values["ndcg@10"])
    print(f"earlier - very pairs, ndcg@10: {test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}], p {test.p:.3f}")


if __name__ == "__main__":
    typer.run(main)
