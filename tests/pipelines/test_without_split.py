"""A run without a split trains on everything, recommends, and measures nothing."""

import pandas as pd
import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.data.synthetic.worlds import BlockTaste
from recsys.errors import ConfigError
from recsys.tracking import SilentTracker

CONFIG = """
name = "x"
[data]
interactions = "{plays}"
{split}
[engines.ease]
{rest}
"""
RECOMMEND = '[recommend]\nengine = "ease"\nk = 5'


@pytest.fixture
def write(tmp_path):
    x = BlockTaste(users=30).dataset().interactions
    plays = tmp_path / "plays.csv"
    pd.DataFrame({"user_id": x.user, "item_id": x.item}).to_csv(plays, index=False)

    def written(split="", rest=RECOMMEND):
        path = tmp_path / "c.toml"
        path.write_text(CONFIG.format(plays=plays, split=split, rest=rest), encoding="utf-8")
        return path

    return written


@pytest.mark.parametrize("split", ["", '[split]\nprotocol = "none"'])
def test_it_trains_on_everything_and_recommends(write, tmp_path, split):
    workspace = Workspace(tmp_path / "out")
    assert run_stages(read_run_config(write(split)), workspace, SilentTracker()) == 0
    lists = pd.concat(pd.read_parquet(path) for path in workspace.recommendations.glob("*.parquet"))
    assert lists["user_id"].nunique() == 30
    assert len(workspace.load_split().train) == len(workspace.load_dataset().interactions)
    assert not workspace.report.exists()
    assert not workspace.final.bundle("ease").exists()


def test_the_report_of_an_earlier_run_with_a_split_does_not_stay(write, tmp_path):
    workspace = Workspace(tmp_path / "out")
    run_stages(read_run_config(write('[split]\nprotocol = "random"')), workspace, SilentTracker())
    assert workspace.report.exists()
    run_stages(read_run_config(write()), workspace, SilentTracker())
    assert not workspace.report.exists()


@pytest.mark.parametrize(
    "rest", ['[promote]\nengine = "ease"', '[attribution]\nengine = "ease"\nmodalities = {a = ["ids"]}']
)
def test_what_measures_engines_needs_a_split(write, rest):
    with pytest.raises(ConfigError, match=r"the run has no split; add \[split\]"):
        read_run_config(write(rest=f"{RECOMMEND}\n{rest}"))
