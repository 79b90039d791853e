"""Checks that a change of the code leaves every figure unchanged: runs configs and compares them with a record.

    python -m pipelines.benchmarks.figures --output runs/figures --record before.json    # before the change
    python -m pipelines.benchmarks.figures --output runs/figures --against before.json   # after it; 1 where they differ

All numbers of ``report.json`` except seconds and memory are compared exactly, and a digest of the recommendations.
Digits may differ between processors and library versions, so a record is made on the machine that compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from recsys.json_values import JsonObject

CONFIGS = ("short", "demo", "movielens-100k", "beauty-linear")
_FOLDER = Path(__file__).resolve().parent.parent / "configs"
_OF_THE_MACHINE = ("seconds", "peak_memory")
_OF_THE_CODE = ("fingerprint", "settings", "curves")
"""What a rename may change; the curves' last points are in the metrics."""


def figures(run: Path) -> JsonObject:
    """Every number of a finished run by its path in the report, and a digest of its recommendations."""
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    found: JsonObject = dict(_numbers(report, ""))
    parts = sorted((run / "recommendations").glob("*.parquet"))
    if parts:
        found["recommendations"] = _columns_digest(parts)
    return found


def _columns_digest(parts: list[Path]) -> str:
    """A digest of the values of all columns; not of the file, whose footer names the code version and the bundle."""
    found = hashlib.sha256()
    for part in parts:
        for name, column in pd.read_parquet(part).items():
            values = column.to_numpy()
            found.update(
                str(name).encode() + (repr(values.tolist()).encode() if values.dtype == object else values.tobytes())
            )
    return found.hexdigest()


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if not any(word in path for word in _OF_THE_MACHINE):
            yield path, value
    elif isinstance(value, dict):
        for key, inner in sorted(value.items()):
            if key not in _OF_THE_CODE:
                yield from _numbers(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _numbers(inner, f"{path}/{place}")


def differences(before: JsonObject, after: JsonObject, renamed: dict[str, str]) -> list[str]:
    """What differs, a line each; ``renamed`` has parts of paths that were given another name on purpose.

    Example:
        >>> differences({"/engines/a/unplaced": 1}, {"/engines/a/missing": 2}, {"unplaced": "missing"})
        ['/engines/a/missing: 1 before, 2 now']
    """
    expected = {_renamed(path, renamed): number for path, number in before.items()}
    lines = []
    for path in sorted(expected.keys() | after.keys()):
        old, new = expected.get(path, "nothing"), after.get(path, "nothing")
        if old != new:
            lines.append(f"{path}: {old} before, {new} now")
    return lines


def _renamed(path: str, renamed: dict[str, str]) -> str:
    return "/".join(renamed.get(part, part) for part in path.split("/"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=CONFIGS, help=f"names of pipelines/configs; default {CONFIGS}")
    parser.add_argument("--output", type=Path, required=True, help="where the runs go, a folder each")
    parser.add_argument("--record", type=Path, help="a JSON file to write")
    parser.add_argument("--against", type=Path, help="a JSON file that --record wrote")
    parser.add_argument("--renamed", nargs="*", default=(), metavar="OLD=NEW", help="keys of the report renamed since")
    options = parser.parse_args()
    found = {}
    for name in options.configs:
        run = options.output / name
        subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "run", str(_FOLDER / f"{name}.toml"), "--output", str(run)],
            check=True,
        )
        found[name] = figures(run)
    if options.record is not None:
        options.record.write_text(json.dumps(found, indent=1, sort_keys=True), encoding="utf-8")
    if options.against is not None:
        sys.exit(_compare(json.loads(options.against.read_text(encoding="utf-8")), found, options.renamed))


def _compare(before: JsonObject, found: JsonObject, renames: list[str]) -> int:
    renamed = dict(pair.split("=", 1) for pair in renames)
    worst = 0
    for name, after in found.items():
        lines = differences(before[name], after, renamed)
        print(f"{name}: {len(after)} figures, {len(lines)} differ", *lines[:20], sep="\n  ")
        worst = max(worst, int(bool(lines)))
    return worst


if __name__ == "__main__":
    main()
