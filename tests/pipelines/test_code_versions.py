"""What a stage remembers of the code holds every file that decides what it leaves."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from recsys.content import EMBEDDERS
from recsys.engines import ENGINES
from recsys.retrieval import INDEXES

ROOT = Path(__file__).resolve().parents[2]


def _file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _imported(path: Path) -> set[str]:
    """Modules of the library that the file names, in imports or in a table of choices."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value.split(":")[0])
    return {name for name in found if name.startswith("recsys.")}


def _reached(modules: set[str]) -> set[Path]:
    files, todo = set(), {_file(name) for name in modules}
    while todo:
        path = todo.pop()
        if path is not None and path not in files:
            files.add(path)
            todo |= {_file(name) for name in _imported(path)}
    return files


STAGES = ["pretrain", "train", "finetune", "evaluate", "choose", "final", "promote", "recommend"]
TABLES = {"recommend": (ENGINES, INDEXES), "pretrain": (ENGINES, EMBEDDERS), "final": (ENGINES, EMBEDDERS)}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_remembers_all_the_code_that_learns_and_answers(stage):
    tables = TABLES.get(stage, (ENGINES,))
    entries = {table[name].__module__ for table in tables for name in table} | {"recsys.registry.bundle"}
    parts = [ROOT / part for part in import_module(f"pipelines.stages.{stage}")._CODE]
    assert all(part.exists() for part in parts)
    files = {path for path in _reached(entries) if path.parent != ROOT / "recsys" or path.name != "__init__.py"}
    assert not {path for path in files if not any(path.is_relative_to(part) for part in parts)}
