"""Every notebook runs from top to bottom, on the front door, and is committed without outputs."""

import os
import warnings
from pathlib import Path

import nbformat
import pytest

_ROOT = Path(__file__).resolve().parent.parent
_SHORTER = {
    "00_quickstart": ("epochs=5", "epochs=1"),
    "03_inside_the_embeddings": ("1682, 200_000, 4", "80, 1000, 1"),
}
"""Notebook -> a text of it and what the test replaces that by, so that no notebook takes minutes."""
_DATA = Path(os.environ.get("RECSYS_DATA_DIR", "../shared/data"))
_NOTEBOOKS = sorted((_ROOT / "notebooks").glob("*.ipynb"))


def _code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def _shortened(path: Path) -> nbformat.NotebookNode:
    written, shorter = _SHORTER.get(path.stem, ("", ""))
    text = path.read_text(encoding="utf-8")
    assert written in text
    return nbformat.reads(text.replace(written, shorter) if written else text, as_version=4)


def _runs() -> list[object]:
    """The first notebook belongs to the fast tests, the others to the slow ones."""
    marks = [() if path.stem.startswith("00_") else (pytest.mark.slow,) for path in _NOTEBOOKS]
    return [pytest.param(path, id=path.stem, marks=mark) for path, mark in zip(_NOTEBOOKS, marks, strict=True)]


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_the_front_door_and_not_the_pipelines(path):
    code = "\n".join(cell.source for cell in _code(path))
    assert "import recsys as rs" in code
    assert "pipelines" not in code


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    assert [cell.outputs for cell in _code(path) if cell.outputs] == []


@pytest.mark.skipif(not (_ROOT / _DATA / "movielens-100k").is_dir(), reason=f"MovieLens 100K is not in {_DATA}")
@pytest.mark.parametrize("path", _runs())
def test_a_notebook_runs_from_top_to_bottom(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the kernel's client
        from nbclient import NotebookClient

        NotebookClient(_shortened(path), timeout=600, resources={"metadata": {"path": str(_ROOT)}}).execute()
