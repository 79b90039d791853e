"""Every notebook runs from top to bottom, on the front door, and is committed without outputs."""

import os
import warnings
from pathlib import Path

import nbformat
import pytest

_ROOT = Path(__file__).resolve().parent.parent
_SLICE = {"03_inside_the_embeddings": "N_ITEMS, PAIRS, EPOCHS = 80, 1000, 1"}
"""What stands in the cell that is tagged ``parameters``, where the whole would take minutes."""
_DATA = Path(os.environ.get("RECSYS_DATA_DIR", "../shared/data"))


_NOTEBOOKS = sorted((_ROOT / "notebooks").glob("*.ipynb"))


def _code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_the_front_door_and_not_the_pipelines(path):
    code = "\n".join(cell.source for cell in _code(path))
    assert "import recsys as rs" in code
    assert "pipelines" not in code


@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    assert [cell.outputs for cell in _code(path) if cell.outputs] == []


@pytest.mark.skipif(not (_ROOT / _DATA / "movielens-100k").is_dir(), reason=f"MovieLens 100K is not in {_DATA}")
@pytest.mark.parametrize("path", _NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's client speaks of its own future
        from nbclient import NotebookClient

        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", ()):
                cell.source = _SLICE[path.stem]
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(_ROOT)}}).execute()
