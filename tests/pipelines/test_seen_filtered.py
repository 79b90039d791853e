"""What lists leave out is told to everything that learns, in every stage."""

import pytest

from pipelines.config import read_run_config
from pipelines.recommend import run_from
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.errors import ConfigError
from recsys.registry.bundle import Bundle
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

TOWERS = ["engines.sequence.model.dim=8", "engines.sequence.training.epochs=1", "split.refit=true"]
TABLE = ['pretrain.table.engine="sequence"', "pretrain.table.options={model={dim=8}, training={epochs=1}}"]


@pytest.mark.parametrize("filtered", [True, False])
def test_a_refit_learns_the_same_objective_as_what_it_repeats(tmp_path, filtered):
    changes = [*TOWERS, f"evaluate.seen_filtered={str(filtered).lower()}"]
    workspace = Workspace(tmp_path / "out")
    run_stages(read_run_config(write_world(tmp_path), changes), workspace, SilentTracker(), "train")
    assert Bundle.load(workspace.bundle("sequence")).engine.config.seen_negatives is not filtered


def test_a_table_is_learnt_anew_when_lists_no_longer_leave_out_what_was_seen(tmp_path):
    path, workspace, tables = write_world(tmp_path), Workspace(tmp_path / "out"), []
    for filtered in ("true", "false"):
        config = read_run_config(path, [*TABLE, f"evaluate.seen_filtered={filtered}"])
        run_stages(config, workspace, SilentTracker(), "pretrain")
        tables.append(workspace.load_tables(config.pretrain)["table"].vectors)
    assert (tables[0] != tables[1]).any()


def test_a_bundle_that_ranks_what_is_new_alone_writes_no_lists_of_what_was_seen(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path, TOWERS), workspace, SilentTracker(), "train")
    changes = [*TOWERS, "recommend.filter_seen=false", "evaluate.seen_filtered=false"]
    with pytest.raises(ConfigError, match="learns to rank what is new alone"):
        run_from(read_run_config(path, changes), workspace, SilentTracker(), bundle=workspace.bundle("sequence"))
