"""What each embedder is worth alone, and what it costs.

``recsys run pipelines/configs/embedders-movielens-1m.toml`` makes the tables and ranks the cold items by each;
``python -m pipelines.benchmarks.embedders [RUN]`` prints recall@20 with its interval, how far neighbours agree in their
genres, alignment and uniformity of what users chose, seconds and memory as Markdown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.workspace import Workspace


def main(run: Annotated[Path, typer.Argument(help="The run's folder.")] = Path("runs/embedders-movielens-1m")) -> None:
    """One line a table of the run."""
    from pipelines.workspace import Workspace
    from recsys.atomic import read_json

    workspace = Workspace(run)
    engines = read_json(workspace.report)["engines"]
    print("| table | recall@20 | 95 % | D | genres agree | alignment | uniformity | seconds | MiB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, metrics in sorted(engines.items(), key=lambda pair: -pair[1]["recall@20"]["value"]):
        recall = metrics["recall@20"]
        cells = [name, f"{recall['value']:.4f}", f"{recall['low']:.4f} to {recall['high']:.4f}"]
        print(f"| {' | '.join(cells + about(workspace, name))} |")


def about(workspace: Workspace, name: str) -> list[str]:
    """D, agreement of genres, alignment, uniformity, seconds and memory of a table; empty where there is none."""
    from pipelines.pretrain import table_cost
    from recsys.atomic import read_json
    from recsys.content.columns import row_tags
    from recsys.evaluation.embedding_quality import embedding_quality

    if not workspace.table(name).exists():
        return [""] * 6
    data, spent = workspace.load_dataset(), read_json(table_cost(workspace, name))
    table = workspace.load_tables([name])[name]
    tags = row_tags(data.items, "genres")
    found = embedding_quality(table, data.items.vocabulary, tags, workspace.load_split().train)
    measured = (found.agreement, found.alignment, found.uniformity)
    return [
        str(table.dim),
        *("" if value is None else f"{value:.3f}" for value in measured),
        f"{spent['seconds']:.0f}",
        f"{spent['peak_memory_mb']:.0f}",
    ]


if __name__ == "__main__":
    typer.run(main)
