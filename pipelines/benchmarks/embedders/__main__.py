"""Recall and cost of each embedder, alone and joined with the other inputs, on real texts and images.

``python -m pipelines.benchmarks.embedders pipelines/configs/embedders-movielens-1m.toml`` measures every ``[pretrain]``
section of the run in a process of its own (see `row`), and prints one table as Markdown. A row is saved as soon as it
is measured, and measured again only if its section, the towers' options, the seed, the data or the training code
change. Encodings are cached in the output folder, so of an embedder that builds on an earlier one only the increment is
measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.benchmarks.embedders.row import COLUMNS, row_cache_key, row_path
from recsys.json_values import JsonObject


def main(
    config: Annotated[Path, typer.Argument(help="A run with embedders and a two-tower engine.")],
    only: Annotated[list[str] | None, typer.Option(help="A section; may be repeated. None takes all.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of data, tables and rows.")] = None,
    validation: Annotated[bool, typer.Option(help="Evaluate on validation, not on test.")] = False,
) -> None:
    """Prints the table; exit code 1 if a row could not be measured."""
    from pipelines.config import read_run_config
    from pipelines.config_checks import check_engine
    from pipelines.stages.prepare import run as prepare
    from pipelines.workspace import Workspace
    from recsys.tracking import ConsoleTracker

    run = read_run_config(config)
    check_engine(run, str(config), "two_tower")
    unknown = sorted(set(only or ()) - {COLUMNS, *run.pretrain})
    if unknown:
        raise typer.BadParameter(f"--only names {unknown}; {config} has {', '.join((COLUMNS, *run.pretrain))}")
    directory = output or Path("runs") / (f"{run.name}-validation" if validation else run.name)
    workspace = Workspace(directory)
    prepare(run, workspace, ConsoleTracker())
    data, split = workspace.load_dataset(), workspace.load_split()
    failed = [
        name
        for name in only or [COLUMNS, *run.pretrain]
        if not is_current(directory, name, row_cache_key(run, name, data, split, validation))
        and not _made(config, name, directory, validation)
    ]
    show(directory, [COLUMNS, *run.pretrain])
    if failed:
        print(f"\nno row for {', '.join(failed)}; see the message of each above")
    raise typer.Exit(1 if failed else 0)


def is_current(directory: Path, name: str, cache_key: JsonObject) -> bool:
    """Whether the row is saved with this ``cache_key``."""
    from recsys.atomic import read_json

    path = row_path(directory, name)
    return path.exists() and bool(read_json(path)["cache_key"] == cache_key)


def _made(config: Path, name: str, directory: Path, validation: bool) -> bool:
    """Measures the row in a process of its own; returns whether the process succeeded."""
    command = [sys.executable, "-m", f"{__package__}.row", str(config), name, str(directory)]
    environment = {**os.environ, "RECSYS_CACHE_DIR": str(directory.resolve() / "cache")}
    return not subprocess.run([*command, *(["--validation"] if validation else [])], env=environment).returncode


def show(directory: Path, names: list[str]) -> None:
    """Prints the finished rows as a Markdown table, the best on cold items first."""
    from recsys.atomic import read_json

    rows = [read_json(row_path(directory, name)) for name in names if row_path(directory, name).exists()]
    print("\n| table | recall@20, cold items | recall@10, joined | D | items | CPU s | MiB |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for row in sorted(rows, key=lambda row: -row["cold"]["value"]):
        print(f"| {' | '.join(cells(row))} |")


def cells(row: JsonObject) -> list[str]:
    """The cells of a row of the Markdown table."""
    recalls = [f"{r['value']:.4f} [{r['low']:.4f}, {r['high']:.4f}]" for r in (row["cold"], row["joined"])]
    numbers = [row.get(key) for key in ("dim", "items", "cpu_seconds", "peak_memory_mb")]
    return [row["name"], *recalls, *("" if number is None else f"{number:.0f}" for number in numbers)]


if __name__ == "__main__":
    typer.run(main)
