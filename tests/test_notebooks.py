"""Every notebook runs from top to bottom."""

import os
import warnings
from pathlib import Path

import nbformat
import pytest

_ROOT = Path(__file__).resolve().parent.parent
_SLICE = {"03_inside_the_embeddings": "N_ITEMS, PAIRS, EPOCHS = 80, 1000, 1"}
"""What stands in the cell that is tagged ``parameters``, where the whole would take minutes."""
_DATA = Path(os.environ.get("RECSYS_DATA_DIR", "../shared/data"))


@pytest.mark.skipif(not (_ROOT / _DATA / "movielens-100k").is_dir(), reason=f"MovieLens 100K is not in {_DATA}")
@pytest.mark.parametrize("path", sorted((_ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's client speaks of its own future
        from nbclient import NotebookClient

        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", ()):
                cell.source = _SLICE[path.stem]
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(_ROOT)}}).execute()
