"""`filter_seen` reaches training, validation, refit and serving."""

import pandas as pd
import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.recommend import run_from
from pipelines.workspace import Workspace
from recsys.engines.two_tower.sequence import SequenceModel
from recsys.errors import ConfigError
from recsys.registry.bundle import Bundle
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

TOWERS = ["engines.sequence.model.dim=8", "engines.sequence.training.epochs=1", "split.refit=true"]
TABLE = ['pretrain.table.engine="sequence"', "pretrain.table.options={model={dim=8}, training={epochs=1}}"]


@pytest.mark.parametrize("filtered", [True, False])
def test_choice_and_refit_know_what_lists_leave_out_and_the_bundle_says_what_was_learnt(
    tmp_path, filtered, monkeypatch
):
    contexts, fit = [], SequenceModel.fit

    def watched(self, *args, context, **kw):
        contexts.append(context)
        return fit(self, *args, context=context, **kw)

    monkeypatch.setattr(SequenceModel, "fit", watched)
    changes = [*TOWERS, f"evaluate.filter_seen={str(filtered).lower()}"]
    workspace = Workspace(tmp_path / "out")
    run_stages(read_run_config(write_world(tmp_path), changes), workspace, SilentTracker(), "train")
    assert [context.filter_seen for context in contexts] == [filtered, filtered]
    bundle = Bundle.load(workspace.bundle("sequence"))
    assert bundle.engine.ranks_seen_items() is not filtered


def test_a_table_is_learnt_anew_when_lists_no_longer_leave_out_what_was_seen(tmp_path):
    path, workspace, tables = write_world(tmp_path), Workspace(tmp_path / "out"), []
    for filtered in ("true", "false"):
        config = read_run_config(path, [*TABLE, f"evaluate.filter_seen={filtered}"])
        run_stages(config, workspace, SilentTracker(), "pretrain")
        tables.append(workspace.load_tables(config.pretrain)["table"].vectors)
    assert (tables[0] != tables[1]).any()


def test_targets_that_no_list_can_show_are_told(tmp_path):
    path = write_world(tmp_path)
    table = pd.read_csv(tmp_path / "interactions.csv")
    again = table.groupby("user_id").head(1).head(5).assign(timestamp=2_000_000)
    pd.concat([table, again]).to_csv(tmp_path / "interactions.csv", index=False)
    for filtered in (True, False):
        heard = Heard()
        config = read_run_config(path, [f"evaluate.filter_seen={str(filtered).lower()}"])
        run_stages(config, Workspace(tmp_path / "out"), heard, "evaluate")
        assert ("5 targets are items that their users had before" in heard.text) is filtered


PARTS = ["engines.hybrid={parts=['ease', 'sequence'], weights=[1, 1]}", "engines.ease.regularization=1"]


def test_a_bundle_that_ranks_what_is_new_alone_writes_no_lists_of_what_was_seen(tmp_path):
    changes = ["engines.sequence.model.dim=8", "engines.sequence.training.epochs=1", *PARTS]
    nested = [*changes, "engines.outer={kind='hybrid', parts=['popularity', 'hybrid'], weights=[1, 1]}"]
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    run_stages(read_run_config(path, nested), workspace, SilentTracker(), "train")
    config = read_run_config(path, nested)
    kept = run_from(config, workspace, SilentTracker(), bundle=workspace.bundle("sequence"))
    shown = read_run_config(path, [*nested, "recommend.filter_seen=false", "recommend.engine=sequence"])
    for name in ("sequence", "hybrid", "outer"):
        with pytest.raises(ConfigError, match="trained to rank unseen items"):
            run_from(shown, workspace, SilentTracker(), bundle=workspace.bundle(name))
    reused = Heard()
    assert run_from(config, workspace, reused, bundle=workspace.bundle("sequence")) == kept
    assert "recommend: reused" in reused.text
    assert "24 of 24" in run_from(shown, workspace, SilentTracker(), bundle=workspace.bundle("ease"))


class Heard(SilentTracker):
    text = ""

    def info(self, message):
        self.text += message
