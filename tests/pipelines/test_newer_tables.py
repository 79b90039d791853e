"""Lists of a champion that has not learnt from the newest tables say so in one line."""

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.recommend import run_from
from pipelines.workspace import Workspace
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears, pytestmark  # noqa: F401
from tests.pipelines.world import write_world


def test_a_champion_that_is_older_than_the_tables_of_the_run_is_told_with_what_to_do(tmp_path):
    path = write_world(tmp_path)
    workspace = Workspace(tmp_path / "out")
    run_stages(read_run_config(path), workspace, SilentTracker(), "recommend")
    told = heard(path, workspace)
    assert "newer" not in told
    with (tmp_path / "interactions.csv").open("a") as table:
        table.write("u0000,1,2000000\nu0002,3,2000001\nlater,3,2000002\n")
    run_stages(read_run_config(path), workspace, SilentTracker(), "prepare")
    told = heard(path, workspace)
    assert "the run's tables are newer than what tiny/1 has learnt from, by 3 interactions; `recsys run` or" in told
    assert told.count("newer than") == 1


def heard(path, workspace):
    ears = Ears()
    run_from(read_run_config(path), workspace, ears)
    return "\n".join(ears.heard)
