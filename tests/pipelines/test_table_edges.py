"""A pretrained table holds no edge of what the towers are asked: neither of the test, nor of the later slice."""

import numpy as np
import pandas as pd
import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.data.splits.earliest import earliest
from recsys.embedding_table import EmbeddingTable
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

GRAPHS = {
    "spectral": "low_pass={rank=4}",
    "lightgcn": "dim=4, batch=32, n_negatives=8, training={epochs=2}",
    "node2vec": "dim=4, training={epochs=2}",
    "sage": "dim=4, batch=32, n_negatives=8, training={epochs=2}",
}


def table_of(directory, engine: str, path) -> EmbeddingTable:
    override = f'pretrain.graph={{engine="{engine}", share=0.5, options={{{GRAPHS[engine]}}}}}'
    workspace = Workspace(directory)
    run_stages(read_run_config(path, [override]), workspace, SilentTracker(), "pretrain")
    return EmbeddingTable.load(workspace.table("graph"))


@pytest.mark.parametrize("engine", list(GRAPHS))
def test_other_items_in_the_later_slice_leave_a_graph_table_as_it_is(tmp_path, engine):
    path = write_world(tmp_path / "world")
    before = table_of(tmp_path / "before", engine, path)
    workspace = Workspace(tmp_path / "before")
    data, split = workspace.load_dataset(), workspace.load_split()
    cut = int(earliest(split.train, 0.5, data).time.max())
    file = path.parent / "interactions.csv"
    frame = pd.read_csv(file)
    late = frame.timestamp > cut
    assert 0.5 < late.mean() < 0.9
    frame.loc[late, "item_id"] = (frame.item_id[late] + 2) % 12
    frame.to_csv(file, index=False)
    after = table_of(tmp_path / "after", engine, path)
    assert before.vocabulary.ids.tolist() == after.vocabulary.ids.tolist()
    np.testing.assert_array_equal(before.vectors, after.vectors)
