"""One embedder of a run, in a process of its own: cost of its table, and recall with it.

The table is evaluated on two splits. Alone: a tenth of the items is held out with all its interactions, and ranked by
the mean cosine with each user's history. Joined: the run's two-tower model gets the table beside columns and history,
on the run's own split. The table is trained on interactions that belong to the training part of both splits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.json_values import JsonObject

if TYPE_CHECKING:
    from pipelines.config import RunConfig
    from recsys.data.dataset import Dataset
    from recsys.data.interactions import Interactions
    from recsys.data.splits.holdout import Holdout
    from recsys.data.splits.partition import Split
    from recsys.embedding_table import EmbeddingTable
    from recsys.engine import Engine
    from recsys.tracking import Tracker

COLUMNS = "columns"
"""The row without a table: the items' genres alone, and the towers with columns and history alone."""


@dataclass(frozen=True, eq=False)
class EvaluationSplits:
    """The dataset and the two splits that a table is evaluated on.

    Args:
        data: the dataset of the run.
        cold: a tenth of the items held out with all their interactions; targets are cold items.
        standard: the split of the run; targets may be any item.
        validation: whether to evaluate on the validation parts instead of the test parts.
    """

    data: Dataset
    cold: Split
    standard: Split
    validation: bool

    @classmethod
    def of(cls, data: Dataset, standard: Split, validation: bool) -> EvaluationSplits:
        from recsys.data.splits.split import SplitConfig, make_split

        return cls(data, make_split(data, SplitConfig(protocol="cold_items")), standard, validation)

    def holdout(self, split: Split) -> Holdout:
        """The part of ``split`` that is evaluated."""
        return split.validation if self.validation else split.test

    def shared_train(self) -> Interactions:
        """The interactions that belong to the training part of both splits."""
        warm = self.cold.train.item_counts(self.data.n_items) > 0
        return self.standard.train.select(warm[self.standard.train.item])


def main(
    config: Annotated[Path, typer.Argument(help="A run with embedders and a two-tower engine.")],
    name: Annotated[str, typer.Argument(help=f"A [pretrain] section, or {COLUMNS!r} for none.")],
    directory: Annotated[Path, typer.Argument(help="Holds the prepared data; the row is written to rows/NAME.json.")],
    validation: Annotated[bool, typer.Option(help="Evaluate on validation, not on test.")] = False,
) -> None:
    """Writes the row to ``DIRECTORY/rows/NAME.json``."""
    from pipelines.config import read_run_config
    from pipelines.workspace import Workspace
    from recsys.atomic import write_json
    from recsys.errors import RecsysError
    from recsys.tracking import ConsoleTracker

    run, workspace = read_run_config(config), Workspace(directory)
    splits = EvaluationSplits.of(workspace.load_dataset(), workspace.load_split(), validation)
    try:
        row = measured_row(run, name, splits, directory, ConsoleTracker())
    except RecsysError as error:
        print(f"{name}: {error}")
        raise typer.Exit(1) from error
    write_json(row_path(directory, name), row)


def row_path(directory: Path, name: str) -> Path:
    """The file of the row ``name``."""
    return directory / "rows" / f"{name}.json"


def row_cache_key(run: RunConfig, name: str, data: Dataset, split: Split, validation: bool) -> JsonObject:
    """Everything that a row depends on; it is made again when any of it changes."""
    from pipelines.workspace import ENGINE_CODE, code_version

    section = run.pretrain[name].model_dump(mode="json") if name != COLUMNS else {}
    evaluated = {"data": data.fingerprint, "split": split.fingerprint, "validation": validation}
    made = {"section": section, "two_tower": run.engines["two_tower"], "seed": run.seed}
    return made | evaluated | {"code": code_version(*ENGINE_CODE)}


def measured_row(run: RunConfig, name: str, splits: EvaluationSplits, directory: Path, tracker: Tracker) -> JsonObject:
    """Cost of the table ``name``, and recall alone and joined, as JSON values."""
    cache_key = row_cache_key(run, name, splits.data, splits.standard, splits.validation)
    table, row = None, JsonObject(name=name, cache_key=cache_key)
    if name != COLUMNS:
        table, costs = made(run, name, splits, tracker)
        table.save(directory / "tables" / name)
        row |= costs | {"dim": table.dim, "items": len(table.vocabulary)}
    row["cold"] = alone(table, name, splits, tracker)
    row["joined"] = joined(run, table, name, splits, tracker)
    return row


def made(
    run: RunConfig, name: str, splits: EvaluationSplits, tracker: Tracker
) -> tuple[EmbeddingTable, dict[str, float]]:
    """The table, and the seconds, CPU seconds and peak memory of training and encoding."""
    from pipelines.stages.pretrain import embedder_context, embedder_of
    from recsys.content import Learner
    from recsys.data.splits.earliest import earliest
    from recsys.training.cost import measured
    from recsys.training.deterministic import deterministic

    train = earliest(splits.shared_train(), run.pretrain[name].share, splits.data)
    start = time.process_time()
    with measured() as cost:
        embedder, context = embedder_of(run, name), embedder_context(run, train, tracker)
        if isinstance(embedder, Learner):
            with deterministic():
                embedder.fit(splits.data.items, context)
        table = embedder.embed(splits.data.items, context)
    spent = time.process_time() - start
    return table, {"seconds": cost.seconds, "cpu_seconds": spent, "peak_memory_mb": cost.peak_memory_mb}


def alone(table: EmbeddingTable | None, name: str, splits: EvaluationSplits, tracker: Tracker) -> dict[str, float]:
    """recall@20 for cold items, by the mean centred cosine with the history."""
    from recsys.engine import FitContext
    from recsys.engines.baselines.content_knn import ContentKNN

    if table is None:
        engine, tables = ContentKNN(columns=("genres",), centred=True), {}
    else:
        engine, tables = ContentKNN(table=name, centred=True), {name: table}
    engine.fit(splits.data, splits.cold.train, context=FitContext(tables=tables, tracker=tracker))
    return _recall(engine, splits, splits.cold, 20)


def joined(
    run: RunConfig, table: EmbeddingTable | None, name: str, splits: EvaluationSplits, tracker: Tracker
) -> dict[str, float]:
    """recall@10 over all items, of the run's two-tower model with the table beside the rest; its epochs are fixed."""
    from pipelines.specs import engine_spec
    from recsys.engine import FitContext
    from recsys.engines.two_tower.two_tower import TwoTower
    from recsys.training.deterministic import deterministic

    names = () if table is None else (name,)
    config = engine_spec("two_tower", run.engines["two_tower"]).config.model_copy(update={"tables": names})
    context = FitContext(run.seed, tables={} if table is None else {name: table}, tracker=tracker)
    with deterministic():
        engine = TwoTower(config).fit(splits.data, splits.standard.train, context=context)
    return _recall(engine, splits, splits.standard, 10)


def _recall(engine: Engine, splits: EvaluationSplits, split: Split, k: int) -> dict[str, float]:
    from recsys.evaluation.evaluate import evaluate
    from recsys.evaluation.intervals import bootstrap_interval

    result = evaluate(engine, splits.data, splits.holdout(split), ks=(k,))
    return vars(bootstrap_interval(result.values[f"recall@{k}"]))


if __name__ == "__main__":
    typer.run(main)
