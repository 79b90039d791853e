"""Recall of an inductive engine for users that training never saw, relative to users that it did.

``python -m pipelines.benchmarks.new_users pipelines/configs/gowalla.toml --engine sage`` keeps a tenth of the users
from training, then evaluates all users alike: the last fifth of each history (a random fifth where there is no order)
is the target, the rest is the input. Seen users are weighted so that the distribution of their history lengths matches
that of the new users.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

BAR = 0.95
"""New users must reach this share of the seen users' recall@20."""


def main(
    config: Annotated[Path, typer.Argument(help="A run; its data and its engine's options are used.")],
    engine: Annotated[list[str], typer.Option(help="A kind of engine, or a name in the run; may be repeated.")],
    share: Annotated[float, typer.Option(help="Share of the users kept from training.")] = 0.1,
    given: Annotated[float, typer.Option(help="Share of a history that is given.")] = 0.8,
) -> None:
    """Prints a row per engine; exit code 1 if recall@20 of new users is below 95 % of that of seen users."""
    import numpy as np

    from pipelines.config import read_run_config
    from pipelines.specs import engine_spec
    from recsys.data.ingest.readers import ingest
    from recsys.data.sources import resolve
    from recsys.data.splits.given import Cut
    from recsys.data.splits.given import given as cut
    from recsys.data.splits.holdout import Holdout
    from recsys.engine import FitContext
    from recsys.engines import ENGINES
    from recsys.evaluation.evaluate import evaluate
    from recsys.seeding import stream
    from recsys.tracking import ConsoleTracker

    run, tracker = read_run_config(config), ConsoleTracker()
    source = resolve(run.data)
    read = ingest(source)
    data = read.data
    events = read.files[0] if run.split.protocol == "given" else data.interactions
    which: Cut = "random" if run.split.protocol == "given" else "last"
    split = cut(events, events, data.n_users, 1 - given, which, run.seed)
    users, history, targets = split.validation.users, split.train, split.validation.targets
    new = np.zeros(data.n_users, bool)
    new[stream(run.seed, "new users").permutation(users)[: round(share * len(users))]] = True
    train = history.select(~new[history.user])
    known = train.item_counts(data.n_items)[targets.item] > 0
    filtered = run.evaluate.filter_seen
    holdout = Holdout(np.unique(targets.user[known]), history, targets.select(known), filter_seen=filtered)

    failed = False
    for name in engine:
        spec = engine_spec(name, run.engines.get(name, {}), "engines")
        context = FitContext(run.seed, filter_seen=filtered, tracker=tracker)
        fitted = ENGINES[spec.kind](spec.config).fit(data, train, context=context)
        result = evaluate(fitted, data, holdout, ks=(20,))
        recall, is_new = result.values["recall@20"], new[result.users]
        weights = like(result.history_lengths, is_new)
        there, here = float(recall[is_new].mean()), float(np.average(recall[~is_new], weights=weights))
        failed |= there < BAR * here
        both = f"of {is_new.sum():,} new users {there:.4f}, of seen users {here:.4f}"
        print(f"{name:<12}recall@20 {both}, ratio {there / here:.3f}", flush=True)
    raise typer.Exit(1 if failed else 0)


def like(lengths: Any, is_new: Any) -> Any:
    """Importance weights of the seen users that match the new users' distribution of history lengths, in ten bins."""
    import numpy as np

    bins = np.digitize(lengths, np.quantile(lengths, np.linspace(0, 1, 11)[1:-1]))
    new, seen = (np.bincount(bins[rows], minlength=10) for rows in (is_new, ~is_new))
    return (new / np.maximum(seen, 1))[bins[~is_new]]


if __name__ == "__main__":
    typer.run(main)
