"""What each embedder is worth alone, and what it costs.

``recsys run pipelines/configs/embedders-movielens-1m.toml`` makes the tables and ranks the cold items by each;
``python -m pipelines.benchmarks.embedders [RUN]`` prints recall@20 with its interval, seconds and memory as Markdown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(run: Annotated[Path, typer.Argument(help="The run's folder.")] = Path("runs/embedders-movielens-1m")) -> None:
    """One line a table of the run."""
    from pipelines.pretrain import table_cost
    from pipelines.workspace import Workspace
    from recsys.atomic import read_json

    workspace = Workspace(run)
    engines = read_json(workspace.report)["engines"]
    print("| table | D | recall@20 | 95 % | seconds | MiB |\n|---|--:|--:|--:|--:|--:|")
    for name, metrics in sorted(engines.items(), key=lambda pair: -pair[1]["recall@20"]["value"]):
        recall = metrics["recall@20"]
        dim = cost = memory = ""
        if workspace.table(name).exists():
            spent = read_json(table_cost(workspace, name))
            table = workspace.load_tables([name])[name]
            dim, cost, memory = str(table.dim), f"{spent['seconds']:.0f}", f"{spent['peak_memory_mb']:.0f}"
        interval = f"{recall['low']:.4f} to {recall['high']:.4f}"
        print(f"| {name} | {dim} | {recall['value']:.4f} | {interval} | {cost} | {memory} |")


if __name__ == "__main__":
    typer.run(main)
